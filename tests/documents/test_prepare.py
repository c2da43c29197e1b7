"""The whole way on a corpus whose funnel is worked out by hand; cut, stopped, resumed, refused."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from summpo.documents import PART_BYTES, Part, Split
from summpo.documents.executors import local
from summpo.documents.executors.local import Local
from summpo.documents.funnel import Funnel, lines
from summpo.documents.jsonl import Jsonl
from summpo.documents.prepare import prepare, read, tasks_of
from summpo.documents.rules import DocumentRules, SplitRules
from summpo.documents.shards import Work
from summpo.errors import UserError
from support.made_documents import RULES, TEST_ROWS, TRAIN_ROWS, corpus, text, write, written

LENIENT = DocumentRules(train=SplitRules(min_tokens=1))


def made(folder: Path, tokenizer: Path, **settings: Any) -> dict[Split, Funnel]:
    found = prepare(corpus(folder), settings.pop("rules", RULES), tokenizer, folder / "out", **settings)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, word_tokenizer: Path) -> Path:
    """The corpus with its documents made in one go. Read only."""
    folder = tmp_path_factory.mktemp("whole")
    made(folder, word_tokenizer)
    return folder


class TestFunnel:
    def test_every_document_is_kept_or_counted_by_reason(self, whole: Path) -> None:
        """The rows of `made_documents`. Of wiki's three its quota takes two. `near` shares 25 of the 27 5-grams that
        it and `first` have together: a band of 4 agrees with the probability 0.93^4 = 0.73, one of 6 in 0.9996.
        `leak` is 30 words of t1, so that all of its 5-grams are there."""
        record = json.loads((whole / "out/documents/documents.json").read_text("utf-8"))
        train, test = (Funnel.from_json(record["counts"][split]) for split in ("train", "test"))
        assert train.rejected == {
            "empty": 1,
            "source_not_in_quotas": 1,
            "too_few_tokens": 1,
            "too_many_tokens": 2,
            "contaminated": 1,
            "exact_duplicate": 1,
            "near_duplicate": 1,
            "over_quota": 1,
        }
        assert (train.read, train.kept) == (14, 5)
        assert train.sources == {"arxiv": (8, 3), "pep": (1, 0), "wiki": (5, 2)}
        assert test.rejected == {
            "too_few_characters": 1,
            "too_many_characters": 1,
            "too_many_teacher_tokens": 1,
            "near_duplicate": 1,
        }
        assert (test.read, test.kept, test.tokens.most, test.characters.most) == (5, 1, 100, 499)
        for funnel in (train, test):
            assert funnel.read == funnel.kept + sum(funnel.rejected.values())

    def test_the_documents_in_their_order_under_ids_of_their_own(self, whole: Path) -> None:
        documents = list(read(whole / "out", "train"))
        names = [one.id for one in documents]
        assert [name for name in names if not name.startswith("w")] == ["first", "second", "first~2"]
        assert len([name for name in names if name.startswith("w")]) == 2 and len(set(names)) == 5
        assert [one.id for one in read(whole / "out", "test")] == ["t1"]
        texts = [row["text"] for row in TRAIN_ROWS]
        assert [texts.index(one.text) for one in documents] == sorted(texts.index(one.text) for one in documents)

    def test_columns(self, whole: Path) -> None:
        row = json.loads((whole / "out/documents/test.jsonl").read_text("utf-8"))
        assert row == {**TEST_ROWS[0], "tokens": 100, "characters": 499}

    def test_every_rejected_document_is_written_with_its_reason(self, whole: Path) -> None:
        rows = [json.loads(line) for line in written(whole / "out")["rejected_documents.jsonl"].splitlines()]
        assert all(list(row) == ["id", "source", "split", "reason", "detail"] for row in rows)
        details = {(row["split"], row["id"]): (row["reason"], row["detail"]) for row in rows if row["id"] != "w"}
        assert details["train", "few"] == ("too_few_tokens", "19 tokens, at least 20")
        assert details["train", "book"] == ("too_many_tokens", "96 tokens in its beginning, at most 40")
        assert details["train", "copy"] == ("exact_duplicate", "of first (train)")
        assert details["train", "near"] == ("near_duplicate", "of first (train)")
        assert details["test", "t5"] == ("near_duplicate", "of t1 (test)")
        assert details["train", "pep-1"] == ("source_not_in_quotas", "source pep")
        assert details["train", "leak"][1].startswith("100.0% of its 5-grams are in test documents, most in t1: ")
        assert [(row["reason"], row["detail"]) for row in rows if row["id"] == "w"] == [
            ("over_quota", "2 of wiki are taken")
        ]
        assert len(rows) == 9 + 4

    def test_what_is_said_of_it(self, whole: Path) -> None:
        funnels = {
            split: Funnel.from_json(json.loads((whole / "out/documents/documents.json").read_text())["counts"][split])
            for split in ("train", "test")
        }
        said = lines(funnels, {"train": {"arxiv": 4, "wiki": 2, "pep": None}})  # type: ignore[arg-type]
        assert re.match(
            r"train: 14 read, 5 kept \(2\d to \d\d tokens, [\d.]+ on average\); rejected: 1 empty, ", said[0]
        )
        assert said[1] == "train: arxiv has 3 of the 4 of its quota"
        assert said[2].startswith("test: 5 read, 1 kept (100 to 100 tokens, 100 on average); rejected: 1 too_few_chara")

    def test_nothing_is_left_beside_it(self, whole: Path) -> None:
        left = sorted(path.name for path in (whole / "out/documents").iterdir())
        assert left == ["documents.json", "rejected_documents.jsonl", "test.jsonl", "train.jsonl"]

    def test_rejected_documents_need_not_be_written(self, tmp_path: Path, word_tokenizer: Path, whole: Path) -> None:
        funnels = made(tmp_path, word_tokenizer, rules=replace(RULES, write_rejected=False))
        assert written(tmp_path / "out").keys() == {"train.jsonl", "test.jsonl"}
        assert funnels["train"].rejected["exact_duplicate"] == 1
        assert written(tmp_path / "out")["train.jsonl"] == written(whole / "out")["train.jsonl"]

    def test_every_check_can_be_left_out(self, tmp_path: Path, word_tokenizer: Path) -> None:
        rules = replace(RULES, exact_duplicates=False, near_duplicates=None, contamination=None)
        funnels = made(tmp_path, word_tokenizer, rules=rules)
        assert not {"contaminated", "exact_duplicate", "near_duplicate"} & funnels["train"].rejected.keys()
        assert funnels["test"].kept == 2

    def test_the_teachers_tokens_are_its_own(self, tmp_path: Path, word_tokenizer: Path, tiny_model_path: Path) -> None:
        """To a tokenizer of 300 pieces, words of four letters are no single tokens: t1's 100 are more than 150."""
        sentence = (
            "no test document is left of 5: 3 too_many_teacher_tokens, 1 too_few_characters, 1 too_many_characters"
        )
        with pytest.raises(UserError, match=sentence):
            made(tmp_path, word_tokenizer, teacher_tokenizer=tiny_model_path)

    def test_one_source_may_serve_both_splits(self, tmp_path: Path, word_tokenizer: Path) -> None:
        """As in the seed: the limits part them."""
        source = Jsonl(str(write(tmp_path / "all.jsonl", [*TRAIN_ROWS, *TEST_ROWS])))
        funnels = prepare({"train": source, "test": source}, RULES, word_tokenizer, tmp_path / "out")
        assert funnels is not None
        assert [(funnel.read, funnel.kept) for funnel in funnels.values()] == [(19, 5), (19, 1)]
        assert [one.id for one in read(tmp_path / "out", "test")] == ["t1"]

    def test_a_train_document_that_is_also_a_test_document(self, tmp_path: Path, word_tokenizer: Path) -> None:
        """Without a look at n-grams, the copy that goes is the train document."""
        rows = [{"id": "a", "text": text(1, 30)}, {"id": "b", "text": text(2, 30)}]
        sources = {
            "train": Jsonl(str(write(tmp_path / "train.jsonl", rows))),
            "test": Jsonl(str(write(tmp_path / "test.jsonl", rows[1:]))),
        }
        rules = DocumentRules(train=SplitRules(), test=SplitRules(), contamination=None)
        prepare(sources, rules, word_tokenizer, tmp_path / "out")  # type: ignore[arg-type]
        assert [one.id for one in read(tmp_path / "out", "train")] == ["a"]
        assert '"exact_duplicate", "detail": "of b (test)"' in written(tmp_path / "out")["rejected_documents.jsonl"]


class TestSameWhoeverDoesIt:
    @pytest.mark.parametrize(("cuts", "tasks"), [((5,), 1), ((2, 3, 3, 9), 5), (tuple(range(1, 14)), 14), ((11,), 2)])
    def test_cut_anywhere_and_dealt_to_any_number_of_tasks(
        self, tmp_path: Path, word_tokenizer: Path, whole: Path, cuts: tuple[int, ...], tasks: int
    ) -> None:
        prepare(corpus(tmp_path, cuts), RULES, word_tokenizer, tmp_path / "out", Local(tasks=tasks))
        assert written(tmp_path / "out") == written(whole / "out")

    def test_by_several_workers_and_without_a_word(
        self, tmp_path: Path, word_tokenizer: Path, whole: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        prepare(corpus(tmp_path, (3, 7)), RULES, word_tokenizer, tmp_path / "out", Local(workers=2, tasks=3))
        assert written(tmp_path / "out") == written(whole / "out")
        said = capfd.readouterr()
        assert said.err == ""
        assert all(line.startswith("documents: ") for line in said.out.splitlines())

    def test_tasks_by_size(self) -> None:
        parts = [Part("a", 0, PART_BYTES, PART_BYTES, "")] * 3
        assert [tasks_of(parts, Local(tasks=tasks)) for tasks in (None, 1, 2, 9)] == [3, 1, 2, 3]
        assert tasks_of([Part("a", 0, 5, 5, "")] * 3, Local()) == 1
        assert tasks_of(parts * 1000, Local()) == 500


class TestStopped:
    def test_at_any_task_with_its_files_torn(
        self, tmp_path: Path, word_tokenizer: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every task is stopped once: its files are cut in half, its marker is not there; the next start does it anew."""
        stopped: set[Path] = set()

        def run_and_stop(executor: Any, rank: int) -> None:
            marker = Path(executor.logging_dir.path) / "completions" / f"{rank:05d}"
            before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
            executor._run_for_rank(rank)
            if marker not in stopped:
                stopped.add(marker)
                marker.unlink()
                for path in tmp_path.rglob("*"):
                    if path.is_file() and "logs" not in path.parts and before.get(path) != path.stat().st_mtime_ns:
                        os.truncate(path, path.stat().st_size // 2)
                raise KeyboardInterrupt

        monkeypatch.setattr(local, "run_task", run_and_stop)
        sources, stops = corpus(tmp_path / "data", (4, 9)), 0
        while True:
            try:
                prepare(sources, RULES, word_tokenizer, tmp_path / "out", Local(tasks=3))
                break
            except KeyboardInterrupt:
                stops += 1
                with pytest.raises(UserError, match="holds no documents that are done"):
                    next(read(tmp_path / "out", "train"))
        assert stops == len(stopped) == 1 + 1 + 3 + 1 + 1 + 4 + 6 + 1 + 1
        assert written(tmp_path / "out") == written(whole / "out")

    def test_while_it_puts_things_in_their_place(
        self, tmp_path: Path, word_tokenizer: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        moved = os.replace

        def stop(source: Any, target: Any) -> None:
            if Path(target).name == "test.jsonl":
                raise KeyboardInterrupt
            moved(source, target)

        monkeypatch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path, word_tokenizer)
        monkeypatch.undo()
        made(tmp_path, word_tokenizer)
        assert written(tmp_path / "out") == written(whole / "out")

    def test_by_a_kill_with_workers(self, tmp_path: Path, word_tokenizer: Path, whole: Path) -> None:
        """kill -9 as soon as a task of several is done; no process stays, and the same command goes on."""
        program = (
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
            "from support.made_documents import RULES, corpus\n"
            "from summpo.documents.executors.local import Local\n"
            "from summpo.documents.prepare import prepare\n"
            "if __name__ == '__main__':\n"
            "    folder = Path(sys.argv[2])\n"
            "    prepare(corpus(folder, (3, 7)), RULES, Path(sys.argv[3]), folder / 'out', Local(workers=2, tasks=3))\n"
        )
        script = tmp_path / "program.py"
        script.write_text(program)
        command = [sys.executable, str(script), str(Path(__file__).parents[1]), str(tmp_path), str(word_tokenizer)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        marker = tmp_path / "out/documents/work/logs/filter_train/completions"
        deadline = time.monotonic() + 60
        while not list(marker.glob("*")) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "out/documents/documents.json").exists()
        while working_on(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not working_on(tmp_path)
        prepare(corpus_as_it_is(tmp_path), RULES, word_tokenizer, tmp_path / "out", Local(workers=1))
        assert written(tmp_path / "out") == written(whole / "out")


def corpus_as_it_is(folder: Path) -> Any:
    return {"train": Jsonl(str(folder / "train")), "test": Jsonl(str(folder / "test.jsonl"))}


def working_on(folder: Path) -> list[str]:
    """The processes that have a file of the folder open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            held = [str(link.readlink()) for link in (process / "fd").iterdir()]
            arguments = (process / "cmdline").read_text()
        except OSError:
            continue
        if str(folder) in arguments or any(str(folder) in name for name in held):
            found.append(process.name)
    return [name for name in found if name != str(os.getpid())]


class TestDoneAndChanged:
    @pytest.fixture
    def done(self, tmp_path: Path, word_tokenizer: Path) -> Path:
        made(tmp_path, word_tokenizer)
        return tmp_path

    def test_the_same_command_says_so(self, whole: Path, word_tokenizer: Path, capsys: pytest.CaptureFixture) -> None:
        before = {path: path.stat().st_mtime_ns for path in (whole / "out/documents").iterdir()}
        funnels = prepare(corpus_as_it_is(whole), RULES, word_tokenizer, whole / "out", Local(workers=8, tasks=2))
        assert funnels is not None and list(funnels) == ["train", "test"] and funnels["train"].kept == 5
        said = f"documents: done already with these settings, see {whole}/out/documents/documents.json"
        assert said in capsys.readouterr().out
        assert before == {path: path.stat().st_mtime_ns for path in (whole / "out/documents").iterdir()}

    def test_also_where_the_raw_documents_are_gone(self, done: Path, word_tokenizer: Path) -> None:
        sources = corpus_as_it_is(done)
        (done / "test.jsonl").unlink()
        assert prepare(sources, RULES, word_tokenizer, done / "out") is not None

    def test_other_settings_are_refused(self, whole: Path, word_tokenizer: Path) -> None:
        before = written(whole / "out")
        other = replace(RULES, train=replace(RULES.train, max_tokens=50))
        with pytest.raises(
            UserError, match=r"^rules\.train\.max_tokens was 40 and is 50, and .*: choose another output_dir"
        ):
            prepare(corpus_as_it_is(whole), other, word_tokenizer, whole / "out")
        assert written(whole / "out") == before

    def test_other_files_are_refused(self, done: Path, word_tokenizer: Path) -> None:
        write(done / "test.jsonl", TEST_ROWS[:2])
        with pytest.raises(UserError, match=r"^the files of the test documents have changed, and .* holds documents"):
            prepare(corpus_as_it_is(done), RULES, word_tokenizer, done / "out")

    def test_another_tokenizer_is_refused(self, whole: Path, tiny_model_path: Path) -> None:
        with pytest.raises(UserError, match="tokenizer was"):
            prepare(corpus_as_it_is(whole), RULES, tiny_model_path, whole / "out")

    def test_what_was_only_begun_starts_over(
        self, tmp_path: Path, word_tokenizer: Path, whole: Path, capsys: pytest.CaptureFixture
    ) -> None:
        """A broken line stopped it; it is put right, and a limit changed: nothing of the first start is mixed in."""
        sources = corpus(tmp_path)
        broken = tmp_path / "train" / "00.jsonl"
        right = broken.read_text()
        broken.write_text(right + "{", "utf-8")
        with pytest.raises(UserError, match=rf"^{re.escape(str(broken))}, line 15: malformed JSON"):
            prepare(sources, replace(RULES, seed=5), word_tokenizer, tmp_path / "out")
        broken.write_text(right, "utf-8")
        prepare(sources, RULES, word_tokenizer, tmp_path / "out")
        assert "rules.seed was 5 and is 0 since" in capsys.readouterr().out
        assert written(tmp_path / "out") == written(whole / "out")

    def test_a_folder_that_says_nothing_of_its_documents(self, tmp_path: Path, word_tokenizer: Path) -> None:
        write(tmp_path / "out/documents/train.jsonl", TRAIN_ROWS)
        with pytest.raises(UserError, match=r"holds train\.jsonl and nothing that says how it was made"):
            made(tmp_path, word_tokenizer)

    def test_another_process(self, tmp_path: Path, word_tokenizer: Path) -> None:
        from filelock import FileLock

        (tmp_path / "out/documents").mkdir(parents=True)
        with (
            FileLock(tmp_path / "out/documents/.lock"),
            pytest.raises(UserError, match="another process is making documents here"),
        ):
            made(tmp_path, word_tokenizer)


class TestBadInput:
    def one(
        self, tmp_path: Path, tokenizer: Path, lines: list[str], rules: DocumentRules
    ) -> dict[Split, Funnel] | None:
        (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
        return prepare({"train": Jsonl(str(tmp_path / "a.jsonl"))}, rules, tokenizer, tmp_path / "out")

    FAULTY = (json.dumps({"text": text(1, 30)}), '{"text": ', json.dumps({"body": "x"}))

    def test_a_faulty_row_stops_it(self, tmp_path: Path, word_tokenizer: Path) -> None:
        with pytest.raises(UserError, match=r"a\.jsonl, line 2: malformed JSON \(Expecting value at character 10\)$"):
            self.one(tmp_path, word_tokenizer, list(self.FAULTY), LENIENT)

    def test_it_leaves_nothing_where_no_task_is_done(self, tmp_path: Path, word_tokenizer: Path) -> None:
        """Two broken files, and then one: a task that is done is gone on from, else all is as it was."""
        for name, broken in (("0.jsonl", "{"), ("1.jsonl", "{")):
            write(tmp_path / "train" / name, TRAIN_ROWS)
            with (tmp_path / "train" / name).open("a") as file:
                file.write(broken)
        source = Jsonl(str(tmp_path / "train"))
        (tmp_path / "there").mkdir()
        for out, workers in ((tmp_path / "new" / "out", 1), (tmp_path / "there", 2)):
            with pytest.raises(UserError, match=r"[01]\.jsonl, line \d+: malformed JSON"):
                prepare({"train": source}, RULES, word_tokenizer, out, Local(workers=workers, tasks=2))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["there", "train"]
        assert list((tmp_path / "there").iterdir()) == []
        write(tmp_path / "train" / "0.jsonl", TRAIN_ROWS * 2)  # more than half of all: a task of its own
        with pytest.raises(UserError, match=r"1\.jsonl, line \d+: malformed JSON"):
            prepare({"train": source}, RULES, word_tokenizer, tmp_path / "there", Local(tasks=2))
        assert list((tmp_path / "there/documents/work/logs/filter_train/completions").iterdir()), "one is done"

    def test_or_is_counted(self, tmp_path: Path, word_tokenizer: Path) -> None:
        found = self.one(tmp_path, word_tokenizer, list(self.FAULTY), replace(LENIENT, faulty_rows="drop"))
        assert found is not None and (found["train"].read, found["train"].rejected) == (3, {"faulty_row": 2})
        assert found["train"].sources == {"a": (1, 1)}
        details = [
            json.loads(line)["detail"] for line in written(tmp_path / "out")["rejected_documents.jsonl"].splitlines()
        ]
        assert details[1] == f"{tmp_path}/a.jsonl, line 3: column text is missing or null"

    def test_no_document_left(self, tmp_path: Path, word_tokenizer: Path) -> None:
        lines = [json.dumps({"text": text(n, 30 if n else 3)}) for n in range(3)]
        with pytest.raises(
            UserError, match=r"^no train document is left of 3: 2 too_few_tokens, 1 too_few_characters$"
        ):
            rules = DocumentRules(train=SplitRules(min_characters=50, min_tokens=31))
            self.one(tmp_path, word_tokenizer, lines, rules)

    def test_no_document_at_all(self, tmp_path: Path, word_tokenizer: Path) -> None:
        with pytest.raises(UserError, match=r"^no train document is left of 0$"):
            self.one(tmp_path, word_tokenizer, [], LENIENT)

    def test_none_left_by_the_test_documents(self, tmp_path: Path, word_tokenizer: Path) -> None:
        source = Jsonl(str(write(tmp_path / "a.jsonl", TRAIN_ROWS[1:2])))
        rules = DocumentRules(train=SplitRules(), test=SplitRules(), contamination=None)
        with pytest.raises(UserError, match=r"^no train document is left of 1: 1 exact_duplicate$"):
            prepare({"train": source, "test": source}, rules, word_tokenizer, tmp_path / "out")

    def test_a_quota_that_no_document_meets(self, tmp_path: Path, word_tokenizer: Path) -> None:
        rules = DocumentRules(train=SplitRules(quotas={"a": None, "arxiv": 5}))
        sentence = (
            r"^no train document is from arxiv, which its quotas name; sources are: a \(config key train\.quotas\)$"
        )
        with pytest.raises(UserError, match=sentence):
            self.one(tmp_path, word_tokenizer, [json.dumps({"text": "x"})], rules)

    def test_a_source_column_that_holds_something_else(
        self, tmp_path: Path, word_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("summpo.documents.filtering.MOST_SOURCES", 2)
        lines = [json.dumps({"text": "x", "source": f"https://{n}"}) for n in range(3)]
        with pytest.raises(UserError, match="the train documents have more than 2 sources, https://0 the first"):
            self.one(tmp_path, word_tokenizer, lines, LENIENT)

    def test_from_a_worker_too(self, tmp_path: Path, word_tokenizer: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / "data").mkdir(exist_ok=True)
            (tmp_path / "data" / f"{name}.jsonl").write_text("{}\n")
        with pytest.raises(UserError, match=r"[ab]\.jsonl, line 1: column text is missing or null$"):
            source = Jsonl(str(tmp_path / "data"))
            prepare({"train": source}, LENIENT, word_tokenizer, tmp_path / "out", Local(workers=2, tasks=2))

    def test_nothing_to_read_from(self, tmp_path: Path, word_tokenizer: Path) -> None:
        with pytest.raises(UserError, match="there is no source"):
            prepare({}, RULES, word_tokenizer, tmp_path / "out")
        with pytest.raises(UserError, match="holds no train documents"):
            prepare({"test": corpus(tmp_path)["test"]}, RULES, word_tokenizer, tmp_path / "out")
            next(read(tmp_path / "out", "train"))


def test_neither_the_network_nor_anything_at_home_is_touched(tmp_path: Path, word_tokenizer: Path) -> None:
    program = (
        "import socket, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "def refuse(*where): raise AssertionError(where)\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from support.made_documents import RULES, corpus\n"
        "from summpo.documents.prepare import prepare\n"
        "assert not {'datatrove', 'datasets', 'torch', 'transformers', 'numpy'} & set(sys.modules)\n"
        "folder = Path(sys.argv[2])\n"
        "prepare(corpus(folder), RULES, Path(sys.argv[3]), folder / 'out')\n"
        "print(sorted({'datasets', 'torch', 'transformers', 'pandas'} & set(sys.modules)))\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("HF_HOME", "XDG_CACHE_HOME", "HF_HUB_CACHE"):
        environment.pop(name, None)
    command = [sys.executable, "-c", program, str(Path(__file__).parents[1]), str(tmp_path), str(word_tokenizer)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0 and ended.stderr == "", ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]", "what takes seconds to import is not needed"
    assert not list(home.iterdir())


@pytest.mark.storm
def test_killed_at_random_times_the_real_documents_are_the_same(
    tmp_path: Path, shared_data: Path, real_model_path: Path
) -> None:
    """All 1,500 documents and 77 long ones, by two workers, killed again and again; the funnel as it is published."""
    program = (
        "import sys; from pathlib import Path\n"
        "from summpo.documents.executors.local import Local\n"
        "from summpo.documents.jsonl import Jsonl\n"
        "from summpo.documents.prepare import prepare\n"
        "from summpo.documents.rules import DocumentRules\n"
        "if __name__ == '__main__':\n"
        "    data, model, out, workers = sys.argv[1:]\n"
        "    train, test = Jsonl(data + '/train'), Jsonl(data + '/test.jsonl', text='document')\n"
        "    prepare({'train': train, 'test': test}, DocumentRules(), Path(model), Path(out), Local(workers=int(workers), tasks=8))\n"
    )
    script, data = tmp_path / "program.py", tmp_path / "data"
    script.write_text(program)
    (data / "train").mkdir(parents=True)
    rows = (shared_data / "documents/train.jsonl").read_text("utf-8").split("\n")[:-1]
    for number in range(8):
        (data / "train" / f"{number}.jsonl").write_text(
            "".join(f"{row}\n" for row in rows[number * 190 :][:190]), "utf-8"
        )
    (data / "test.jsonl").write_bytes((shared_data / "long_documents/test.jsonl").read_bytes())
    command = [sys.executable, str(script), str(data), str(real_model_path)]
    began = time.monotonic()
    subprocess.run([*command, str(tmp_path / "once"), "1"], check=True, stdout=subprocess.DEVNULL)
    takes, rng, kills = time.monotonic() - began, random.Random(0), 0
    while not (tmp_path / "out/documents/documents.json").exists():
        process = subprocess.Popen(
            [*command, str(tmp_path / "out"), "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(rng.uniform(0.15, 0.35) * takes if kills < 6 else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 3
    assert written(tmp_path / "out") == written(tmp_path / "once")
    record = json.loads((tmp_path / "out/documents/documents.json").read_text("utf-8"))
    train, test = (Funnel.from_json(record["counts"][split]) for split in ("train", "test"))
    assert train.rejected == {"too_few_tokens": 2, "contaminated": 1, "near_duplicate": 2}
    assert (train.read, train.kept, test.read, test.kept) == (1500, 1495, 77, 77)


def test_the_work_folders_shards(tmp_path: Path) -> None:
    work = Work(tmp_path, {"test": 2, "train": 3})
    assert [work.split_of(shard) for shard in range(work.total)] == ["test", "test", "train", "train", "train"]
    assert (work.first("test"), work.first("train")) == (0, 2)
    assert Work(tmp_path, {"train": 3}).first("train") == 0 and Work(tmp_path, {"train": 3}).split_of(0) == "train"


def test_the_real_documents(tmp_path: Path, shared_data: Path, real_model_path: Path) -> None:
    """The first 60 of the 1,500 documents of 900 to 1,800 tokens (of which one has 896), against long ones."""
    sources = {
        "train": Jsonl(str(shared_data / "documents/train.jsonl"), limit=60),
        "test": Jsonl(str(shared_data / "long_documents/test.jsonl"), text="document", limit=5),
    }
    funnels = prepare(sources, DocumentRules(), real_model_path, tmp_path / "out")  # type: ignore[arg-type]
    assert funnels is not None
    assert funnels["train"].rejected == {"too_few_tokens": 1} and funnels["train"].kept == 59
    assert (funnels["test"].read, funnels["test"].kept) == (5, 5)
