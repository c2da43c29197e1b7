"""The sections of the benchmark: their commands, and what each says where something is missing."""

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import generation
import pair_training
import writing
from door import ended, has_trl
from pair_training import SECTIONS, command


def parsed(monkeypatch: pytest.MonkeyPatch, *words: str) -> argparse.Namespace:
    monkeypatch.setattr(sys, "argv", ["pair_training.py", *words])
    return pair_training.parse()


def test_a_sections_command_has_every_option_that_its_figures_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    options = parsed(monkeypatch, "--pairs", "8", "--turns", "5")
    assert command("sweep", options) == (
        "python benchmarks/pair_training.py --only sweep --model embedded --device cpu --threads 1 "
        "--longest-prompt 512 --batch-size 8 --pairs 8 --turns 5"
    )


@pytest.mark.parametrize("name", SECTIONS)
def test_a_command_read_again_gives_the_same_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = command(name, parsed(monkeypatch, "--repeats", "7", "--batches", "2", "--device", "cuda"))
    again = parsed(monkeypatch, *shown.split()[2:])
    assert again.only == [name] and command(name, again) == shown


def told(main: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one sentence that a script ends with."""
    monkeypatch.setattr(sys, "argv", list(words))
    assert ended(main) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err


def test_without_comparisons_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    absent = ("--data", str(tmp_path))
    sentence = f"there are no comparisons: no file {tmp_path / 'train.jsonl'} (--data)\n"
    assert told(generation.main, monkeypatch, capsys, "generation.py", *absent) == f"generation.py: {sentence}"
    words = ("pair_training.py", "--only", "generation", *absent)
    assert told(pair_training.main, monkeypatch, capsys, *words) == f"pair_training.py: {sentence}"


@pytest.mark.skipif(has_trl(), reason="TRL is installed")
def test_without_trl_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(pair_training.main, monkeypatch, capsys, "pair_training.py", "--only", "step")
    assert (
        said == "pair_training.py: TRL is not installed, and is what summpo is compared with: pip install '.[bench]'\n"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_generation_is_asked_of_the_device_that_was_asked_for(tmp_path: Path) -> None:
    """Without a GPU the script refuses, which it would not, were it left on the CPU."""
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(RuntimeError, match="torch finds no cuda device here"):
        writing.rows(tmp_path, 2, "embedded", tmp_path, "cuda", 1)


def test_summaries_by_a_model_of_ones_own(tiny_model_path: Path) -> None:
    """Both ways on the model that is given; greedy writing has the same tokens."""
    from summpo.models import Model
    from summpo.models.weights.loading import load_base

    model = load_base(tiny_model_path, Model(path=str(tiny_model_path))).eval()
    measured = generation.measure(model, [[5, 6, 7], [8, 9]], max_new_tokens=3, end_ids=[1], pad_id=1)
    assert measured.documents == 2 and measured.same == 2
    assert measured.ratio == pytest.approx(measured.plain_seconds / measured.summpo_seconds)
