"""Generation: the same tokens as one at a time, in the order of the prompts, whatever the batches."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, PreTrainedModel

from summpo.errors import UserError
from summpo.models import Lora, Model
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base
from summpo.writing.decoding import Decoding
from summpo.writing.generation import Generated, cache_bytes, cut_at_end, generate, reads_in_stretches, stretch
from support.random_models import random_model, random_prompts

EOS, PAD = 1, 1
PROMPTS = [[10, 11, 12], [20], [30, 31, 32, 33, 34, 35, 36], [40, 41], [20, 21, 22, 23]]


@pytest.fixture(scope="module")
def model(tiny_model_path: Path) -> PreTrainedModel:
    return load_base(tiny_model_path, Model(path=str(tiny_model_path))).eval()  # type: ignore[return-value]


def written(model: PreTrainedModel, decoding: Decoding, end_ids: Sequence[int] = (EOS,)) -> list[Generated]:
    return generate(model, PROMPTS, decoding, end_ids=end_ids, pad_id=PAD)


def likeliest(model: PreTrainedModel, prompt: list[int], n: int) -> list[int]:
    """n tokens, each the likeliest after all before it, without a cache or a neighbour."""
    ids = list(prompt)
    for _ in range(n):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_greedy_is_the_likeliest_token_each_time_in_the_order_of_the_prompts(
    model: PreTrainedModel, batch_size: int
) -> None:
    generated = written(model, Decoding(max_new_tokens=8, batch_size=batch_size))
    for prompt, one in zip(PROMPTS, generated, strict=True):
        assert one == cut_at_end(likeliest(model, prompt, 8), [EOS])


def test_stops_at_eos(model: PreTrainedModel) -> None:
    """Whatever a prompt's third token would be is declared EOS: two tokens are left, and it ended by itself."""
    expected = likeliest(model, PROMPTS[0], 8)
    third = next(token for token in expected if expected.index(token) >= 2)
    generated = written(model, Decoding(max_new_tokens=8), end_ids=[third])
    assert generated[0] == Generated(expected[: expected.index(third)], end=third)
    assert all(third not in one.ids and (one.ended or len(one.ids) == 8) for one in generated)


def test_a_batch_is_told_with_the_positions_of_its_prompts(model: PreTrainedModel) -> None:
    told: list[tuple[list[int], list[Generated]]] = []
    decoding = Decoding(max_new_tokens=4, batch_size=2)
    generated = generate(
        model, PROMPTS, decoding, end_ids=[EOS], pad_id=PAD, on_batch=lambda *batch: told.append(batch)
    )
    assert [positions for positions, _ in told] == [[2, 4], [0, 3], [1]], "longest first, so that lengths are alike"
    assert {i: one for positions, ones in told for i, one in zip(positions, ones, strict=True)} == dict(
        enumerate(generated)
    )


def test_sampling_follows_the_seed(model: PreTrainedModel) -> None:
    decoding = Decoding(max_new_tokens=16, temperature=1.0)
    samples = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        samples.append(written(model, decoding))
    assert samples[0] == samples[1] != samples[2]


def test_a_tiny_nucleus_is_greedy(model: PreTrainedModel) -> None:
    nucleus = written(model, Decoding(max_new_tokens=8, temperature=1.0, top_p=1e-6))
    assert nucleus == written(model, Decoding(max_new_tokens=8))


@pytest.mark.parametrize("decoding", [Decoding(max_new_tokens=8), Decoding(max_new_tokens=8, temperature=1.0)])
@pytest.mark.parametrize("wrapped", [False, True], ids=["base", "adapter"])
def test_the_defaults_that_a_model_came_with_do_not_count(
    tiny_model_path: Path, model: PreTrainedModel, decoding: Decoding, wrapped: bool
) -> None:
    """Qwen2-Instruct brings a repetition penalty, others a top_k, a shortest length or beams."""
    base = load_base(tiny_model_path, Model(path=str(tiny_model_path)))
    its_own = GenerationConfig(
        repetition_penalty=5.0, no_repeat_ngram_size=1, min_new_tokens=8, num_beams=2, top_k=1, suppress_tokens=[222]
    )
    base.generation_config = its_own
    policy: Any = add_lora(base, Lora(r=2, alpha=2)) if wrapped else base
    samples = []
    for writer in (policy, model):
        torch.manual_seed(0)
        samples.append(written(writer, decoding))
    assert samples[0] == samples[1]
    assert base.generation_config is its_own
    assert policy.generation_config is its_own


@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_model_as_it_came(model: PreTrainedModel, training: bool) -> None:
    model.train(training)
    written(model, Decoding(max_new_tokens=2))
    assert model.training is training
    with pytest.raises(ZeroDivisionError):
        generate(model, PROMPTS, Decoding(max_new_tokens=1), end_ids=[EOS], pad_id=PAD, on_batch=lambda *_: 1 // 0)  # type: ignore[arg-type]
    assert model.training is training
    model.eval()


def test_no_prompts(model: PreTrainedModel) -> None:
    assert generate(model, [], Decoding(), end_ids=[EOS], pad_id=PAD) == []


@pytest.mark.parametrize(
    ("ids", "kept", "end"),
    [
        ([3, 4, EOS, 5, EOS], [3, 4], EOS),
        ([3, 7, 5, EOS], [3], 7),
        ([EOS], [], EOS),
        ([3, 4], [3, 4], None),
        ([], [], None),
    ],
)
def test_cut_at_end(ids: list[int], kept: list[int], end: int | None) -> None:
    assert cut_at_end(ids, [EOS, 7]) == Generated(kept, end)
    assert cut_at_end(ids, [EOS, 7]).ended is (end is not None)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens must be >= 1, got 0 (config key generation.max_new_tokens)"),
        ({"temperature": -0.1}, "temperature must be >= 0, got -0.1 (config key generation.temperature)"),
        ({"top_p": 0.0}, "top_p must be > 0 and <= 1, got 0.0 (config key generation.top_p)"),
        ({"top_p": 1.1}, "top_p must be > 0 and <= 1, got 1.1 (config key generation.top_p)"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0 (config key generation.batch_size)"),
        ({"batch_tokens": 0}, "batch_tokens must be >= 1, got 0 (config key generation.batch_tokens)"),
        ({"prefill_tokens": 0}, "prefill_tokens must be >= 1, got 0 (config key generation.prefill_tokens)"),
        (
            {"backend": "llama.cpp"},
            "backend must be one of transformers, vllm, got llama.cpp (config key generation.backend)",
        ),
    ],
)
def test_decoding_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        Decoding(**settings)
    assert str(refusal.value) == sentence


FAMILIES_LEFT_TO_TRANSFORMERS = [
    ("mistral", {"sliding_window": 16}),
    ("gemma2", {"sliding_window": 16}),
    ("phi3", {"sliding_window": None, "eos_token_id": PAD}),
]


@pytest.mark.parametrize(("family", "settings"), FAMILIES_LEFT_TO_TRANSFORMERS)
@pytest.mark.parametrize("prefill_tokens", [14, 100])
def test_transformers_own_way_reads_in_stretches(family: str, settings: dict, prefill_tokens: int) -> None:
    """Prompts of 70, 33 and 2 tokens side by side, padded on the left, 4 and 33 tokens of each at a time."""
    model, prompts = random_model(family, **settings), random_prompts([70, 33, 2])
    assert reads_in_stretches(model)
    widths: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda module, args, inputs: widths.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    whole = generate(model, prompts, Decoding(max_new_tokens=8), end_ids=[299_999], pad_id=PAD)
    assert max(widths) == 70
    widths.clear()
    decoding = Decoding(max_new_tokens=8, prefill_tokens=prefill_tokens)
    assert generate(model, prompts, decoding, end_ids=[299_999], pad_id=PAD) == whole
    hook.remove()
    assert max(widths) == prefill_tokens // 3


def test_read_whole_where_stretches_may_read_otherwise() -> None:
    """Angles that change with what was read, states that are no keys and values."""
    dynamic = {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}}
    assert reads_in_stretches(random_model("llama"))
    assert not reads_in_stretches(random_model("llama", **dynamic))
    assert not reads_in_stretches(
        random_model("qwen3_next", num_experts=2, num_experts_per_tok=1, moe_intermediate_size=8)
    )


def test_stretch_by_hand() -> None:
    """Two prompts of at most 8 tokens: 6 tokens a forward are 3 of each, 16 are all, 1 is one of each all the same."""
    prompts = [[0] * 8, [0] * 3]
    found = [stretch(prompts, Decoding(prefill_tokens=tokens)) for tokens in (6, 15, 16, 1)]
    assert found == [3, 7, None, 1]


def test_bytes_of_the_cache_by_hand(model: PreTrainedModel) -> None:
    """2 (keys, values) x 2 layers x 2 heads x 16 numbers x 4 bytes = 512 a token."""
    assert cache_bytes(model, 10) == 5120


def test_a_batch_keeps_to_its_tokens(model: PreTrainedModel) -> None:
    """Prompts of 7, 4, 3, 2 and 1 tokens and 4 to write: 16 tokens hold the first alone, 8 + 8, and 6 + 6."""
    told: list[list[int]] = []
    decoding = Decoding(max_new_tokens=4, batch_tokens=16)
    generated = generate(
        model, PROMPTS, decoding, end_ids=[EOS], pad_id=PAD, on_batch=lambda positions, ones: told.append(positions)
    )
    assert told == [[2], [4, 0], [3, 1]]
    assert generated == written(model, Decoding(max_new_tokens=4))
