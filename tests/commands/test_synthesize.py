"""`summpo synthesize` end to end: documents, a teacher on loopback, pairs that train; and `summpo judge` on two models."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from summpo.commands import main
from support.fault_server import CONTENT_NULL, CUT, LENGTH, MODEL, NO_USAGE, Act, Call, FaultServer, status
from support.train_runs import summary_of

TOPICS = ("harbours", "glaciers", "violins", "tax law", "mosses", "printing", "railways", "bees", "salt", "bridges")


def document(number: int, words: int) -> str:
    """A text of its own, of sentences."""
    rng = random.Random(number)
    vocabulary = [f"{stem}{rng.randrange(90)}" for stem in ("river", "stone", "method", "people", "house", "year")] * 3
    vocabulary += ["the", "of", "and", "in", "to", "was", "it", "that", "with"] * 4
    sentences = []
    while sum(map(len, map(str.split, sentences))) < words:
        sentences.append(" ".join(rng.choice(vocabulary) for _ in range(rng.randint(6, 14))).capitalize() + ".")
    return f"On {TOPICS[number % len(TOPICS)]}, part {number}. " + " ".join(sentences)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """30 documents that fit, and two that do not."""
    rows = [{"id": f"d{n}", "source": f"s{n % 3}", "text": document(n, 60)} for n in range(30)]
    rows += [
        {"id": "short", "source": "s0", "text": "Too short."},
        {"id": "again", "source": "s1", "text": document(3, 60)},
    ]
    file = tmp_path / "documents.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def teacher_says(messages: list[dict[str, str]]) -> str:
    """An answer of the recorded shape about the document that is asked about; which is better is drawn by it."""
    text = re.search(r"<document>\n(.*?)\n</document>", messages[-1]["content"], re.DOTALL)
    assert text is not None
    rng = random.Random(text[1])
    words = [word for word in text[1].split() if word.isalnum()]
    one, two = (" ".join(rng.sample(words, n)) + " and the rest of it was said in the text." for n in (22, 11))
    high, low = rng.choice([(15, 11), (17, 12), (14, 13)])
    first, second = (high, low) if rng.random() < 0.6 else (low, high)
    return (
        f"**Summary 1:** {one}\n**Total score:** {first}/18\n**Explanation:** It is complete.\n\n"
        f"**Summary 2:** {two}\n**Total score:** {second}/18\n**Explanation:** It is brief.\n\n"
        f"**Best summary:** {1 if first > second else 2}"
    )


def two_summaries(messages: list[dict[str, str]]) -> str:
    """The first of two steps, of any document."""
    return f"**Summary 1:** {'It was written about at length and in words. ' * 3}\n\n**Summary 2:** It was said in few."


def options(documents: Path, model: Path, out: Path, url: str, *more: str) -> list[str]:
    common = [
        f"documents.path={documents}",
        f"model.path={model}",
        f"output_dir={out}",
        f"cache_dir={out.parent}/cache",
    ]
    rules = ["rules.train.min_tokens=50", "rules.train.max_tokens=3000", "filters.max_length_ratio=1"]
    return ["synthesize", *common, *rules, "teacher=local", f"teacher.url={url}", f"teacher.model={MODEL}", *more]


def rows_of(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def test_documents_to_pairs_that_train(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Faults on the way change nothing; the same command again asks nothing; the pairs train, with their scores."""
    out = tmp_path / "pairs"

    def script(call: Call):
        return (
            {1: status(429), 2: CUT, 3: CONTENT_NULL, 7: LENGTH}.get(len(call.content) % 9) if call.nth == 1 else None
        )

    with FaultServer(answer=teacher_says, script=script) as server:
        command = options(documents, tiny_model_path, out, server.url, "teacher.backoff=0.01", "splits.validation=0.2")
        assert main(command) == 0
        said = capsys.readouterr().out
        billed = sum(server.billed.values())
        assert main(command) == 0
        assert "done already" in capsys.readouterr().out
        assert sum(server.billed.values()) == billed
    manifest = json.loads((out / "synthesize.json").read_text("utf-8"))
    stages = {stage["stage"]: stage for stage in manifest["stages"]}
    assert stages["selected"]["came"] == 32
    assert stages["selected"]["rejected"] == {"too_few_tokens": 1, "exact_duplicate": 1}
    assert stages["selected"]["passed"] == stages["answered"]["came"] == 30
    parts = {
        split: rows_of(out / f"{split}.jsonl")
        for split in ("train", "validation", "test")
        if (out / f"{split}.jsonl").exists()
    }
    pairs = [row for rows in parts.values() for row in rows]
    assert len(pairs) == stages["kept"]["passed"] > 10
    assert all(row["score_chosen"] > row["score_rejected"] + 1 for row in pairs)  # type: ignore[operator]
    rejected = rows_of(out / "rejected.jsonl")
    assert len(rejected) + len(pairs) == 30
    assert {row["reason"] for row in rejected} <= {"scores_tied", "truncated", "empty_answer", "missing_part"}
    assert "selected: 30 of 32 (too_few_tokens 1, exact_duplicate 1)" in said
    assert (out / "funnel.png").stat().st_size > 10_000 and "dataset=jsonl" in (out / "README.md").read_text("utf-8")
    train = ["objective=modpo", "w=0.1", "margin_reward=score", "dataset=jsonl", f"dataset.path={out}"]
    small = [f"model.path={tiny_model_path}", "trainer.max_steps=2", "validation.samples=0", "tokens.max_length=512"]
    small += [f"cache_dir={tmp_path / 'cache'}", "trainer.enable_progress_bar=false", f"output_dir={tmp_path / 'run'}"]
    assert main(["train", *train, *small]) == 0
    assert summary_of(tmp_path / "run")["margin_spreads"]["score"] > 0


def test_a_document_that_is_refused_is_no_more_than_that(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three of thirty are refused for what they are, one is thought about without an end; the others make pairs.

    The teacher takes no temperature, counts no tokens and is told more than summpo knows of.
    """
    too_long = "Input validation error: inputs tokens + max_new_tokens must be <= 8193"
    refusals = {1: status(403, message=too_long), 2: status(451, message="not here"), 3: status(403, message="flagged")}

    def script(call: Call) -> Act:
        assert "temperature" not in call.body and call.body["reasoning_effort"] == "low"
        number = int(str(re.search(r"part (\d+)\.", call.content)[1]))  # type: ignore[index]
        return refusals.get(number) or (Act(finish_reason="length") if number == 4 else NO_USAGE)

    more = ["mode.temperature=null", "teacher.extra_body.reasoning_effort=low"]
    with FaultServer(answer=teacher_says, script=script) as server:
        assert main(options(documents, tiny_model_path, tmp_path / "out", server.url, *more)) == 0
    said = capsys.readouterr().out
    assert "answered: 28 of 30 (forbidden 2)" in said
    assert re.search(r"parsed: 26 of 28 \((?:truncated|content_filter) 1, (?:truncated|content_filter) 1\)", said)
    assert re.search(rf"teacher: forbidden 2, the first of them: (?:403: {re.escape(too_long)}|451: not here)\n", said)
    assert "written: at most 0 dollars; the endpoint counted" in said and "are upper bounds, of 26 answers\n" in said
    stages = {str(row["id"]): row["stage"] for row in rows_of(tmp_path / "out" / "rejected.jsonl")}
    assert [stages[f"d{number}"] for number in (1, 2, 3, 4)] == ["answered", "answered", "parsed", "parsed"]
    spent = json.loads((tmp_path / "out" / "synthesize.json").read_text("utf-8"))["spent"]
    assert spent["completion_tokens"] - spent["completion_tokens_uncounted"] == 10


def test_quotas_from_the_command_line(documents: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    command = options(documents, tiny_model_path, tmp_path / "out", "http://localhost:9/v1", "--dry-run")
    assert main([*command, "rules.train.quotas={s0: 3, s2: null}"]) == 0
    kept = rows_of(tmp_path / "out" / "documents" / "train.jsonl")
    assert [sum(row["source"] == name for row in kept) for name in ("s0", "s1", "s2")] == [3, 0, 10]


@pytest.mark.parametrize("name", ["train.jsonl", "test.parquet", "README.md"])
def test_nobody_elses_files_are_replaced(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / "own"
    out.mkdir()
    (out / name).write_text("mine", "utf-8")
    assert main(options(documents, tiny_model_path, out, "http://localhost:9/v1")) == 2
    assert f"{out / name} is not of a synthesis" in capsys.readouterr().err
    assert [file.name for file in out.iterdir()] == [name] and (out / name).read_text("utf-8") == "mine"


def test_what_had_no_answer_is_asked_again(documents: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    with FaultServer(
        answer=teacher_says, script=lambda call: status(500) if len(call.content) % 3 == 0 else None
    ) as ill:
        assert main(options(documents, tiny_model_path, tmp_path / "out", ill.url, "teacher.max_retries=0")) == 1
        assert 0 < len(ill.billed) < 30
    manifest = json.loads((tmp_path / "out" / "synthesize.json").read_text("utf-8"))
    assert "config" not in manifest, "it is not done"


def test_an_answer_that_was_lost_too_often_is_the_end_of_it(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may have been paid as often as is allowed: done; who allows one more gets it."""

    def script(call: Call) -> Act | None:
        return CUT if len(call.content) % 3 == 0 and call.nth <= 2 else None

    with FaultServer(answer=teacher_says, script=script) as server:
        command = options(documents, tiny_model_path, tmp_path / "out", server.url, "teacher.backoff=0.01")
        assert main(command) == 0
        said, calls = capsys.readouterr().out, len(server.calls)
        assert "documents' answers were lost and may be paid; a higher teacher.max_paid_retries asks again" in said
        assert main(command) == 0
        assert "done already" in capsys.readouterr().out and len(server.calls) == calls
        assert main([*command, "teacher.max_paid_retries=2"]) == 0
        assert "were lost" not in capsys.readouterr().out
    answered = json.loads((tmp_path / "out" / "synthesize.json").read_text("utf-8"))["stages"][1]
    assert answered["passed"] == 30


def test_a_wrong_setting_stops_and_spoils_nothing(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(call: Call) -> Act | None:
        return None if "max_completion_tokens" in call.body else status(400)

    with FaultServer(answer=teacher_says, script=script) as server:
        command = options(documents, tiny_model_path, tmp_path / "out", server.url, "teacher.max_in_flight=4")
        assert main(command) == 2
        assert "has refused each of the first" in capsys.readouterr().err and len(server.calls) < 20
        assert main([*command, "teacher.max_tokens_name=max_completion_tokens"]) == 0
    assert json.loads((tmp_path / "out" / "synthesize.json").read_text("utf-8"))["stages"][1]["passed"] == 30


def test_an_endpoint_that_moved_and_a_file_that_is_gone(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither costs anything: all answers are in the journal, whoever gave them."""
    out = tmp_path / "out"
    with FaultServer(answer=teacher_says) as server:
        assert main(options(documents, tiny_model_path, out, server.url)) == 0
    pairs = (out / "train.jsonl").read_bytes()
    elsewhere = options(documents, tiny_model_path, out, "http://127.0.0.1:9/v1")
    assert main([*elsewhere, "--dry-run"]) == 0
    assert "30 tasks, 0 requests beside 30 that are answered" in capsys.readouterr().out
    for _ in range(2):
        (out / "train.jsonl").unlink()
        assert main(elsewhere) == 0
        assert (out / "train.jsonl").read_bytes() == pairs and "done; read them" in capsys.readouterr().out
    assert main(elsewhere) == 0 and "done already" in capsys.readouterr().out


def test_a_failed_upload_is_tried_again(
    documents: Path,
    tiny_model_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody answers at the Hub's address: what was made lies there, and the same command tries again, and says why not."""
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with FaultServer(answer=teacher_says) as server:
        command = options(documents, tiny_model_path, tmp_path / "out", server.url, "push_to_hub=me/pairs")
        for _ in range(2):
            assert main(command) == 2
            assert "cannot be uploaded to me/pairs" in (said := capsys.readouterr().err), said
            assert (tmp_path / "out" / "train.jsonl").exists()
        assert set(server.billed.values()) == {1}


def test_a_dry_run_after_some_answers_counts_what_is_left(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """30 documents in two steps: their summaries are all written, and no judge has said anything."""

    def script(call: Call) -> Act | None:
        return status(500) if "score" in call.content.lower() else None

    with FaultServer(answer=two_summaries, script=script) as server:
        command = options(documents, tiny_model_path, tmp_path / "out", server.url, "mode=two_step")
        assert main([*command, "teacher.max_retries=0", "teacher.max_in_flight=1"]) == 1
        assert len(server.billed) == 30
        capsys.readouterr()
        assert main([*command, "--dry-run"]) == 0
        assert "60 requests beside 30 that are answered" in capsys.readouterr().out


def test_another_mode_is_not_paid_for_unasked(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other prompts or words ask anew; other filters cost nothing. An address that nobody paid at is soon forgotten."""
    out = tmp_path / "out"
    nobody = options(documents, tiny_model_path, out, "http://localhost:1/v1", "teacher.backoff=0.01")
    assert main(nobody) == 2 and (out / "journal.sqlite").exists()
    with FaultServer(answer=teacher_says) as server:
        command = options(documents, tiny_model_path, out, server.url)
        assert main(command) == 0
        paid, pairs = sum(server.billed.values()), (out / "train.jsonl").read_bytes()
        capsys.readouterr()
        assert main([*command, "mode.long_words=[150,400]"]) == 2
        assert "holds the requests of a run with mode.long_words=[200, 500], not [150, 400]" in capsys.readouterr().err
        assert (out / "train.jsonl").read_bytes() == pairs
        assert main([*command, "filters.tied_score_difference=3"]) == 0
        assert sum(server.billed.values()) == paid


def test_test_documents_have_columns_of_their_own(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / "long.jsonl"
    rows = [{"name": f"t{n}", "body": document(100 + n, 60)} for n in range(4)]
    long.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    more = ["rules.test.min_characters=100", "rules.test.min_tokens=null"]
    columns = f"test_documents={{path: {long}, text: body, id: name}}"
    with FaultServer(answer=teacher_says) as server:
        command = options(documents, tiny_model_path, tmp_path / "out", server.url, *more)
        wrong = (
            (f"test_documents={long}", "long.jsonl, line 1: column text is missing"),
            (f"test_documents={{path: {long}, words: body}}", "unknown option test_documents.words"),
            (f"test_documents={{path: {long}, text: 3}}", "(config key test_documents.text)"),
            ("test_documents=/nope", "there is no file or folder /nope"),
        )
        for given, sentence in wrong:
            assert main([*command, given]) == 2
            assert sentence in (said := capsys.readouterr().err), said
        assert main([*command, columns]) == 0
    assert {row["id"] for row in rows_of(tmp_path / "out" / "test.jsonl")} <= {"t0", "t1", "t2", "t3"}
    assert not {row["id"] for row in rows_of(tmp_path / "out" / "train.jsonl")} & {"t0", "t1", "t2", "t3"}


def test_a_dry_run_sends_nothing(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No key is asked for, nothing is there but the documents."""
    prices = ["teacher.price_per_million_prompt=1", "teacher.price_per_million_completion=2", "mode=two_step"]
    with FaultServer(answer=teacher_says) as server:
        command = options(documents, tiny_model_path, tmp_path / "out", server.url, "--dry-run", *prices)
        assert main([*command, "teacher.key_env=NO_SUCH_KEY"]) == 0
        assert not server.billed
    said = capsys.readouterr().out
    assert (
        "30 tasks, 90 requests" in said and "nothing was sent" in said and re.search(r"at most 0\.\d\d dollars", said)
    )
    assert not (tmp_path / "out" / "journal.sqlite").exists()


def test_max_cost_stops_and_more_of_it_goes_on(
    documents: Path, tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = ["teacher.price_per_million_prompt=10", "teacher.price_per_million_completion=1000"]
    with FaultServer(answer=teacher_says) as server:
        command = options(documents, tiny_model_path, tmp_path / "out", server.url, *prices)
        assert main([*command, "max_cost=2.2"]) == 1
        assert "stopped at max_cost=2.2" in capsys.readouterr().out
        first = json.loads((tmp_path / "out" / "synthesize.json").read_text("utf-8"))
        assert first["status"] == "max_cost" and first["spent"]["dollars"] <= 2.2
        assert main([*command, "max_cost=1000"]) == 0
        assert max(server.billed.values()) == 1, "nothing is paid twice"
    last = json.loads((tmp_path / "out" / "synthesize.json").read_text("utf-8"))
    assert last["status"] == "done" and last["spent"]["requests"] == 30 > first["spent"]["requests"] > 0


WRONG = [
    (["teacher=openai"], "the teacher's key is missing: set the environment variable OPENAI_API_KEY"),
    (["teacher.url=localhost"], "url must be an endpoint's base"),
    (["max_cost=5", "teacher.price_per_million_prompt=null"], "max_cost=5 needs the teacher's prices"),
    (["max_cost=inf"], "max_cost must be a finite number of dollars, or null for no limit, got inf"),
    (["max_cost=nan"], "max_cost must be a finite number of dollars, or null for no limit, got nan"),
    (["mode.prompt=/nope.txt"], "there is no prompt /nope.txt"),
    (["documents.path=/nope"], "/nope"),
    (["format=csv"], "format must be one of jsonl, parquet, got csv"),
    (["filters.max_similarity=2"], "max_similarity must be >= 0 and <= 1, got 2"),
    (["rules.train.min_tokens=0"], "min_tokens must be >= 1, got 0 (config key rules.train.min_tokens)"),
    (["rules.train.min_tokens=9000"], "rules.train.max_tokens"),
    (["splits.validation=0.6", "splits.test=0.6"], "validation and test must leave documents to train on"),
    (["push_to_hub=nobody"], "push_to_hub must be a Hub id"),
    (["output_dir=???"], "output_dir is required"),
]


@pytest.mark.parametrize(("more", "sentence"), WRONG)
def test_bad_input(
    documents: Path,
    tiny_model_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    sentence: str,
) -> None:
    for name in ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(answer=teacher_says) as server:
        given = options(documents, tiny_model_path, tmp_path / "out", server.url)
        keys = {each.split("=")[0] for each in more}
        assert main([*(each for each in given if each.split("=")[0] not in keys), *more]) == 2
        assert not server.billed
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1


def test_the_key_is_nowhere(
    documents: Path,
    tiny_model_path: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = "sk-test-4815162342abcdef"
    monkeypatch.setenv("MY_TEACHER_KEY", key)
    with FaultServer(answer=teacher_says) as server:
        assert (
            main(options(documents, tiny_model_path, tmp_path / "out", server.url, "teacher.key_env=MY_TEACHER_KEY"))
            == 0
        )
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert any(path.name == "journal.sqlite" for path in files)
    assert not any(key.encode() in path.read_bytes() for path in files)
    streams = capfd.readouterr()
    assert key not in streams.out + streams.err


def write_samples(folder: Path, summaries: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    rows = [
        {"id": name, "document": f"Document {name}.", "summary": text, "references": ["the reference"],
         "length_tokens": len(text.split()), "length_words": len(text.split()), "ended": True}
        for name, text in summaries.items()
    ]  # fmt: skip
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


def likes_good_ones(messages: list[dict[str, str]]) -> str:
    """Prefers the summary with "good" in it, and, where both or none has it, the one that stands first."""
    found = re.findall(r"<summary_\d>\n(.*?)\n</summary_\d>", messages[-1]["content"], re.DOTALL)
    good = ["good" in text for text in found]
    return f"It is so.\n\n**Better:** {2 if good == [False, True] else 1}"


def test_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A is good in 6 of 10, B in 2 others, and 2 cannot be told apart: 6 wins, 2 ties, 2 losses."""
    a = write_samples(tmp_path / "a", {f"d{n}": f"a {'good' if n < 6 else 'poor'} one" for n in range(10)})
    b = write_samples(tmp_path / "b", {f"d{n}": f"another {'good' if n in (8, 9) else 'poor'} one" for n in range(10)})
    with FaultServer(answer=likes_good_ones) as server:
        teacher = ["teacher=local", f"teacher.url={server.url}", f"teacher.model={MODEL}"]
        assert main(["judge", f"run={a}", f"against={b}", *teacher]) == 0
        assert main(["judge", f"run={a}", *teacher, "--dry-run"]) == 0
        asked = sum(server.billed.values())
        assert main(["judge", f"run={a}", f"against={b}", *teacher]) == 0
        assert sum(server.billed.values()) == asked == 20
    found = json.loads((a / "judged" / "b" / "judgement.json").read_text("utf-8"))
    assert (found["wins"], found["ties"], found["losses"]) == (6, 2, 2)
    assert found["win_rate"]["value"] == 0.7 and found["changed_with_order"] == 0.2
    assert found["first_wins"] == pytest.approx((8 + 4) / 20)
    assert "6 won, 2 tied, 2 lost" in capsys.readouterr().out


def test_a_judge_is_told_what_it_may_cost_and_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write_samples(tmp_path / "a", {f"d{n}": "a good one" for n in range(4)})
    write_samples(tmp_path / "1" / "b", {f"d{n}": "a poor one" for n in range(4)})
    write_samples(tmp_path / "2" / "b", {f"d{n}": "another poor one" for n in range(4)})
    prices = ["teacher.price_per_million_prompt=10", "teacher.price_per_million_completion=10"]
    with FaultServer(answer=likes_good_ones) as server:
        teacher = ["teacher=local", f"teacher.url={server.url}", f"teacher.model={MODEL}", *prices]
        first = ["judge", f"run={a}", f"against={tmp_path / '1' / 'b'}", *teacher]
        assert main([*first, "max_cost=0"]) == 1
        assert "judge: stopped at max_cost=0; the same command with more of it goes on" in capsys.readouterr().out
        assert main(first) == 0
        assert re.search(
            r"judge: teacher: 8 requests, \d+ tokens read, \d+ written: 0\.\d+ dollars", capsys.readouterr().out
        )
        judged = (a / "judged" / "b" / "judgement.json").read_bytes()
        assert main(["judge", f"run={a}", f"against={tmp_path / '2' / 'b'}", *teacher]) == 2
        assert "holds the requests of a run with against=../1/b, not ../2/b" in capsys.readouterr().err
        assert (a / "judged" / "b" / "judgement.json").read_bytes() == judged


def judging(a: Path, url: str, *more: str) -> list[str]:
    return ["judge", f"run={a}", "teacher=local", f"teacher.url={url}", f"teacher.model={MODEL}", *more]


def test_a_judgement_of_other_settings_neither_pays_nor_replaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever decides what a judge is asked is refused in a folder of another; an endpoint that moved is not."""
    a = write_samples(tmp_path / "a", {f"d{n}": "a good one" for n in range(4)})
    other = write_samples(tmp_path / "other", {f"d{n}": "a poor one" for n in range(4)})
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(
        "{document} <summary_1>\n{first}\n</summary_1> <summary_2>\n{second}\n</summary_2> Better: 1 or 2?"
    )
    settings = [
        (f"prompt={prompt}", "prompt="),
        ("both_orders=false", "both_orders=True, not False"),
        ("seed=7", "seed=0, not 7"),
        ("max_tokens=300", "max_tokens=200, not 300"),
        ("teacher.model=another", f"judge.model={MODEL}, not another"),
        (f"run={other}", "run=../../a, not ../../other"),
    ]
    out = tmp_path / "judged" / "here"
    with FaultServer(answer=likes_good_ones) as server:
        assert main(judging(a, server.url, f"output_dir={out}")) == 0
        paid = sum(server.billed.values())
        left = {file.name: file.read_bytes() for file in out.iterdir()}
        for option, sentence in settings:
            key = option.split("=")[0]
            given = [one for one in judging(a, server.url, f"output_dir={out}") if not one.startswith(f"{key}=")]
            capsys.readouterr()
            for command in ([*given, option], [*given, option, "--dry-run"]):
                assert main(command) == 2, option
                said = capsys.readouterr().err
                assert f"holds the requests of a run with {sentence}" in said and "choose another output_dir" in said
        assert sum(server.billed.values()) == paid == 8
        assert {file.name: file.read_bytes() for file in out.iterdir()} == left
    with FaultServer(answer=likes_good_ones) as moved:
        assert main(judging(a, moved.url, f"output_dir={out}")) == 0
        assert not moved.billed
    assert rows_of(out / "verdicts.jsonl") and (out / "verdicts.jsonl").read_bytes() == left["verdicts.jsonl"]


def test_a_smaller_limit_keeps_what_was_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three documents judged, then limit=1, then limit=4: the three stay, and the fourth is all that is paid."""
    a = write_samples(tmp_path / "a", {f"d{n}": "a good one" for n in range(5)})
    with FaultServer(answer=likes_good_ones) as server:
        for limit, documents, asked in ((3, 3, 6), (1, 3, 6), (4, 4, 8)):
            assert main(judging(a, server.url, f"limit={limit}")) == 0
            verdicts = rows_of(a / "judged" / "reference" / "verdicts.jsonl")
            assert [row["id"] for row in verdicts] == [f"d{n}" for n in range(documents)]
            record = json.loads((a / "judged" / "reference" / "judgement.json").read_text("utf-8"))
            assert record["documents"] == documents and sum(server.billed.values()) == asked
            said = capsys.readouterr().out
            kept = "judge: beyond limit=1, what was judged before is kept: 2 documents\n"
            assert (kept in said) == (limit == 1)
        assert main(judging(a, server.url, "limit=1", "--dry-run")) == 0
    assert "judge: 4 tasks, 0 requests beside 8 that are answered" in capsys.readouterr().out


def test_few_documents_tell_little(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_samples(tmp_path / "a", {f"d{n}": "a good one" for n in range(30)})
    few = "intervals from so few are too narrow, read them as hints."
    with FaultServer(answer=likes_good_ones) as server:
        assert main(judging(a, server.url, "limit=1")) == 0
        assert f"judge: Only 1 document: {few}\n" in capsys.readouterr().out
        assert main(judging(a, server.url, "limit=29")) == 0
        assert f"judge: Only 29 documents: {few}\n" in capsys.readouterr().out
        assert main(judging(a, server.url)) == 0
        assert few not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["run=/nope"], "/nope has no samples.jsonl"),
        (["against=/nope"], "/nope has no samples.jsonl"),
        (["prompt=/nope.txt"], "there is no prompt /nope.txt"),
        (["limit=0"], "limit must be >= 1, got 0"),
        (["max_cost=inf"], "max_cost must be a finite number of dollars, or null for no limit, got inf"),
        (["teacher.url=http://localhost:1/v1"], "localhost:1"),
    ],
)
def test_judge_on_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], sentence: str) -> None:
    a = write_samples(tmp_path / "a", {"d": "a summary"})
    given = [f"run={a}", "teacher=local", "teacher.backoff=0.01"]
    keys = {each.split("=")[0] for each in more}
    assert main(["judge", *(each for each in given if each.split("=")[0] not in keys), *more]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("summpo judge: ") and sentence in said
    assert not (a / "judged" / "reference" / "judgement.json").exists()
