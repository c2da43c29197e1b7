"""Writing on the CPU: the tokens of transformers' own `generate`, for each family that is not left to it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel, StaticCache
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from summpo.models import Lora, Model
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base, load_tokenizer
from summpo.writing.decoding import Decoding
from summpo.writing.generation import Generated, cut_at_end, generate, plain_generate
from summpo.writing.on_cpu import (
    TOKENS_READ_AT_ONCE,
    complete,
    is_proven_model,
    keep,
    left_pad,
    next_logits,
    pick,
    prefill,
    read_together,
)
from support.random_models import PAD, SIZES, random_model, random_prompts

PROMPTS = random_prompts([90, 70, 70, 33, 9, 2, 1])


def by_transformers(
    model: PreTrainedModel, prompts: list[list[int]], max_new_tokens: int, eos_id: int
) -> list[Generated]:
    """What plain `generate` writes, one prompt at a time."""
    config = GenerationConfig(max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=eos_id, pad_token_id=PAD)
    return [cut_at_end(plain_generate(model, [prompt], config)[0], [eos_id]) for prompt in prompts]


def frequent(completions: list[Generated]) -> int:
    """A token that ends several of the completions at several places, and not all of them."""
    places = {
        token: Counter(one.ids.index(token) for one in completions if token in one.ids)
        for one in completions
        for token in one.ids
    }
    several = {token: at for token, at in places.items() if len(at) > 1 and at.total() < len(completions)}
    return max(several, key=lambda token: (several[token].total(), token))


FAMILIES = ["llama", "mistral", "qwen2", "qwen3", "olmo2", "granite"]
ATTENTIONS = [
    *((family, "sdpa") for family in FAMILIES),
    *(
        pytest.param(family, "eager", marks=[pytest.mark.storm] if family not in ("llama", "qwen3") else [])
        for family in FAMILIES
    ),
]
"""The masks are made by the attention, whatever the family: two families with the eager one, and all in the storm."""


@pytest.mark.parametrize(("family", "attention"), ATTENTIONS)
def test_greedy_is_plain_generate_though_rows_leave(family: str, attention: str) -> None:
    settings = {"sliding_window": None} if family == "mistral" else {}
    model = random_model(family, **settings)
    model.set_attn_implementation(attention)
    assert is_proven_model(model)
    never = 299_999
    endless = by_transformers(model, PROMPTS, 24, never)
    assert generate(model, PROMPTS, Decoding(max_new_tokens=24), end_ids=[never], pad_id=PAD) == endless
    eos_id = frequent(endless)
    expected = by_transformers(model, PROMPTS, 24, eos_id)
    assert 0 < sum(one.ended for one in expected) < len(PROMPTS)
    assert len({len(one.ids) for one in expected}) > 2
    for batch_size in (3, 32):
        decoding = Decoding(max_new_tokens=24, batch_size=batch_size)
        assert generate(model, PROMPTS, decoding, end_ids=[eos_id], pad_id=PAD) == expected
    assert model.config._attn_implementation == attention


def test_a_row_that_has_ended_is_not_computed() -> None:
    """Each step's rows are the completions that had not ended before it."""
    model = random_model("llama")
    eos_id = frequent(by_transformers(model, PROMPTS, 24, 299_999))
    steps: list[int] = []

    def note(module: Any, args: Any, inputs: dict[str, Any]) -> None:
        if inputs["input_ids"].shape[1] == 1:
            steps.append(inputs["input_ids"].shape[0])

    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    written = generate(model, PROMPTS[:-1], Decoding(max_new_tokens=24), end_ids=[eos_id], pad_id=PAD)
    hook.remove()
    assert steps == [sum(len(one.ids) >= step for one in written) for step in range(1, 24)]
    assert len(set(steps)) > 2


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("mistral", {"sliding_window": 16}),
        ("gemma2", {"sliding_window": 16}),
        ("phi3", {"sliding_window": None, "eos_token_id": PAD}),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}}),
    ],
)
def test_what_is_not_proven_is_left_to_transformers(family: str, settings: dict[str, Any]) -> None:
    """Windows are cut from the cache, dynamic angles depend on the longest row, Phi-3 prepares its inputs itself."""
    model = random_model(family, **settings)
    assert not is_proven_model(model)
    written = generate(model, PROMPTS, Decoding(max_new_tokens=6), end_ids=[299_999], pad_id=PAD)
    assert written == by_transformers(model, PROMPTS, 6, 299_999)


def test_no_attention_mask_no_positions_no_proof() -> None:
    bloom = AutoModelForCausalLM.from_config(
        CONFIG_MAPPING["bloom"](vocab_size=300, hidden_size=32, n_layer=1, n_head=2)
    )
    assert not is_proven_model(bloom), "it takes no position_ids"


@pytest.mark.parametrize("quantization", [None, "nf4"])
def test_an_adapter_in_the_middle_of_training(tmp_path: Path, quantization: Any) -> None:
    """On a base as it is or in 4 bits, with dropout and gradient checkpointing on."""
    random_model("llama").save_pretrained(tmp_path)
    base = load_base(tmp_path, Model(path=str(tmp_path), quantization=quantization))
    policy: Any = add_lora(base, Lora(r=2, alpha=8, dropout=0.5))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    before = generate(base, PROMPTS, Decoding(max_new_tokens=8), end_ids=[299_999], pad_id=PAD)
    policy.gradient_checkpointing_enable()
    policy.train()
    assert is_proven_model(policy)
    written = generate(policy, PROMPTS, Decoding(max_new_tokens=8), end_ids=[299_999], pad_id=PAD)
    assert policy.training
    policy.eval()
    assert written == by_transformers(policy, PROMPTS, 8, 299_999)
    with policy.disable_adapter():
        assert written != by_transformers(policy, PROMPTS, 8, 299_999), "the adapter counts"
    assert before == written, "the adapter lies inside the base"
    loss = policy.train()(input_ids=torch.tensor(PROMPTS[:1]), labels=torch.tensor(PROMPTS[:1])).loss
    loss.backward()
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in policy.parameters())


def test_real_summaries_are_those_of_plain_generate(real_model_path: Path, shared_data: Path) -> None:
    """The embedded model on three abstracts, padded together by transformers, apart here."""
    model = load_base(real_model_path, Model(path="embedded")).eval()
    tokenizer = load_tokenizer(real_model_path)
    lines = (shared_data / "scitldr" / "validation.jsonl").read_text(encoding="utf-8").splitlines()
    documents = sorted((json.loads(line)["document"] for line in lines[:20]), key=len)[:3]
    prompts = [tokenizer(f"{text}\n\nTL;DR:\n")["input_ids"] for text in documents]
    assert len({len(prompt) for prompt in prompts}) == 3
    config = GenerationConfig(max_new_tokens=10, do_sample=False, eos_token_id=2, pad_token_id=2)
    expected = [cut_at_end(ids, [2]) for ids in plain_generate(model, prompts, config)]
    assert is_proven_model(model)
    assert generate(model, prompts, Decoding(max_new_tokens=10), end_ids=[2], pad_id=2) == expected


@pytest.mark.storm
def test_a_real_long_document_read_in_stretches(real_model_path: Path, shared_data: Path) -> None:
    """The embedded model on a document of 4,300 tokens: the same tokens, whatever is read at a time."""
    model = load_base(real_model_path, Model(path="embedded")).eval()
    tokenizer = load_tokenizer(real_model_path)
    lines = (shared_data / "long_documents" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    document = min((json.loads(line)["document"] for line in lines), key=len)
    prompt = tokenizer(f"{document}\n\nTL;DR:\n")["input_ids"]
    assert len(prompt) > 4000
    written = [
        generate(model, [prompt], Decoding(max_new_tokens=16, prefill_tokens=tokens), end_ids=[2], pad_id=2)
        for tokens in (100_000, 2048, 512)
    ]
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.0, 0.6), (2.0, 0.9)])
def test_samples_follow_the_distribution(temperature: float, top_p: float) -> None:
    """Pearson's chi-square of the second token of 4,000 samples, whose law is summed over the first."""
    model, draws = random_model("llama", initializer_range=0.1), 4_000
    prompt = PROMPTS[3]
    with torch.inference_mode():
        first = nucleus(model(torch.tensor([prompt])).logits[0, -1], temperature, top_p)
        after = model(torch.tensor([[*prompt, token] for token in range(300)])).logits[:, -1]
    law = sum(p * nucleus(row, temperature, top_p) for p, row in zip(first, after, strict=True))
    torch.manual_seed(0)
    decoding = Decoding(max_new_tokens=2, temperature=temperature, top_p=top_p, batch_size=draws)
    with torch.inference_mode():
        written = complete(model, [prompt] * draws, decoding, end_ids=[299_999], pad_id=PAD)
    seen = torch.bincount(torch.tensor([ids[1] for ids in written]), minlength=300).double()
    expected = law * draws
    assert seen[expected == 0].sum() == 0
    often = expected >= 5
    cells = torch.stack([torch.cat([x[often], x[~often].sum()[None]]) for x in (seen, expected)])
    cells = cells[:, cells[1] > 0]
    freedom = cells.shape[1] - 1
    assert freedom > 3
    chi_square = ((cells[0] - cells[1]) ** 2 / cells[1]).sum()
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5


def nucleus(logits: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """float64 [token]: the likeliest tokens whose mass reaches top_p, by their share of it; the rest 0."""
    chances = (logits.double() / temperature).softmax(-1)
    ordered, tokens = chances.sort(descending=True)
    kept = ordered.cumsum(0) - ordered < top_p
    law = torch.zeros_like(chances)
    law[tokens[kept]] = ordered[kept]
    return law / law.sum()


def test_a_prompt_among_others_several_times_is_read_once() -> None:
    model = random_model("llama")
    widths: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda module, args, inputs: widths.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    prompts = [PROMPTS[0], PROMPTS[1], PROMPTS[0], PROMPTS[1], PROMPTS[5]]
    written = generate(model, prompts, Decoding(max_new_tokens=1), end_ids=[299_999], pad_id=PAD)
    hook.remove()
    assert widths == [3 * 90]
    assert written == by_transformers(model, prompts, 1, 299_999)


def test_reads_in_groups_what_one_forward_would_read() -> None:
    """Prompts too long for one group: the cache and the logits are those of all of them padded together."""
    model = random_model("llama")
    prompts = random_prompts([300, 280, 250, 120, 100, 90, 4])
    assert len(list(read_together(prompts, TOKENS_READ_AT_ONCE))) > 2
    cache = StaticCache(config=model.config, max_cache_len=310)
    ids, mask = left_pad(prompts, PAD)
    together = StaticCache(config=model.config, max_cache_len=310)
    with torch.inference_mode():
        logits = prefill(model, prompts, cache, PAD, 2048)
        expected = next_logits(model, ids, mask, (mask.cumsum(1) - 1).clamp(min=0), together)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    for layer, other in zip(cache.layers, together.layers, strict=True):
        real = mask.bool()[:, None, :, None].expand_as(layer.keys[:, :, :300])
        torch.testing.assert_close(layer.keys[:, :, :300][real], other.keys[:, :, :300][real], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(layer.values[:, :, :300][real], other.values[:, :, :300][real], rtol=1e-4, atol=1e-4)
    assert int(cache.get_seq_length()) == int(together.get_seq_length()) == 300


@given(st.lists(st.integers(1, 700), max_size=40), st.integers(1, 600))
def test_groups_are_all_the_prompts_in_order_and_no_larger_than_allowed(lengths: list[int], most: int) -> None:
    prompts = [[0] * n for n in sorted(lengths, reverse=True)]
    groups = list(read_together(prompts, most))
    assert [prompt for group in groups for prompt in group] == prompts
    assert all(len(group) == 1 or len(group) * len(group[0]) <= most for group in groups)


@pytest.mark.parametrize("at_once", [1, 7, 64, 299])
def test_a_prompt_read_in_stretches_is_the_prompt_read_whole(at_once: int) -> None:
    """The cache and the logits of prompts of 300 tokens and fewer; no forward is over `at_once` but that of a row."""
    model, prompts = random_model("llama"), random_prompts([300, 280, 90, 4])
    forwards: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda module, args, inputs: forwards.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    caches = [StaticCache(config=model.config, max_cache_len=310) for _ in range(2)]
    with torch.inference_mode():
        whole = prefill(model, prompts, caches[0], PAD, 100_000)
        forwards.clear()
        stretched = prefill(model, prompts, caches[1], PAD, at_once)
    hook.remove()
    assert max(forwards) == at_once
    torch.testing.assert_close(stretched, whole, rtol=1e-4, atol=1e-4)
    _, mask = left_pad(prompts, PAD)
    for one, other in zip(caches[0].layers, caches[1].layers, strict=True):
        real = mask.bool()[:, None, :, None].expand_as(one.keys[:, :, :300])
        torch.testing.assert_close(one.keys[:, :, :300][real], other.keys[:, :, :300][real], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(one.values[:, :, :300][real], other.values[:, :, :300][real], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prefill_tokens", [5, 40, 100_000])
def test_stretches_change_no_summary(prefill_tokens: int) -> None:
    model = random_model("llama")
    decoding = Decoding(max_new_tokens=12, prefill_tokens=prefill_tokens)
    written = generate(model, PROMPTS, decoding, end_ids=[299_999], pad_id=PAD)
    assert written == by_transformers(model, PROMPTS, 12, 299_999)


@given(st.lists(st.booleans(), min_size=1, max_size=12).filter(any))
def test_rows_that_go_on_keep_their_keys(goes_on: list[bool]) -> None:
    """Row i holds i everywhere: each row that goes on is there once, and rows left where they were did not move."""
    config = CONFIG_MAPPING["llama"](**SIZES)
    cache = StaticCache(config=config, max_cache_len=3)
    numbers = torch.arange(float(len(goes_on)))[:, None, None, None].expand(-1, 2, 3, 16)
    for layer in cache.layers:
        layer.update(numbers, -numbers)
    rows = keep(torch.tensor(goes_on), cache)
    assert sorted(rows.tolist()) == [row for row, stays in enumerate(goes_on) if stays]
    assert all(row == place for place, row in enumerate(rows.tolist()) if goes_on[place])
    for layer in cache.layers:
        assert torch.equal(layer.keys, numbers[rows])
        assert torch.equal(layer.values, -numbers[rows])


def test_pick_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
    assert pick(logits, Decoding()).tolist() == [1, 0]
    assert pick(logits, Decoding(temperature=1.0, top_p=0.1)).tolist() == [1, 0]


def test_left_pad_by_hand() -> None:
    ids, mask = left_pad([[5, 6, 7], [8]], 9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]
