"""A merged model computes what base and adapter compute, and loads without PEFT."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from summpo.errors import UserError
from summpo.models import Lora, Model
from summpo.models.weights.adapters import add_lora, save_adapter
from summpo.models.weights.fingerprints import fingerprint_weights
from summpo.models.weights.folders import stored_dtype
from summpo.models.weights.loading import load_base, load_scorer, load_tokenizer
from summpo.models.weights.merge import MADE_FROM, base_weights, merge


def made_adapter(
    base: Path, folder: Path, model: Model, targets: list[str] | str = "all-linear"
) -> tuple[Path, PeftModel]:
    """A saved adapter that does something, and its policy in eval mode."""
    policy = add_lora(load_base(base, model), Lora(r=4, alpha=8, target_modules=targets))
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


@pytest.mark.parametrize("which", ["tiny_model_path", pytest.param("real_model_path", marks=pytest.mark.storm)])
def test_dequantized_it_is_the_model_that_was_trained(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In float32 the logits of the 4-bit base with its adapter; into the original weights they are others."""
    base: Path = request.getfixturevalue(which)
    quantised = Model(path=str(base), quantization="nf4")
    adapter, policy = made_adapter(base, tmp_path / "adapter", quantised)
    tokens = torch.tensor([load_tokenizer(base)("The cat sat on the mat, and the dog on the cat.")["input_ids"]])
    with torch.no_grad():
        expected = policy(tokens).logits
        for weights in ("dequantized", "original"):
            assert merge(quantised, adapter, tmp_path / weights, "float32", tmp_path / "cache", weights).base == weights
            got = AutoModelForCausalLM.from_pretrained(tmp_path / weights)(tokens).logits
            is_close = torch.allclose(got, expected, rtol=1e-4, atol=1e-3)
            assert is_close == (weights == "dequantized"), (got - expected).abs().max()
    # rounded, a deep model answers otherwise to tokens that no text has: the sum is right all the same
    assert merge(quantised, adapter, tmp_path / "half", "bfloat16", tmp_path / "cache").is_new
    assert "quantization_config" not in json.loads((tmp_path / "dequantized" / "config.json").read_text())
    assert "as nf4 held them" in (tmp_path / "dequantized" / "README.md").read_text()


def test_dequantized_weight_by_weight(tiny_model_path: Path, tmp_path: Path) -> None:
    """A run in bfloat16: what bitsandbytes unpacks, plus alpha / r B A = 2 B A, in float32; one rounding where stored in
    bfloat16. Layers without adapter are what was unpacked, and the rest what the run held, rounded to bfloat16."""
    from bitsandbytes.functional import dequantize_4bit

    quantised = Model(path=str(tiny_model_path), dtype="bfloat16", quantization="nf4")
    adapter, policy = made_adapter(tiny_model_path, tmp_path / "adapter", quantised, ["q_proj", "down_proj"])
    for dtype in ("float32", "bfloat16"):
        merge(quantised, adapter, tmp_path / dtype, dtype, tmp_path / "cache")
    exact, stored = (load_file(tmp_path / dtype / "model.safetensors") for dtype in ("float32", "bfloat16"))
    layers: Any = policy.get_base_model().model.layers[1]
    for name, layer in (("self_attn.q_proj", layers.self_attn.q_proj), ("mlp.up_proj", layers.mlp.up_proj)):
        weight = getattr(layer, "base_layer", layer).weight
        expected = dequantize_4bit(weight.data, weight.quant_state).float()
        if hasattr(layer, "base_layer"):
            expected = expected + 2 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        assert torch.equal(exact[f"model.layers.1.{name}.weight"], expected)
    held = policy.get_base_model().get_input_embeddings().weight
    assert held.dtype == torch.bfloat16
    assert torch.equal(exact["model.embed_tokens.weight"], held.float())
    assert exact.keys() == stored.keys()
    assert all(torch.equal(stored[name], weight.to(torch.bfloat16)) for name, weight in exact.items())


@pytest.mark.parametrize("stored", ["float32", "bfloat16"])
def test_one_rounding_whatever_the_base_is_stored_in(tiny_model_path: Path, tmp_path: Path, stored: str) -> None:
    """Read in the type of its file: a sum that is stored in bfloat16 is the float32 sum, rounded once."""
    base = AutoModelForCausalLM.from_pretrained(tiny_model_path, dtype=getattr(torch, stored))
    base.save_pretrained(tmp_path / "base")
    load_tokenizer(tiny_model_path).save_pretrained(tmp_path / "base")
    assert stored_dtype(tmp_path / "base") == stored
    model = Model(path=str(tmp_path / "base"))
    adapter, _ = made_adapter(tmp_path / "base", tmp_path / "adapter", model)
    for dtype in ("float32", "bfloat16"):
        merge(model, adapter, tmp_path / dtype, dtype, tmp_path / "cache")
    exact, rounded = (load_file(tmp_path / dtype / "model.safetensors") for dtype in ("float32", "bfloat16"))
    assert all(torch.equal(rounded[name], weight.to(torch.bfloat16)) for name, weight in exact.items())


class RowsOf:
    """Stands for a run's validation rows: asks what it is given for the loss of 20 tokens; remembers of what."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __len__(self) -> int:
        return 1

    def __call__(self, model: Any) -> float:
        self.asked.append(type(model).__name__)
        with torch.no_grad():
            return float(model(torch.arange(20)[None], labels=torch.arange(20)[None]).loss)


def test_the_loss_before_and_after(tiny_model_path: Path, tmp_path: Path) -> None:
    """Either way costs something, said beside the weights; into the dequantized weights nothing but rounding."""
    quantised = Model(path=str(tiny_model_path), quantization="nf4")
    adapter, policy = made_adapter(tiny_model_path, tmp_path / "adapter", quantised)
    found = {}
    for weights in ("dequantized", "original"):
        rows = RowsOf()
        out = tmp_path / weights
        merged = merge(quantised, adapter, out, "float32", tmp_path / "cache", weights, lambda rows=rows: rows)
        assert sorted(rows.asked) == ["LlamaForCausalLM", "LlamaForCausalLM", "PeftModelForCausalLM"]
        assert json.loads((out / MADE_FROM).read_text())["validation_loss"] == merged.losses
        saved = AutoModelForCausalLM.from_pretrained(out)
        assert merged.losses[weights] == pytest.approx(RowsOf()(saved), abs=1e-5)
        again = merge(
            quantised, adapter, out, "float32", tmp_path / "cache", weights, lambda: pytest.fail("asked twice")
        )
        assert (again.is_new, again.losses) == (False, merged.losses)
        found[weights] = merged.losses
    assert found["dequantized"] == pytest.approx(found["original"], abs=1e-5)
    losses = found["original"]
    assert losses["rows"] == 1 and losses["quantized"] == pytest.approx(RowsOf()(policy), abs=1e-5)
    assert abs(losses["dequantized"] - losses["quantized"]) < 1e-5 < abs(losses["original"] - losses["quantized"])


def test_a_base_that_was_not_quantised_asks_for_no_loss(tiny_model_path: Path, tmp_path: Path) -> None:
    model = Model(path=str(tiny_model_path))
    adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", model)
    merged = merge(model, adapter, tmp_path / "out", "float32", tmp_path / "c", None, lambda: pytest.fail("asked"))
    assert (merged.is_new, merged.base, merged.losses) == (True, "original", {})


def test_a_reward_model_on_a_quantised_base(tiny_model_path: Path, tmp_path: Path) -> None:
    quantised = Model(path=str(tiny_model_path), quantization="nf4")
    tokenizer = load_tokenizer(tiny_model_path)
    pad_id = int(tokenizer.pad_token_id)  # type: ignore[arg-type]
    policy = add_lora(load_scorer(tiny_model_path, quantised, pad_id), Lora(r=4, alpha=8))
    torch.nn.init.normal_(next(weight for name, weight in policy.named_parameters() if "lora_B" in name), std=0.1)
    save_adapter(policy, tmp_path / "adapter", "base", fingerprint_weights(tiny_model_path), tokenizer)
    merge(quantised, tmp_path / "adapter", tmp_path / "merged", "float32", tmp_path / "cache")
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    tokens = torch.arange(2, 20)[None]
    with torch.no_grad():
        torch.testing.assert_close(merged(tokens).logits, policy.eval()(tokens).logits, rtol=1e-4, atol=1e-5)


def test_stored_in_half_precision(tiny_model_path: Path, tmp_path: Path) -> None:
    model = Model(path=str(tiny_model_path))
    adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", model)
    merge(model, adapter, tmp_path / "merged", "bfloat16", tmp_path / "cache")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "merged").dtype == torch.bfloat16
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"


class TestBaseWeights:
    def test_by_default_those_that_the_adapter_was_trained_on(self) -> None:
        plain, quantised = Model(path="x/x"), Model(path="x/x", quantization="nf4")
        assert [base_weights(model, None) for model in (plain, quantised)] == ["original", "dequantized"]
        assert [base_weights(model, "original") for model in (plain, quantised)] == ["original"] * 2
        assert base_weights(quantised, "dequantized") == "dequantized"

    def test_refused(self) -> None:
        with pytest.raises(UserError, match=r"x/x was not quantised \(model.quantization is null; config key base\)"):
            base_weights(Model(path="x/x"), "dequantized")
        with pytest.raises(UserError, match="base must be one of null, original, dequantized, got nf4"):
            base_weights(Model(path="x/x", quantization="nf4"), "nf4")


class TestRefuses:
    def test_a_folder_in_use(self, tiny_model_path: Path, tmp_path: Path) -> None:
        model = Model(path=str(tiny_model_path))
        adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", model)
        out = tmp_path / "merged"
        out.mkdir()
        assert merge(model, adapter, out, "float32", tmp_path / "cache").is_new, "empty is fine"
        before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
        assert not merge(model, adapter, out, "float32", tmp_path / "cache").is_new, "it holds this very sum already"
        with pytest.raises(UserError, match=f"not empty: {out}, which holds one with dtype=float32, not bfloat16 "):
            merge(model, adapter, out, "bfloat16", tmp_path / "cache")
        assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="not empty"):
            merge(model, adapter, tmp_path / "file", "float32", tmp_path / "cache")

    def test_a_folder_with_the_other_sum(self, tiny_model_path: Path, tmp_path: Path) -> None:
        """Other weights of the base, or the same from another type, make another sum."""
        quantised = Model(path=str(tiny_model_path), quantization="nf4")
        adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", quantised)
        out, cache = tmp_path / "merged", tmp_path / "cache"
        merge(quantised, adapter, out, "float32", cache)
        half = Model(path=str(tiny_model_path), quantization="nf4", dtype="bfloat16")
        for model, weights in ((quantised, "original"), (half, None)):
            with pytest.raises(UserError, match="not empty"):
                merge(model, adapter, out, "float32", cache, weights)
        assert not merge(quantised, adapter, out, "float32", cache).is_new

    def test_a_folder_that_an_earlier_version_made_is_done(self, tiny_model_path: Path, tmp_path: Path) -> None:
        """Its record does not say whose weights: they were the original ones."""
        model = Model(path=str(tiny_model_path))
        adapter, _ = made_adapter(tiny_model_path, tmp_path / "adapter", model)
        merge(model, adapter, tmp_path / "merged", "float32", tmp_path / "cache")
        record = json.loads((tmp_path / "merged" / MADE_FROM).read_text())
        del record["base_weights"]
        (tmp_path / "merged" / MADE_FROM).write_text(json.dumps(record))
        assert not merge(model, adapter, tmp_path / "merged", "float32", tmp_path / "cache").is_new

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
        with pytest.raises(UserError, match=r"in lm_head are another layer's too \(tie_word_embeddings\)"):
            merge(Model(path=str(tiny_model_path)), tmp_path / "adapter", tmp_path / "out", "float32", tmp_path / "c")
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("kind", "why"),
        [
            ({"lora_bias": True}, r"into \S*q_proj: .*lora_bias=True. because the base layer has no bias"),
            ({"layer_replication": [[0, 1], [0, 1]]}, r"q_proj are another layer's too \(layer_replication\)"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Model")
    def test_what_no_plain_model_can_hold(
        self, tiny_model_path: Path, tmp_path: Path, kind: dict[str, Any], why: str
    ) -> None:
        base = AutoModelForCausalLM.from_pretrained(tiny_model_path)
        get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj"], **kind)).save_pretrained(tmp_path / "adapter")
        with pytest.raises(UserError, match=f"adapter cannot be merged.*{why}"):
            merge(Model(path=str(tiny_model_path)), tmp_path / "adapter", tmp_path / "out", "float32", tmp_path / "c")
        assert not (tmp_path / "out").exists()
