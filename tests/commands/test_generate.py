"""`summpo generate` and `summpo evaluate` of what a user points at, on a tiny random model, killed and gone on with."""

import io
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from summpo.commands import main
from summpo.runs.unfinished import PartialResults, Record
from support.train_runs import run_summpo

SMALL = ["generation.max_new_tokens=6", "tokens.max_length=120"]
TEXT = "The cat sat on the mat. " * 3


@pytest.fixture
def options(tiny_model_path: Path, tmp_path: Path) -> list[str]:
    return [f"model.path={tiny_model_path}", f"cache_dir={tmp_path / 'cache'}", *SMALL]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five texts, of which the longest two do not fit 120 tokens."""
    texts = tmp_path / "texts"
    texts.mkdir()
    for n in range(5):
        (texts / f"{n}.txt").write_text(f"Text {n}. " + TEXT * (1 + n), "utf-8")
    return texts


def samples(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "samples.jsonl").read_text("utf-8").splitlines()]


def test_the_summary_of_one_text_is_printed_and_the_rest_goes_to_stderr(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "paper.md"
    file.write_text(TEXT, "utf-8")
    before = sorted(tmp_path.iterdir())
    assert main(["generate", f"input={file}", *options]) == 0
    of_file = capfd.readouterr()
    assert "model: " in of_file.err and "generate: 1 summary\n" in of_file.err
    assert {path.name for path in set(tmp_path.iterdir()) - set(before)} == {"cache"}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert main(["generate", "input=-", *options]) == 0
    assert capfd.readouterr().out == of_file.out
    assert main(["generate", f"input={file}", *options, f"output_dir={tmp_path / 'out'}"]) == 0
    (sample,) = samples(tmp_path / "out")
    assert of_file.out == sample["summary"] + "\n" and sample["references"] == []
    assert f"generate: 1 summary in {tmp_path / 'out' / 'samples.jsonl'}\n" in capfd.readouterr().out


def test_a_folder_and_what_its_files_say(
    options: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["generate", f"input={folder}", *options, f"output_dir={out}"]
    assert main(command) == 0
    lines = samples(out)
    assert [line["id"] for line in lines] == [f"{n}.txt" for n in range(5)]
    cut = [line["tokens_left_out"] for line in lines]
    assert cut[0] == 0 < cut[3] < cut[4] and {line["parts"] for line in lines} == {1}
    says = f"; {sum(map(bool, cut))} did not fit tokens.max_length=120, long_documents=truncate: {sum(cut)} tokens left out"
    assert f"{says} (the model reads up to 512: tokens.max_length)" in capsys.readouterr().out
    record = json.loads((out / "generation.json").read_text("utf-8"))
    assert record["documents"] == 5 and record["long_documents"]["tokens_left_out"] == sum(cut)
    assert sorted(path.name for path in out.iterdir()) == ["generation.json", "samples.jsonl"]
    before = (out / "samples.jsonl").stat().st_mtime_ns
    assert main(command) == 0
    assert "done already with these settings" in capsys.readouterr().out
    assert (out / "samples.jsonl").stat().st_mtime_ns == before
    in_parts = [*command, "long_documents=map_reduce", "map_reduce.part_template='Part: {document}'"]
    assert main(in_parts) == 0
    again = samples(out)
    assert [line["summary"] for line in again[:1]] == [line["summary"] for line in lines[:1]]
    assert (
        again[4]["parts"] > again[0]["parts"] == 1
        and "long_documents=map_reduce: summarised in" in capsys.readouterr().out
    )


def test_another_end_of_turn_is_another_summary(
    tiny_model_path: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was written with a tokenizer's files as they were is not taken for done once they are others."""
    model = Path(shutil.copytree(tiny_model_path, tmp_path / "model"))
    command = ["generate", f"model.path={model}", f"cache_dir={tmp_path / 'cache'}", f"input={folder}"]
    command += [*SMALL, f"output_dir={tmp_path / 'out'}"]
    assert main(command) == 0 and main(command) == 0
    assert "done already" in capsys.readouterr().out
    (model / "generation_config.json").write_text('{"eos_token_id": [1, 2]}')
    assert main(command) == 0
    assert "done already" not in capsys.readouterr().out


@pytest.mark.parametrize(("command", "record"), [("generate", "generation.json"), ("evaluate", "evaluation.json")])
def test_summaries_of_other_documents_are_not_written_over(
    options: list[str], tmp_path: Path, command: str, record: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"document": name, "summary": name}) + "\n", "utf-8")
    own = [command, *options, f"output_dir={tmp_path / 'out'}"]
    assert main([*own, f"input={tmp_path / 'a.jsonl'}"]) == 0
    before = (tmp_path / "out" / "samples.jsonl").read_bytes()
    assert main([*own, f"input={tmp_path / 'b.jsonl'}"]) == 2
    says = f"{tmp_path / 'out' / record} is of input={tmp_path / 'a.jsonl'}, not {tmp_path / 'b.jsonl'}: choose another"
    assert says in capsys.readouterr().err
    assert (tmp_path / "out" / "samples.jsonl").read_bytes() == before
    assert main([*own, f"input={tmp_path / 'a.jsonl'}", "generation.max_new_tokens=3"]) == 0, "of the same, again"


def kill_at_the_third_batch() -> None:
    """Sabotage: two batches are kept, and the process is gone before the third is."""
    keep, done = PartialResults.keep, []

    def until(self: PartialResults, records: Sequence[Record]) -> None:
        if len(done) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(records)
        keep(self, records)

    PartialResults.keep = until  # type: ignore[method-assign]


def test_a_killed_process_is_gone_on_from(
    options: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    command = ["generate", f"input={folder}", *options, "generation.batch_size=2"]
    here = [*command, f"output_dir={out}"]
    killed = run_summpo(here, tmp_path / "killed", kill_at_the_third_batch)
    assert killed.code == -signal.SIGKILL, killed.err
    assert sorted(path.name for path in out.iterdir()) == [".samples.lock", "samples.partial.jsonl"]
    partial = out / "samples.partial.jsonl"
    kept = partial.read_bytes()
    assert len(kept.splitlines()) == 1 + 4, "two batches of two"
    for other in (["prompt.template='{document}'"], ["long_documents=map_reduce"], ["generation.temperature=1"]):
        assert main([*here, *other]) == 2
        error = capsys.readouterr().err
        assert "holds samples of another model, other documents or settings" in error and error.count("\n") == 1
    text = (folder / "0.txt").read_text("utf-8")
    (folder / "0.txt").write_text("Another text.", "utf-8")
    assert main(here) == 2
    assert partial.read_bytes() == kept
    (folder / "0.txt").write_text(text, "utf-8")
    partial.write_bytes(kept.replace(b'"ended"', b'"was_kept": 1, "ended"') + b'{"id": "0.t')
    assert main([*here, "generation.batch_size=1"]) == 0, "as after a process that ran out of memory"
    assert [path.name for path in sorted(out.iterdir())] == ["generation.json", "samples.jsonl"]
    assert main([*command, f"output_dir={whole}"]) == 0
    lines = samples(out)
    assert sum(line.pop("was_kept", 0) for line in lines) == 4, "what was written is not written again"
    assert lines == samples(whole)


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_two_processes_do_not_write_in_one_folder(
    options: list[str],
    tmp_path: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While the first keeps its first batch, a second one of either command is refused, and disturbs nothing."""
    rows, out = tmp_path / "rows.jsonl", tmp_path / "new" / "out"
    rows.write_text("".join(json.dumps({"document": TEXT + str(n), "summary": "A cat."}) + "\n" for n in range(4)))
    given = [f"input={rows}", *options, "generation.batch_size=1", f"output_dir={out}"]
    keep, codes = PartialResults.keep, []

    def between(self: PartialResults, records: Sequence[Record]) -> None:
        keep(self, records)
        if not codes:
            partial = self.file.read_bytes() if self.file else b""
            codes.extend([main(["generate", *given]), main(["evaluate", *given])])
            assert self.file is None or self.file.read_bytes() == partial

    monkeypatch.setattr(PartialResults, "keep", between)
    assert main([command, *given]) == 0
    assert codes == [2, 2]
    refused = re.findall(r"summpo .*", capsys.readouterr().err)
    says = f"{out}: another process is writing here (config key output_dir)"
    assert refused == [f"summpo generate: {says}", f"summpo evaluate: {says}"]
    record = {"generate": "generation.json", "evaluate": "evaluation.json"}[command]
    assert len(samples(out)) == 4 and sorted(path.name for path in out.iterdir()) == [record, "samples.jsonl"]
    assert main([command, *given]) == 0, "nobody is kept out afterwards"


@pytest.mark.parametrize("command", ["generate", "evaluate"])
def test_nothing_is_left_where_nothing_was_written(options: list[str], tmp_path: Path, command: str) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "new" / "out"
    rows.write_text(json.dumps({"document": "", "summary": "A cat."}) + "\n")
    assert main([command, f"input={rows}", *options, f"output_dir={out}"]) == 2
    assert not (tmp_path / "new").exists()


def test_evaluate_of_a_file_of_rows(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.jsonl"
    texts = [{"document": TEXT, "summary": "The cat sat."}, {"text": TEXT * 9, "references": ["A cat.", "Cats."]}]
    rows.write_text("".join(json.dumps(row) + "\n" for row in texts), "utf-8")
    out = tmp_path / "out"
    command = ["evaluate", f"input={rows}", *options, f"output_dir={out}", "long_documents=map_reduce"]
    assert main(command) == 0
    evaluation = json.loads((out / "evaluation.json").read_text("utf-8"))
    lines = samples(out)
    assert (evaluation["documents"], evaluation["dataset"], evaluation["preference_accuracy"]) == (
        2,
        "rows.jsonl",
        None,
    )
    assert [line["references"] for line in lines] == [["The cat sat."], ["A cat.", "Cats."]]
    assert evaluation["long_documents"] == {"how": "map_reduce", "documents": 1, "parts": lines[1]["parts"],
                                            "tokens_left_out": lines[1]["tokens_left_out"]}  # fmt: skip
    assert main(command) == 0 and "done already" in capsys.readouterr().out
    rows.write_text(json.dumps({"document": TEXT}) + "\n", "utf-8")
    assert main(command) == 2
    assert "rows.jsonl, line 1 (row row-1): has no summary, reference or references" in capsys.readouterr().err


def test_four_bits(options: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.txt"
    file.write_text(TEXT, "utf-8")
    printed = []
    for more in ([], ["model.quantization=nf4"]):
        assert main(["generate", f"input={file}", *options, *more, "generation.max_new_tokens=12"]) == 0
        printed.append(capfd.readouterr().out)
    assert printed[0] != printed[1], "four bits are not float32"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", "input=/nowhere.txt"], "nothing is at '/nowhere.txt' to summarise (config key input)"),
        (["generate", "input=/"], "output_dir is required where no run is given"),
        (["generate", "input=x", "long_documents=cut", "output_dir=x"], "long_documents must be one of truncate, map_reduce, got cut"),
        (["generate", "input=x", "map_reduce.part_template=no", "output_dir=x"], "must hold {document} once, got 'no' (config key map_reduce.part_template)"),
        (["generate", "input=x", "map_reduce.part_max_new_tokens=0"], "part_max_new_tokens must be >= 1, got 0"),
        (["generate", "generation.batch_tokens=0"], "batch_tokens must be >= 1, got 0 (config key generation.batch_tokens)"),
        (["generate", "generation.backend=cuda"], "backend must be one of transformers, vllm, got cuda"),
        (["generate", "model.rope_scaling={rope_type:ntk,factor:2}"], "rope_type must be one of linear, dynamic, yarn, llama3, got ntk"),
        (["generate", "model.rope_scaling={rope_type:yarn,factor:0}"], "factor must be >= 1, got 0 (config key model.rope_scaling.factor)"),
        (["evaluate", "input=x", "output_dir=x", "long_documents=map_reduce", "margin_reward=[implicit]", "margin_reward.implicit.adapter=x"],
         "margin_reward.implicit compares log-probs given a document's prompt"),
    ],
)  # fmt: skip
def test_one_sentence_and_exit_code_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
