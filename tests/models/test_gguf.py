"""GGUF files are converted once, to the same bits."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFWriter, TokenType
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, LlamaForCausalLM

from summpo.errors import UserError
from summpo.models import Model
from summpo.models.weights import gguf
from summpo.models.weights.gguf import convert
from summpo.models.weights.loading import load_base, load_tokenizer
from summpo.models.weights.sources import embedded_file, resolve

TOKENS = torch.arange(2, 26)[None]
LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


@pytest.fixture(scope="module")
def tiny_gguf(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as llama.cpp's converter would write it, in float32."""
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    model = LlamaForCausalLM.from_pretrained(tiny_model_path)
    config: Any = model.config
    tokenizer = json.loads((tiny_model_path / "tokenizer.json").read_text())
    vocabulary = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    special = {token["content"] for token in tokenizer["added_tokens"]}

    writer = GGUFWriter(str(file), "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in vocabulary])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_pad_token_id(config.eos_token_id)
    weights = {name: weight.numpy() for name, weight in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    for layer in range(config.num_hidden_layers):
        for theirs, ours in LAYER.items():
            weight = weights[f"model.layers.{layer}.{ours}.weight"]
            if theirs in ("attn_q", "attn_k"):  # llama.cpp turns neighbours where Llama turns halves
                heads = config.num_attention_heads
                halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
                weight = halves.swapaxes(1, 2).reshape(weight.shape).copy()
            writer.add_tensor(f"blk.{layer}.{theirs}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_gives_the_model_that_was_written(
    tiny_gguf: Path, tiny_model_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = Model(path=str(tiny_gguf))
    folder = resolve(model, tmp_path)
    assert capfd.readouterr().out == f"converting tiny.gguf to safetensors, once, kept in {folder}\n"
    original = load_base(tiny_model_path, model)
    converted: Any = load_base(folder, model)
    assert torch.equal(converted(TOKENS).logits, original(TOKENS).logits)
    assert converted.get_output_embeddings().weight is converted.get_input_embeddings().weight
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    assert (folder / "generation_config.json").is_file()
    text = "\n\nParagraph:\nA cät, 2023.\n\nTL;DR:\n"
    ours, theirs = load_tokenizer(folder), load_tokenizer(tiny_model_path)
    assert ours(text)["input_ids"] == theirs(text)["input_ids"]
    assert ours.eos_token_id == theirs.eos_token_id

    assert resolve(model, tmp_path) == folder
    assert capfd.readouterr() == ("", "")


def test_named_by_content(tiny_gguf: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(tiny_gguf.read_bytes())
    assert convert(copy, tmp_path) == convert(tiny_gguf, tmp_path)


def test_two_at_once_convert_once(tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = gguf._unpack(tiny_gguf)
    calls = []
    monkeypatch.setattr(gguf, "_unpack", lambda file: calls.append(file) or made)
    folders = []
    threads = [threading.Thread(target=lambda: folders.append(convert(tiny_gguf, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 4
    assert len(set(folders)) == 1
    assert calls == [tiny_gguf]


@pytest.mark.parametrize("size", [4, 100, 20_000])
def test_a_file_cut_short(tiny_gguf: Path, tmp_path: Path, size: int) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(tiny_gguf.read_bytes()[:size])
    with pytest.raises(UserError, match=f"cannot load the GGUF file {file}"):
        resolve(Model(path=str(file)), tmp_path / "cache")
    assert not any(path.is_dir() for path in (tmp_path / "cache" / "models").iterdir())


def test_a_cache_that_cannot_be_written(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        convert(tiny_gguf, tmp_path / "file")


@pytest.mark.storm
def test_the_embedded_model_to_the_same_bits(real_model_path: Path) -> None:
    file = embedded_file()
    text = "\n\nParagraph:\nWe study, in 2023, 3.14 methods.\n\nTL;DR:\n"
    tokenizer = load_tokenizer(real_model_path)
    tokens = torch.tensor([tokenizer(text)["input_ids"]])
    direct = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    converted = load_base(real_model_path, Model(path="embedded"))
    with torch.no_grad():
        assert torch.equal(converted(tokens).logits, direct(tokens).logits)


def test_the_embedded_tokenizer(real_model_path: Path) -> None:
    tokenizer = load_tokenizer(real_model_path)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|im_end|>")
    assert tokenizer.tokenize("\n\n2023 was") == ["ĊĊ", "2", "0", "2", "3", "Ġwas"]
    assert tokenizer.tokenize("TL;DR:\n") == ["TL", ";", "DR", ":", "Ċ"]
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert str(chat).endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert AutoTokenizer.from_pretrained(real_model_path).vocab_size == 49152
