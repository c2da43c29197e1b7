"""Base and tokenizer: what is asked for is what one gets, and broken folders are refused in one sentence."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from summpo.errors import UserError
from summpo.models import Lora, Model
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import check_vocabulary, load_base, load_tokenizer

TOKENS = torch.arange(2, 26)[None]


@pytest.fixture
def copy(tiny_model_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_path, tmp_path / "copy"))


def edit(file: Path, **changes: object) -> None:
    """Sets keys of a JSON file; None removes one."""
    settings = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


def refusal(folder: Path, **settings: object) -> str:
    with pytest.raises(UserError) as error:
        load_base(folder, Model(path=str(folder), **settings))  # pyright: ignore[reportArgumentType]
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_dtype_and_attention(tiny_model_path: Path, dtype: str, attention: str) -> None:
    model = Model(path=str(tiny_model_path), dtype=dtype, attention=attention)  # pyright: ignore[reportArgumentType]
    base = load_base(tiny_model_path, model)
    assert {weight.dtype for weight in base.parameters()} == {getattr(torch, dtype)}
    assert base.config._attn_implementation == ("shared_prefix" if attention == "sdpa" else attention)
    assert not base.training


def test_a_kernel_that_is_not_there(tiny_model_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine may have it")
    assert "cannot load the weights" in refusal(tiny_model_path, attention="flash_attention_2")


def test_nothing_on_the_screen(tiny_model_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_base(tiny_model_path, Model(path=str(tiny_model_path)))
    load_tokenizer(tiny_model_path)
    assert capfd.readouterr() == ("", "")


def test_truncated_weights(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "cannot load the weights" in refusal(copy)
    weights.write_bytes(b"")
    assert "cannot load the weights" in refusal(copy)


def test_a_missing_weight_is_not_made_up(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert "1 are missing, ['model.layers.1.mlp.up_proj.weight']" in refusal(copy)


def test_weights_of_another_shape(copy: Path) -> None:
    edit(copy / "config.json", hidden_size=64)
    assert "cannot load the weights" in refusal(copy)


@pytest.mark.parametrize("config", ["", "{", "[]", '{"model_type": "no_such_type"}'])
def test_a_config_that_is_none(copy: Path, config: str) -> None:
    (copy / "config.json").write_text(config)
    assert "cannot load the config" in refusal(copy)


def test_code_in_the_folder_does_not_run(copy: Path) -> None:
    witness = copy / "witness"
    (copy / "custom.py").write_text(f"from pathlib import Path\nPath({str(witness)!r}).touch()\n")
    edit(
        copy / "config.json",
        model_type="custom",
        auto_map={"AutoConfig": "custom.C", "AutoModelForCausalLM": "custom.M"},
    )
    assert "trust_remote_code" in refusal(copy)
    assert not witness.exists()


class TestTokenizer:
    def test_text_survives(self, tiny_model_path: Path) -> None:
        tokenizer = load_tokenizer(tiny_model_path)
        text = "\n\nParagraph:\nA cät.\n\nTL;DR:\n"
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text

    def test_pads_with_the_end_of_sequence(self, copy: Path) -> None:
        edit(copy / "tokenizer_config.json", pad_token=None)
        tokenizer = load_tokenizer(copy)
        assert tokenizer.pad_token_id == tokenizer.eos_token_id == 1

    def test_no_end_of_sequence(self, copy: Path) -> None:
        edit(copy / "tokenizer_config.json", eos_token=None)
        with pytest.raises(UserError, match=r"no end of sequence token \(eos_token\)"):
            load_tokenizer(copy)

    @pytest.mark.parametrize(
        ("added", "template", "refused"),
        [
            ({}, None, False),
            ({"pad_token": "<pad>"}, None, False),
            ({"additional_special_tokens": ["<|picture|>"]}, None, False),
            ({"additional_special_tokens": ["<|user|>"]}, "<|user|>{{ messages[0]['content'] }}", True),
            ({"bos_token": "<|user|>"}, "{{ messages[0]['content'] }}", True),
            ({"eos_token": "<|user|>"}, None, True),
        ],
    )
    def test_control_tokens_that_the_model_does_not_know(
        self, tiny_model_path: Path, added: dict[str, Any], template: str | None, refused: bool
    ) -> None:
        """Those that nothing asks for are harmless, and padding is EOS instead."""
        tokenizer = load_tokenizer(tiny_model_path)
        tokenizer.chat_template = template
        tokenizer.add_special_tokens(added)
        if not refused:
            check_vocabulary(tokenizer, tiny_model_path, "some/model")
            assert int(tokenizer.pad_token_id) < 300  # type: ignore[arg-type]
            return
        sentence = r"some/model has 301 tokens, the model 300: .*<\|user\|>.* \(config key model.path\)"
        with pytest.raises(UserError, match=sentence):
            check_vocabulary(tokenizer, tiny_model_path, "some/model")

    def test_a_word_that_the_model_does_not_know(self, tiny_model_path: Path) -> None:
        tokenizer = load_tokenizer(tiny_model_path)
        tokenizer.add_tokens(["catamaran", "ketch"])
        with pytest.raises(UserError, match="has 302 tokens, the model 300: it has no embedding of 'catamaran'"):
            check_vocabulary(tokenizer, tiny_model_path, "some/model")

    def test_none_there(self, copy: Path) -> None:
        for file in copy.glob("tokenizer*"):
            file.unlink()
        with pytest.raises(UserError, match="tokenizer"):
            load_tokenizer(copy)

    def test_broken(self, copy: Path) -> None:
        (copy / "tokenizer.json").write_text('{"version": 1}')
        with pytest.raises(UserError, match="cannot load the tokenizer"):
            load_tokenizer(copy)


class TestNf4:
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_a_step_of_lora(self, tiny_model_path: Path, dtype: str) -> None:
        model = Model(path=str(tiny_model_path), dtype=dtype, quantization="nf4")  # pyright: ignore[reportArgumentType]
        policy = add_lora(load_base(tiny_model_path, model), Lora(r=4, alpha=8))
        trained = [weight for weight in policy.parameters() if weight.requires_grad]
        assert {weight.dtype for weight in trained} == {torch.float32}
        optimizer = torch.optim.SGD(trained, lr=0.5)
        losses = []
        for _ in range(3):
            loss = policy(TOKENS, labels=TOKENS).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert losses == sorted(losses, reverse=True)
        assert losses[2] < losses[0]

    def test_weights_are_those_of_the_file_to_four_bits(self, tiny_model_path: Path) -> None:
        """Normal weights lose about 9% of their norm in nf4, and the layer multiplies by what is left."""
        from bitsandbytes.functional import dequantize_4bit

        name = "model.layers.0.mlp.down_proj"
        plain: Any = load_base(tiny_model_path, Model(path="x/x")).get_submodule(name).weight
        layer: Any = load_base(tiny_model_path, Model(path="x/x", quantization="nf4")).get_submodule(name)
        unpacked = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        assert 0.05 < (unpacked - plain).norm() / plain.norm() < 0.12
        hidden = torch.randn(5, plain.shape[1])
        torch.testing.assert_close(layer(hidden), hidden @ unpacked.T)

    def test_validation_leaves_the_weights_alone(self, tiny_model_path: Path) -> None:
        """bitsandbytes repacks weights in eval mode on some CPUs; train and eval must give the same bits, always."""
        policy = add_lora(load_base(tiny_model_path, Model(path="x/x", quantization="nf4")), Lora(r=4, alpha=8))
        with torch.no_grad():
            before = policy.train()(TOKENS).logits
            validated = policy.eval()(TOKENS).logits
            after = policy.train()(TOKENS).logits
        assert torch.equal(before, validated)
        assert torch.equal(before, after)

    def test_on_the_real_model(self, real_model_path: Path) -> None:
        base = load_base(real_model_path, Model(path="embedded", quantization="nf4"))
        tokenizer = load_tokenizer(real_model_path)
        tokens = torch.tensor([tokenizer("The capital of France is Paris.")["input_ids"]])
        with torch.no_grad():
            reference = base(tokens).logits
        policy = add_lora(base, Lora(r=4, alpha=8, target_modules=["q_proj"])).train()
        output = policy(tokens, labels=tokens)
        assert torch.equal(output.logits.detach(), reference)
        assert output.loss < 5
        output.loss.backward()
        gradients = [weight.grad for weight in policy.parameters() if weight.requires_grad]
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
