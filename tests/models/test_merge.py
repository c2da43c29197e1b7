"""A merged model computes what base and adapter compute, and loads without PEFT."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from summpo.errors import UserError
from summpo.models import Lora, Model
from summpo.models.adapters import add_lora, save_adapter
from summpo.models.fingerprints import fingerprint_weights
from summpo.models.loading import load_base, load_tokenizer
from summpo.models.merge import merge


def made_adapter(base: Path, folder: Path, model: Model) -> tuple[Path, PeftModel]:
    """A saved adapter that does something, and its policy in eval mode."""
    policy = add_lora(load_base(base, model), Lora(r=4, alpha=8))
    generator = torch.Generator().manual_seed(1)
    for name, weight in policy.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.05, generator=generator)
    save_adapter(policy, folder, str(base), fingerprint_weights(base), load_tokenizer(base))
    return folder, policy.eval()


@pytest.mark.parametrize("which", ["tiny_model_path", "real_model_path"])
def test_computes_what_base_and_adapter_compute(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    base: Path = request.getfixturevalue(which)
    model = Model(path=str(base))
    adapter, policy = made_adapter(base, tmp_path / "adapter", model)
    merge(model, adapter, tmp_path / "merged", "float32", tmp_path / "cache")

    merged: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert type(merged).__name__ == "LlamaForCausalLM"
    assert merged.get_output_embeddings().weight is merged.get_input_embeddings().weight
    tokens = torch.tensor([tokenizer("The cat sat on the mat, and the dog on the cat.")["input_ids"]])
    with torch.no_grad():
        expected, got = policy(tokens).logits, merged(tokens).logits
        with policy.disable_adapter():
            assert not torch.allclose(expected, policy(tokens).logits, atol=1e-2)
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)

    files = {file.name for file in (tmp_path / "merged").iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"} <= files
    assert not any("adapter" in name for name in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "cache", "merged"]


def test_an_adapter_of_a_quantised_base_goes_into_the_plain_one(tiny_model_path: Path, tmp_path: Path) -> None:
    quantised = Model(path=str(tiny_model_path), dtype="bfloat16", quantization="nf4")
    adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", quantised)
    merge(quantised, adapter, tmp_path / "merged", "float32", tmp_path / "cache", base="original")
    plain = AutoModelForCausalLM.from_pretrained(tiny_model_path)
    expected = PeftModel.from_pretrained(plain, str(adapter))
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert merged.dtype == torch.float32
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())
    tokens = torch.arange(20)[None]
    torch.testing.assert_close(merged(tokens).logits, expected(tokens).logits, rtol=1e-4, atol=1e-4)


def test_stored_in_half_precision(tiny_model_path: Path, tmp_path: Path) -> None:
    model = Model(path=str(tiny_model_path))
    adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", model)
    merge(model, adapter, tmp_path / "merged", "bfloat16", tmp_path / "cache")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "merged").dtype == torch.bfloat16
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"


class TestRefuses:
    def test_a_folder_in_use(self, tiny_model_path: Path, tmp_path: Path) -> None:
        model = Model(path=str(tiny_model_path))
        adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", model)
        out = tmp_path / "merged"
        out.mkdir()
        assert merge(model, adapter, out, "float32", tmp_path / "cache").is_new, "empty is fine"
        before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
        assert not merge(model, adapter, out, "float32", tmp_path / "cache").is_new, "it holds this very sum already"
        with pytest.raises(UserError, match=f"not empty: {out}"):
            merge(model, adapter, out, "bfloat16", tmp_path / "cache")
        assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="not empty"):
            merge(model, adapter, tmp_path / "file", "float32", tmp_path / "cache")

    def test_a_type_that_is_none(self, tiny_model_path: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="config key dtype"):
            merge(Model(path=str(tiny_model_path)), tmp_path, tmp_path / "merged", "int8", tmp_path)

    def test_no_adapter(self, tiny_model_path: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no adapter folder"):
            merge(Model(path=str(tiny_model_path)), tmp_path / "none", tmp_path / "out", "float32", tmp_path)

    def test_a_place_that_cannot_be_written(self, tiny_model_path: Path, tmp_path: Path) -> None:
        model = Model(path=str(tiny_model_path))
        adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", model)
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot write"):
            merge(model, adapter, tmp_path / "file" / "merged", "float32", tmp_path / "cache")

    @pytest.mark.filterwarnings("ignore:Model")
    def test_an_adapter_on_a_head_that_shares_the_embeddings(self, tiny_model_path: Path, tmp_path: Path) -> None:
        """Only other tools make these: merging would change the embeddings too."""
        base = AutoModelForCausalLM.from_pretrained(tiny_model_path)
        policy = get_peft_model(base, LoraConfig(r=4, target_modules=["lm_head"], init_lora_weights=False))
        policy.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
        with pytest.raises(RuntimeError, match="nothing was written"):
            merge(Model(path=str(tiny_model_path)), tmp_path / "adapter", tmp_path / "out", "float32", tmp_path / "c")
        assert not (tmp_path / "out").exists()
