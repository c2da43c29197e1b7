"""`summpo merge` of a run on a 4-bit base: which weights, what it costs in validation loss, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from summpo.commands import main
from support.train_runs import files_of, small, summary_of, write_splits


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model_path: Path) -> Path:
    """A folder with a DPO run in 4 bits (qlora), one that was not quantised (lora), and the data of both."""
    folder = tmp_path_factory.mktemp("runs")
    data = write_splits(folder / "data", train=16, validation=6)
    common = ["train", *small(tiny_model_path, data, folder / "cache"), "lora.target_modules=all-linear"]
    assert main([*common, "model.quantization=nf4", "lora.dropout=0.05", f"output_dir={folder / 'qlora'}"]) == 0
    assert main([*common, "trainer.max_steps=1", f"output_dir={folder / 'lora'}"]) == 0
    return folder


def merged(run: Path, out: Path, *more: str) -> int:
    return main(
        ["merge", f"run={run}", f"cache_dir={run.parent / 'cache'}", "accelerator=cpu", f"output_dir={out}", *more]
    )


def record_of(folder: Path) -> dict:
    return json.loads((folder / "merged_from.json").read_text("utf-8"))


def test_both_ways_and_what_they_cost(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The loss before is the run's own val/loss; the default way keeps it, the other does not; either says all three."""
    assert merged(runs / "qlora", tmp_path / "default") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "validation loss" in line)
    assert merged(runs / "qlora", tmp_path / "original", "base=original") == 0
    records = {name: record_of(tmp_path / name) for name in ("default", "original")}
    assert [record["base_weights"] for record in records.values()] == ["dequantized", "original"]
    losses = records["default"]["validation_loss"]
    assert losses == pytest.approx(records["original"]["validation_loss"], abs=1e-5)
    assert losses["quantized"] == pytest.approx(summary_of(runs / "qlora")["metrics"]["val/loss"], rel=1e-6)
    assert abs(losses["dequantized"] - losses["quantized"]) < 1e-5 < abs(losses["original"] - losses["quantized"])
    said = [float(number) for number in re.findall(r"[+-]?\d+\.\d{4}", line)]
    change = [losses[way] - losses["quantized"] for way in ("original", "dequantized")]
    assert said == pytest.approx(
        [losses["quantized"], losses["original"], change[0], losses["dequantized"], change[1]], abs=6e-5
    )
    assert line.startswith("merge: validation loss of 6 rows: ") and "in 4 bits with its adapter" in line
    before = files_of(tmp_path / "default")
    assert merged(runs / "qlora", tmp_path / "default") == 0
    again = capsys.readouterr().out
    assert line in again and "done already" in again and files_of(tmp_path / "default") == before


def test_fewer_rows_or_none(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert merged(runs / "qlora", tmp_path / "two", "validation_rows=2", "dtype=bfloat16") == 0
    assert "validation loss of 2 rows" in capsys.readouterr().out
    assert merged(runs / "qlora", tmp_path / "none", "validation_rows=0") == 0
    assert "loss" not in capsys.readouterr().out
    assert "validation_loss" not in record_of(tmp_path / "none")


def test_a_run_that_was_not_quantised_is_added_to_what_it_stood_on(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merged(runs / "lora", tmp_path / "out") == 0
    assert "loss" not in capsys.readouterr().out
    assert record_of(tmp_path / "out")["base_weights"] == "original"
    assert merged(runs / "lora", tmp_path / "out", "base=original") == 0
    assert "done already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run", "option", "says"),
    [
        ("lora", "base=dequantized", "was not quantised (model.quantization is null; config key base)"),
        ("qlora", "base=nf4", "base must be one of null, original, dequantized, got nf4 (config key base)"),
        ("qlora", "validation_rows=-1", "validation_rows must be >= 0, got -1"),
        ("qlora", "accelerator=tpu", "accelerator must be one of cpu, gpu, auto, cuda:0, cuda:1 ..., got tpu"),
        ("qlora", "model.dtype=bfloat16", "was trained with model.dtype=float32, not bfloat16"),
        ("qlora", "model.quantization=null", "was trained with model.quantization=nf4, not null"),
        ("lora", "model.quantization=nf4", "was trained with model.quantization=null, not nf4"),
    ],
)
def test_refused(
    run: str, option: str, says: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert merged(runs / run, tmp_path / "out", option) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_rows_are_gone(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused with the way out, which does not need them."""
    shutil.copytree(runs, tmp_path / "copy")
    summary = tmp_path / "copy" / "qlora" / "summary.json"
    summary.write_text(summary.read_text("utf-8").replace(str(runs / "data"), str(tmp_path / "gone")), "utf-8")
    assert merged(tmp_path / "copy" / "qlora", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "gone" in error and "validation_rows=0 merges without" in error and error.count("\n") == 1
    assert merged(tmp_path / "copy" / "qlora", tmp_path / "out", "validation_rows=0") == 0
