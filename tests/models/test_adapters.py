"""Adapters: fresh ones change nothing, saved ones come back whole, and none meets a base that is not its own."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from summpo.errors import UserError
from summpo.models import Lora, Model
from summpo.models.weights.adapters import BASE_FINGERPRINT, add_lora, load_adapter, save_adapter, targets_of, unlike
from summpo.models.weights.fingerprints import fingerprint_adapter, fingerprint_weights
from summpo.models.weights.loading import load_base, load_tokenizer

TOKENS = torch.arange(2, 26)[None]
LORA = Lora(r=4, alpha=8, target_modules=["q_proj", "up_proj"])


def base_of(folder: Path) -> PreTrainedModel:
    return load_base(folder, Model(path=str(folder)))


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(TOKENS).logits


def trained(folder: Path, lora: Lora = LORA) -> PeftModel:
    """A policy whose adapter does something, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        policy = add_lora(base_of(folder), lora)
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(std=0.1)
    return policy


@pytest.fixture
def adapter(tiny_model_path: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    save(trained(tiny_model_path), folder, tiny_model_path)
    return folder


def save(policy: PeftModel, folder: Path, base: Path) -> None:
    save_adapter(policy, folder, str(base), fingerprint_weights(base), load_tokenizer(base))


def refusal(base: Path, adapter: Path) -> str:
    with pytest.raises(UserError) as error:
        load_adapter(base_of(base), adapter, fingerprint_weights(base), trainable=True)
    assert str(adapter) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def differences(policy: PeftModel, base: Path, adapter: Path, lora: Lora | None) -> list[str]:
    return unlike(policy, adapter, lora, set() if lora is None else targets_of(base_of(base), lora))


def rewrite(adapter: Path, change: dict[str, torch.Tensor | None]) -> None:
    """Sets weights of an adapter file by hand; None removes one."""
    file = adapter / "adapter_model.safetensors"
    weights = {name: weight for name, weight in (load_file(file) | change).items() if weight is not None}
    save_file(weights, file)


def of_others(base: Path | PreTrainedModel, folder: Path, **kind: Any) -> torch.Tensor:
    """Makes an adapter that does something with plain PEFT.

    Returns:
        The logits of plain PEFT with the adapter as it is saved.
    """
    model = AutoModelForCausalLM.from_pretrained(base) if isinstance(base, Path) else base
    get_peft_model(model, LoraConfig(r=4, task_type="CAUSAL_LM", init_lora_weights=False, **kind)).save_pretrained(
        folder
    )
    if not isinstance(base, Path):
        return torch.empty(0)
    return logits(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder))


class TestFresh:
    @pytest.mark.parametrize("targets", ["all-linear", ["q_proj"], ["self_attn.q_proj", "model.layers.1.mlp.up_proj"]])
    def test_changes_nothing_and_trains_the_adapter_alone(self, tiny_model_path: Path, targets: list | str) -> None:
        reference = logits(base_of(tiny_model_path))
        policy = add_lora(base_of(tiny_model_path), Lora(r=4, alpha=8, target_modules=targets))
        assert torch.equal(logits(policy), reference)
        assert all(("lora_" in name) == weight.requires_grad for name, weight in policy.named_parameters())

    def test_all_linear_spares_the_head(self, tiny_model_path: Path) -> None:
        policy = add_lora(base_of(tiny_model_path), Lora(r=4, alpha=8))
        adapted = {name.split(".lora_A")[0] for name, _ in policy.named_parameters() if "lora_A" in name}
        assert len(adapted) == 2 * 7
        assert not any("lm_head" in name for name in adapted)

    def test_float32_on_a_half_precision_base(self, tiny_model_path: Path) -> None:
        base = load_base(tiny_model_path, Model(path="x/x", dtype="bfloat16"))
        policy = add_lora(base, LORA)
        assert {weight.dtype for weight in policy.parameters() if weight.requires_grad} == {torch.float32}

    @pytest.mark.parametrize("target", ["q_prj", "proj", "lm_head", "embed_tokens", "mlp", "0.q_proj"])
    def test_unknown_targets(self, tiny_model_path: Path, target: str) -> None:
        with pytest.raises(UserError) as refused:
            add_lora(base_of(tiny_model_path), Lora(r=4, alpha=8, target_modules=["v_proj", target]))
        assert str(refused.value) == (
            f"target_modules names {target}, which is no linear layer inside the model; there are "
            "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj (config key lora.target_modules)"
        )


class TestSaved:
    def test_plain_peft_loads_it(self, tiny_model_path: Path, adapter: Path) -> None:
        plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model_path), str(adapter))
        assert torch.equal(logits(plain), logits(trained(tiny_model_path)))

    def test_what_it_leaves(self, tiny_model_path: Path, adapter: Path) -> None:
        files = {file.name for file in adapter.iterdir()}
        assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "README.md"} <= files
        assert [path.name for path in adapter.parent.iterdir()] == ["adapter"]
        config = json.loads((adapter / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == str(tiny_model_path)
        assert config["target_modules"] == ["q_proj", "up_proj"]
        assert str(tiny_model_path) in (adapter / "README.md").read_text()
        with safe_open(adapter / "adapter_model.safetensors", framework="pt") as opened:
            assert opened.metadata()[BASE_FINGERPRINT] == fingerprint_weights(tiny_model_path)

    def test_the_card_tells_the_truth(self, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        code = (adapter / "README.md").read_text().split("```python\n")[1].split("```")[0]
        monkeypatch.chdir(adapter.parent)
        scope: dict = {}
        exec(code, scope)
        assert isinstance(scope["model"], PeftModel)
        assert scope["tokenizer"].eos_token == "<|im_end|>"

    def test_equal_weights_equal_bytes(self, tiny_model_path: Path, adapter: Path, tmp_path: Path) -> None:
        save(trained(tiny_model_path), tmp_path / "again", tiny_model_path)
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            assert (tmp_path / "again" / name).read_bytes() == (adapter / name).read_bytes()

    def test_a_full_disk_leaves_the_former(
        self, tiny_model_path: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        former = fingerprint_adapter(adapter)

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(UserError, match=f"cannot write {adapter}: No space left on device"):
            save(add_lora(base_of(tiny_model_path), LORA), adapter, tiny_model_path)
        assert fingerprint_adapter(adapter) == former
        assert [path.name for path in adapter.parent.iterdir()] == ["adapter"]


class TestLoaded:
    @pytest.mark.parametrize("trainable", [True, False])
    def test_comes_back_whole(self, tiny_model_path: Path, adapter: Path, trainable: bool) -> None:
        policy = load_adapter(base_of(tiny_model_path), adapter, fingerprint_weights(tiny_model_path), trainable)
        assert any(module.training for module in policy.modules()) in (False, trainable)
        assert any(weight.requires_grad for weight in policy.parameters()) == trainable
        assert all("lora_" in name for name, weight in policy.named_parameters() if weight.requires_grad)
        assert torch.equal(logits(policy), logits(trained(tiny_model_path)))

    @pytest.mark.parametrize(
        "kind",
        [
            {"target_modules": ["lm_head"]},
            {"target_modules": ["q_proj", "embed_tokens"]},
            {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
            {"target_modules": ["q_proj"], "lora_bias": True},
            {"target_modules": ["q_proj"], "use_dora": True, "use_rslora": True},
        ],
        ids=str,
    )
    @pytest.mark.filterwarnings("ignore")
    def test_other_kinds_are_what_plain_peft_makes_of_them(
        self, tiny_model_path: Path, tmp_path: Path, kind: dict[str, Any]
    ) -> None:
        expected = of_others(tiny_model_path, tmp_path / "adapter", **kind)
        base = base_of(tiny_model_path)
        before = {name: weight.clone() for name, weight in base.named_parameters()}
        policy = load_adapter(base, tmp_path / "adapter", fingerprint_weights(tiny_model_path), trainable=False)
        torch.testing.assert_close(logits(policy), expected, rtol=0, atol=0)
        assert not torch.equal(logits(base_of(tiny_model_path)), expected)
        after = dict(base_of(tiny_model_path).named_parameters())
        assert all(torch.equal(weight, after[name]) for name, weight in before.items())

    def test_a_second_round_keeps_the_first(self, tiny_model_path: Path, adapter: Path, tmp_path: Path) -> None:
        policy = load_adapter(base_of(tiny_model_path), adapter, fingerprint_weights(tiny_model_path), trainable=True)
        save(policy, tmp_path / "again", tiny_model_path)
        assert fingerprint_adapter(tmp_path / "again") == fingerprint_adapter(adapter)
        policy(TOKENS, labels=TOKENS).loss.backward()
        with torch.no_grad():
            for weight in policy.parameters():
                if weight.grad is not None:
                    weight -= 0.01 * weight.grad
        save(policy, tmp_path / "again", tiny_model_path)
        assert fingerprint_adapter(tmp_path / "again") != fingerprint_adapter(adapter)

    def test_dropout_is_of_this_training_and_not_of_the_one_before(self, tiny_model_path: Path, tmp_path: Path) -> None:
        save(trained(tiny_model_path, replace(LORA, dropout=0.5)), tmp_path / "a", tiny_model_path)
        policy = self.going_on(tiny_model_path, tmp_path / "a")
        assert torch.equal(policy.train()(TOKENS).logits, logits(policy)), "nothing is dropped"
        assert differences(policy, tiny_model_path, tmp_path / "a", LORA) == ["dropout 0 (not 0.5, as before)"]
        dropping = self.going_on(tiny_model_path, tmp_path / "a", dropout=0.25)
        rates = {
            layer.p
            for name, layer in dropping.named_modules()
            if isinstance(layer, torch.nn.Dropout) and "lora" in name
        }
        assert rates == {0.25}
        frozen = load_adapter(base_of(tiny_model_path), tmp_path / "a", fingerprint_weights(tiny_model_path), False)
        assert torch.equal(logits(frozen), logits(policy))

    @staticmethod
    def going_on(base: Path, adapter: Path, dropout: float = 0.0) -> PeftModel:
        return load_adapter(base_of(base), adapter, fingerprint_weights(base), trainable=True, dropout=dropout)

    @pytest.mark.parametrize(
        ("lora", "words"),
        [
            (LORA, []),
            (None, []),
            (replace(LORA, r=8), ["its own r 4 (not lora.r=8)"]),
            (replace(LORA, alpha=8.5), ["its own alpha 8 (not lora.alpha=8.5)"]),
            (replace(LORA, target_modules=["self_attn.q_proj", "mlp.up_proj"]), []),
            (replace(LORA, target_modules=["q_proj"]), ["its own target_modules (q_proj, up_proj; not those of lora.target_modules)"]),
            (replace(LORA, target_modules="all-linear"), ["its own target_modules (q_proj, up_proj; not those of lora.target_modules)"]),
        ],
    )  # fmt: skip
    def test_what_is_its_own_is_said(
        self, tiny_model_path: Path, adapter: Path, lora: Lora | None, words: list
    ) -> None:
        """What belongs to the weights stays as the adapter has it."""
        policy = self.going_on(tiny_model_path, adapter)
        assert differences(policy, tiny_model_path, adapter, lora) == words
        assert torch.equal(logits(policy), logits(trained(tiny_model_path)))

    def test_all_linear_is_no_difference_from_all_linear(self, tiny_model_path: Path, tmp_path: Path) -> None:
        everywhere = replace(LORA, target_modules="all-linear")
        save(trained(tiny_model_path, everywhere), tmp_path / "all", tiny_model_path)
        assert (
            differences(self.going_on(tiny_model_path, tmp_path / "all"), tiny_model_path, tmp_path / "all", everywhere)
            == []
        )

    @pytest.mark.parametrize("kind", ["use_rslora", "use_dora"])
    def test_kinds_of_lora_that_only_the_adapter_knows(self, tiny_model_path: Path, tmp_path: Path, kind: str) -> None:
        config = LoraConfig(
            r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"], task_type="CAUSAL_LM", **{kind: True}
        )
        plain = get_peft_model(base_of(tiny_model_path), config)
        for name, weight in plain.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(std=0.1)
        plain.save_pretrained(str(tmp_path / "plain"))
        policy = self.going_on(tiny_model_path, tmp_path / "plain")
        assert differences(policy, tiny_model_path, tmp_path / "plain", LORA) == [f"its own {kind}"]
        assert torch.equal(logits(policy), logits(plain))

    def test_weights_of_the_base_train_in_float32_or_not_at_all(self, tiny_model_path: Path, tmp_path: Path) -> None:
        """An adapter with modules_to_save, on a base in bfloat16 and in float32."""
        config = LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["input_layernorm"], task_type="CAUSAL_LM")
        get_peft_model(base_of(tiny_model_path), config).save_pretrained(str(tmp_path / "plain"))
        own = fingerprint_weights(tiny_model_path)
        coarse = load_base(tiny_model_path, Model(path="x/x", dtype="bfloat16"))
        load_adapter(coarse, tmp_path / "plain", own, trainable=False)
        coarse = load_base(tiny_model_path, Model(path="x/x", dtype="bfloat16"))
        with pytest.raises(
            UserError, match=r"trains weights of the model itself, which are bfloat16 and too coarse to"
        ):
            load_adapter(coarse, tmp_path / "plain", own, trainable=True)
        policy = self.going_on(tiny_model_path, tmp_path / "plain")
        assert {weight.dtype for weight in policy.parameters() if weight.requires_grad} == {torch.float32}

    def test_by_other_tools(self, tiny_model_path: Path, tmp_path: Path) -> None:
        policy = trained(tiny_model_path)
        policy.save_pretrained(str(tmp_path / "plain"))
        own = fingerprint_weights(tiny_model_path)
        again = load_adapter(base_of(tiny_model_path), tmp_path / "plain", own, trainable=False)
        assert torch.equal(logits(again), logits(policy))

    def test_by_other_tools_on_another_base_that_is_at_hand(self, tiny_model_path: Path, tmp_path: Path) -> None:
        """It records no fingerprint, but the folder that it names has one."""
        other = Path(shutil.copytree(tiny_model_path, tmp_path / "other"))
        weights = load_file(other / "model.safetensors")
        weights["model.norm.weight"] += 0.5
        save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
        trained(tiny_model_path).save_pretrained(str(tmp_path / "plain"))
        assert f"was trained on another base ({tiny_model_path})" in refusal(other, tmp_path / "plain")
        shutil.rmtree(tmp_path / "plain")
        policy = trained(tiny_model_path)
        policy.peft_config["default"].base_model_name_or_path = "owner/name"
        policy.save_pretrained(str(tmp_path / "plain"))
        load_adapter(base_of(tiny_model_path), tmp_path / "plain", "of unknown weights", trainable=False)

    def test_another_base_of_the_same_shape(self, tiny_model_path: Path, adapter: Path, tmp_path: Path) -> None:
        other = Path(shutil.copytree(tiny_model_path, tmp_path / "other"))
        weights = load_file(other / "model.safetensors")
        weights["model.norm.weight"] += 0.5
        save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
        assert f"was trained on another base ({tiny_model_path}), not on {other}" in refusal(other, adapter)

    def test_a_weight_too_few(self, tiny_model_path: Path, adapter: Path) -> None:
        name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
        rewrite(adapter, {name: None})
        assert f"it lacks {name}" in refusal(tiny_model_path, adapter)

    def test_a_weight_too_many(self, tiny_model_path: Path, adapter: Path) -> None:
        name = "base_model.model.model.layers.7.self_attn.q_proj.lora_B.weight"
        rewrite(adapter, {name: torch.zeros(32, 4)})
        assert f"no place for its {name}" in refusal(tiny_model_path, adapter)

    def test_other_weights_of_the_base(self, tiny_model_path: Path, tmp_path: Path) -> None:
        """PEFT saves the head beside an adapter on it: here as somebody has trained it on."""
        of_others(tiny_model_path, tmp_path / "adapter", target_modules=["lm_head"])
        name = "base_model.model.lm_head.base_layer.weight"
        rewrite(tmp_path / "adapter", {name: load_file(tmp_path / "adapter" / "adapter_model.safetensors")[name] + 1})
        assert f"brings {name} of its own" in refusal(tiny_model_path, tmp_path / "adapter")

    def test_of_a_larger_vocabulary(self, tiny_model_path: Path, tmp_path: Path) -> None:
        base = AutoModelForCausalLM.from_pretrained(tiny_model_path)
        tokens = base.config.vocab_size
        base.resize_token_embeddings(tokens + 1)
        of_others(base, tmp_path / "adapter", target_modules=["embed_tokens"])
        said = refusal(tiny_model_path, tmp_path / "adapter")
        assert f"({tokens + 1}, " in said and f"({tokens}, " in said and "embed_tokens" in said

    def test_a_weight_of_another_shape(self, tiny_model_path: Path, adapter: Path) -> None:
        rewrite(adapter, {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": torch.zeros(4, 64)})
        assert "is (4, 64) in the adapter and (4, 32) in the model" in refusal(tiny_model_path, adapter)

    def test_another_rank_than_it_says(self, tiny_model_path: Path, adapter: Path) -> None:
        config = adapter / "adapter_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"r": 8}))
        assert "does not fit the model" in refusal(tiny_model_path, adapter)

    def test_targets_that_the_model_lacks(self, tiny_model_path: Path, adapter: Path) -> None:
        config = adapter / "adapter_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"target_modules": ["c_attn"]}))
        assert "does not fit the model: Target modules" in refusal(tiny_model_path, adapter)

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"peft_type": "NO_SUCH"}'])
    def test_a_broken_config(self, tiny_model_path: Path, adapter: Path, content: str) -> None:
        (adapter / "adapter_config.json").write_text(content)
        assert "cannot load the adapter" in refusal(tiny_model_path, adapter)

    @pytest.mark.parametrize("content", ["{}", '{"peft_type": "IA3", "target_modules": ["k_proj"]}'])
    def test_another_kind_of_adapter(self, tiny_model_path: Path, adapter: Path, content: str) -> None:
        (adapter / "adapter_config.json").write_text(content)
        assert "is no LoRA adapter" in refusal(tiny_model_path, adapter)

    def test_broken_weights(self, tiny_model_path: Path, adapter: Path) -> None:
        file = adapter / "adapter_model.safetensors"
        for content in (file.read_bytes()[:-8], b"", b"not it at all"):
            file.write_bytes(content)
            assert "cannot load the adapter" in refusal(tiny_model_path, adapter)

    def test_no_folder(self, tiny_model_path: Path, tmp_path: Path) -> None:
        assert "there is no adapter folder" in refusal(tiny_model_path, tmp_path / "none")


def test_fingerprint_is_of_content(tiny_model_path: Path, adapter: Path, tmp_path: Path) -> None:
    fingerprint = fingerprint_adapter(adapter)
    file = adapter / "adapter_model.safetensors"
    weights = load_file(file)
    for _ in range(8):  # metadata of two entries is written in either order
        save_file(weights, file, metadata={"one": "1", "two": "2"})
        assert fingerprint_adapter(adapter) == fingerprint
    next(iter(weights.values()))[0, 0] += 1
    save_file(weights, file)
    assert fingerprint_adapter(adapter) != fingerprint
    save(trained(tiny_model_path, Lora(r=4, alpha=16, target_modules=LORA.target_modules)), adapter, tiny_model_path)
    assert fingerprint_adapter(adapter) != fingerprint
