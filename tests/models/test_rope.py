"""Scaled rotary positions: what is asked for is checked at the door, loaded, saved, and told apart."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from summpo.commands import main
from summpo.errors import UserError
from summpo.models import Lora, Model
from summpo.models.forward.shared_prefix import why_not
from summpo.models.weights.adapters import add_lora, save_adapter
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.folders import check_context, context_of
from summpo.models.weights.frozen import fingerprint_model
from summpo.models.weights.loading import load_base, load_tokenizer
from summpo.models.weights.merge import merge
from summpo.models.weights.rope import rope_of, scaled, window_of
from summpo.writing.decoding import Decoding
from summpo.writing.generation import Generated, generate

YARN = {"rope_type": "yarn", "factor": 4.0}
LLAMA3 = {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA = {"model_type": "llama", "max_position_embeddings": 8192, "rope_theta": 10_000.0}


def test_yarn_by_hand() -> None:
    """8,192 positions by 4 are 32,768; theta stays; the words of transformers 5 and of earlier are the same."""
    made = {"rope_theta": 10_000.0, **YARN, "original_max_position_embeddings": 8192}
    assert scaled(LLAMA, YARN) == {"rope_parameters": made, "max_position_embeddings": 32_768}
    new = {"max_position_embeddings": 8192, "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}}
    assert scaled(new, YARN) == scaled(LLAMA, YARN)
    assert scaled(LLAMA, None) == {}


@pytest.mark.parametrize(
    ("scaling", "window"), [({"rope_type": "linear", "factor": 2}, 16_384), ({"rope_type": "dynamic", "factor": 3.0}, 24_576),
                            (YARN, 32_768), (LLAMA3, 16_384), ({**YARN, "original_max_position_embeddings": 4096}, 16_384)]
)  # fmt: skip
def test_the_window_grows_by_the_factor_and_scaling_twice_is_scaling_once(scaling: dict, window: int) -> None:
    config = LLAMA | scaled(LLAMA, scaling)
    assert window_of(config) == window
    assert scaled(config, scaling) == {}


def test_windows_of_what_others_saved() -> None:
    """Qwen's way to write yarn, Vicuna's of linear, Llama-3.1's, and no word of positions at all."""
    qwen = {"max_position_embeddings": 32_768, "rope_scaling": {**YARN, "original_max_position_embeddings": 32_768}}
    assert window_of(qwen) == 131_072
    assert window_of({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}) == 16_384
    llama3 = {**LLAMA3, "factor": 8.0, "original_max_position_embeddings": 8192}
    assert window_of({"max_position_embeddings": 131_072, "rope_scaling": llama3}) == 131_072
    assert window_of({"n_positions": 1024}) is None
    assert rope_of({"model_type": "gpt2"}) is None


@pytest.mark.parametrize(
    ("config", "scaling", "says"),
    [
        ({"model_type": "gpt2", "n_positions": 8}, YARN, "the model family gpt2 has no rotary positions to scale"),
        ({"model_type": "gemma3_text", "rope_parameters": {"full_attention": {"rope_type": "default"}}}, YARN, "of several kinds"),
        (LLAMA | {"rope_scaling": LLAMA3}, YARN, r"scaled already \(rope_type: llama3, factor: 2.0\).*give original_max_position"),
        (LLAMA | {"rope_scaling": YARN}, {**YARN, "factor": 2.0}, "scaled already"),
    ],
)  # fmt: skip
def test_what_cannot_be_scaled(config: dict, scaling: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        scaled(config, scaling)
    assert scaled(LLAMA | {"rope_scaling": LLAMA3}, {**YARN, "original_max_position_embeddings": 8192})


@pytest.mark.parametrize(
    ("scaling", "sentence"),
    [
        (4.0, "rope_scaling must be null or have a rope_type, as in {rope_type: yarn, factor: 4.0}, got 4.0 (config key model.rope_scaling)"),
        ({"factor": 4.0}, "rope_scaling must be null or have a rope_type, as in {rope_type: yarn, factor: 4.0}, got {'factor': 4.0} (config key model.rope_scaling)"),
        ({"rope_type": "ntk", "factor": 2}, "rope_type must be one of linear, dynamic, yarn, llama3, got ntk (config key model.rope_scaling.rope_type)"),
        ({"rope_type": "yarn"}, "rope_scaling yarn needs factor (config key model.rope_scaling.factor)"),
        ({"rope_type": "yarn", "factor": 0.5}, "factor must be >= 1, got 0.5 (config key model.rope_scaling.factor)"),
        ({"rope_type": "linear", "factor": "x"}, "factor must be >= 1, got x (config key model.rope_scaling.factor)"),
        ({"rope_type": "linear", "factor": 2, "beta_fast": 3}, "rope_scaling linear has no beta_fast; it has factor (config key model.rope_scaling.beta_fast)"),
        ({**YARN, "beta_fast": 0}, "beta_fast must be > 0, got 0 (config key model.rope_scaling.beta_fast)"),
        ({**YARN, "truncate": 1}, "truncate must be true or false, got 1 (config key model.rope_scaling.truncate)"),
        ({"rope_type": "llama3", "factor": 2}, "rope_scaling llama3 needs low_freq_factor (config key model.rope_scaling.low_freq_factor)"),
    ],
)  # fmt: skip
def test_settings_refused(scaling: Any, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        Model(path="x", rope_scaling=scaling)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "scaling", [YARN, LLAMA3, {"rope_type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0}]
)
def test_loaded_saved_and_loaded_again(tiny_model_path: Path, tmp_path: Path, scaling: dict) -> None:
    """A saved folder reads as far and computes the same, with the setting named once more or not; without it, other angles."""
    model = Model(path=str(tiny_model_path), rope_scaling=scaling)
    base = load_base(tiny_model_path, model)
    base.save_pretrained(tmp_path)
    window = int(512 * scaling["factor"])
    check_context(tiny_model_path, window, scaling)
    with pytest.raises(UserError, match=f"context of {window} tokens"):
        check_context(tiny_model_path, window + 1, scaling)
    assert context_of(tmp_path) == context_of(tmp_path, scaling) == window
    ids = torch.arange(600)[None] % 300
    with torch.inference_mode():
        logits = base(ids).logits
        for again in (Model(path=str(tmp_path)), replace(model, path=str(tmp_path))):
            assert torch.equal(load_base(tmp_path, again)(ids).logits, logits)
        plain = load_base(tiny_model_path, replace(model, rope_scaling=None))
        assert not torch.allclose(plain(ids).logits, logits, atol=1e-3)


def test_frozen_columns_of_other_positions_are_others(tiny_model_path: Path, tmp_path: Path) -> None:
    model = Model(path=str(tiny_model_path))
    prints = [fingerprint_model(replace(model, rope_scaling=scaling), tmp_path) for scaling in (None, YARN, LLAMA3)]
    assert len({json.dumps(one) for one in prints}) == 3


def test_shared_prompts_are_refused_where_positions_change_with_the_batch() -> None:
    for scaling, refused in ((YARN, False), (LLAMA3, False), ({"rope_type": "dynamic", "factor": 2.0}, True)):
        assert bool(why_not(LLAMA | scaled(LLAMA, scaling), 512)) is refused


def test_a_merged_folder_keeps_it(tiny_model_path: Path, tmp_path: Path) -> None:
    model = Model(path=str(tiny_model_path), rope_scaling=YARN)
    policy = add_lora(load_base(tiny_model_path, model), Lora(r=2, alpha=2))
    fingerprint = fingerprint_weights(tiny_model_path)
    save_adapter(policy, tmp_path / "adapter", str(tiny_model_path), fingerprint, load_tokenizer(tiny_model_path))
    out = tmp_path / "merged"
    assert merge(model, tmp_path / "adapter", out, "float32", tmp_path).is_new
    config = json.loads((out / "config.json").read_text("utf-8"))
    assert config["rope_parameters"]["rope_type"] == "yarn" and config["max_position_embeddings"] == 2048
    assert not merge(model, tmp_path / "adapter", out, "float32", tmp_path).is_new, "it is that sum already"
    with pytest.raises(UserError, match="is not empty"):
        merge(replace(model, rope_scaling=None), tmp_path / "adapter", out, "float32", tmp_path)


def test_stretches_and_dynamic_positions(tiny_model_path: Path) -> None:
    """Past the window the angles of dynamic positions grow with what was read: the prompt is read whole."""
    scaling = {"rope_type": "dynamic", "factor": 2.0}
    prompt = [(7 * n) % 290 + 5 for n in range(600)]
    written: list[list[Generated]] = []
    for tokens in (64, 100_000):
        base = load_base(tiny_model_path, Model(path=str(tiny_model_path), rope_scaling=scaling))
        written.append(
            generate(base, [prompt], Decoding(max_new_tokens=6, prefill_tokens=tokens), end_ids=[999], pad_id=1)
        )
    assert written[0] == written[1]


def test_a_run_is_trained_and_used_with_it(tiny_model_path: Path, tmp_path: Path) -> None:
    """Rows longer than the model's own 512 positions; evaluation and merging inherit the setting of the run."""
    rows = [{"document": f"Text number {n}. " * 60, "summary": f"Number {n}."} for n in range(12)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    command = ["train", "objective=sft", f"model.path={tiny_model_path}", "dataset=jsonl", f"dataset.path={data}",
               f"cache_dir={tmp_path / 'cache'}", "tokens.max_length=700", "lora.r=2", "trainer.max_steps=2", "validation.times=1",
               "validation.samples=1", "validation.max_new_tokens=4", "trainer.enable_progress_bar=false",
               f"output_dir={tmp_path / 'run'}"]  # fmt: skip
    assert main(command) == 2, "512 positions are too few"
    assert main([*command, "model.rope_scaling={rope_type:yarn,factor:2.0}"]) == 0
    run = [f"run={tmp_path / 'run'}", f"cache_dir={tmp_path / 'cache'}"]
    assert main(["evaluate", *run, "generation.max_new_tokens=4"]) == 0
    config = json.loads((tmp_path / "run" / "evaluation.json").read_text("utf-8"))["config"]
    assert config["model"]["rope_scaling"] == {"rope_type": "yarn", "factor": 2.0}
    assert main(["merge", *run]) == 0
    assert context_of(tmp_path / "run" / "merged") == 1024
    out = [f"output_dir={tmp_path / 'again'}", "generation.max_new_tokens=4"]
    assert (
        main(["generate", *run, *out, "model.rope_scaling={rope_type:linear,factor:3}", "tokens.max_length=1500"]) == 0
    )
