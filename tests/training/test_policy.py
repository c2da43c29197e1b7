"""Which layout a run's batches get: what its models' configs say decides it, and no weight is read for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summpo.columns.base import shares_prefixes
from summpo.commands.compose import compose_config
from summpo.training.parts import train_parts
from support.train_runs import small

DYNAMIC = {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}
WINDOW = {"model_type": "mistral", "sliding_window": 16, "max_position_embeddings": 512}


def folder(path: Path, **config: Any) -> Path:
    """A model's folder, its weights empty: a llama unless `config` says otherwise."""
    path.mkdir()
    (path / "model.safetensors").touch()
    settings = {"model_type": "llama", "max_position_embeddings": 512, "rope_theta": 10_000.0} | config
    (path / "config.json").write_text(json.dumps(settings), "utf-8")
    return path


def said(root: Path, capsys: pytest.CaptureFixture[str], *overrides: str) -> str:
    """What is said of a run on a llama whose batches are padded; nothing of one whose batches share their prompts."""
    model = root / "model" if (root / "model").exists() else folder(root / "model")
    config = compose_config("train", [*small(model, root, root / "cache"), *overrides])
    shares, words = shares_prefixes(train_parts(config).columns(config)), capsys.readouterr().out
    assert shares == (words == "")
    return words


def test_a_llama_shares_its_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(tmp_path, capsys) == ""
    assert said(tmp_path, capsys, f"reference.path={folder(tmp_path / 'another')}") == ""


def test_padded_is_what_was_asked_for_and_needs_no_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = small(folder(tmp_path / "model"), tmp_path, tmp_path / "cache", batching="padded")
    config = compose_config("train", overrides)
    assert not shares_prefixes(train_parts(config).columns(config))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("config", "why"),
    [({"model_type": "gemma2"}, "gemma2 is not proven"), (WINDOW, "slides over 16 tokens"), (DYNAMIC, "(dynamic)")],
    ids=["family", "window", "positions"],
)
def test_a_reference_that_is_not_proven_has_its_policys_batches_padded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: dict[str, Any], why: str
) -> None:
    """The policy alone would share prompts; so it does where the objective asks for no reference."""
    reference = f"reference.path={folder(tmp_path / 'reference', **config)}"
    words = said(tmp_path, capsys, reference)
    assert words.startswith("batching: padded, for ") and why in words
    assert said(tmp_path, capsys, reference, "objective=simpo") == ""


@pytest.mark.parametrize("of", ["model", "reference"])
def test_positions_that_the_run_scales_count_as_those_of_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], of: str
) -> None:
    """dynamic changes with a batch's longest sequence; yarn and linear do not."""
    other = [] if of == "model" else [f"reference.path={folder(tmp_path / 'another')}"]
    words = said(tmp_path, capsys, "model.rope_scaling={rope_type:dynamic,factor:2.0}", *other)
    assert words.startswith("batching: padded, for its positions (dynamic) change")
    for kind in ("yarn", "linear"):
        assert said(tmp_path, capsys, f"model.rope_scaling={{rope_type:{kind},factor:2.0}}", *other) == ""


@pytest.mark.parametrize("attention", ["eager", "flash_attention_2", "flash_attention_3", "flex_attention"])
def test_a_kernel_that_does_not_know_shared_prompts_gets_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], attention: str
) -> None:
    words = said(tmp_path, capsys, f"model.attention={attention}")
    assert words == f"batching: padded, for model.attention={attention} is not proven to read shared prompts\n"
