"""Shared prefixes and the frozen head against each sequence alone, every token's logits written out: all families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from summpo.models import Lora
from summpo.models.forward.families import FAMILIES, SHARED_PREFIX
from summpo.models.forward.layouts import pad, share_prefixes
from summpo.models.forward.log_probs import completion_log_probs, has_frozen_head
from summpo.models.forward.shared_prefix import why_not
from summpo.models.speed.activation_checkpointing import recompute_activations, start_recomputing
from summpo.models.weights.adapters import add_lora
from summpo.records import Batch, SharedPrefix
from support.families import SETTINGS, VOCABULARY, tiny

RNG = np.random.default_rng(0)


def ids(length: int) -> np.ndarray:
    return RNG.integers(2, VOCABULARY, length)


PROMPTS = [ids(19), ids(7), ids(1)]
SAME = ids(6)
SEQUENCES = [
    (PROMPTS[0], SAME),
    (PROMPTS[1], ids(4)),
    (PROMPTS[2], ids(5)),
    (PROMPTS[0], ids(9)),
    (PROMPTS[0], SAME),  # once more: computed once
    (PROMPTS[1], ids(1)),
]


def with_adapter(model: Any) -> Any:
    return doing_something(lambda: add_lora(model, Lora(r=4, alpha=8)))


def doing_something(make: Callable[[], Any]) -> Any:
    """The adapter, not as fresh as it would be: the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        policy = make()
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(weight, std=0.1)
    return policy.eval()


def alone(model: Any, prompt: np.ndarray, completion: np.ndarray) -> Tensor:
    """log p of each completion token, from the logits of every position of this sequence alone."""
    whole = torch.tensor([*prompt.tolist(), *completion.tolist()])
    log_probs = model(input_ids=whole[None]).logits[0].float().log_softmax(dim=-1)
    places = torch.arange(len(prompt), len(whole))
    return log_probs[places - 1, whole[places]]


def batch_of(sequences: list[tuple[np.ndarray, np.ndarray]], shared: bool = True) -> Batch:
    fields = share_prefixes(sequences) if shared else pad(sequences, 1)
    return Batch(row_ids=(), share=torch.ones(len(sequences)), **fields)


def gradients(model: Any, log_probs: Tensor) -> dict[str, Tensor]:
    """Of a sum in which every token counts differently."""
    model.zero_grad()
    (log_probs * torch.linspace(-1, 1, len(log_probs))).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same_gradients(mine: dict[str, Tensor], plain: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert mine.keys() == plain.keys()
    assert len(mine) > 0
    for name, gradient in plain.items():
        # a key's bias moves all scores of a query alike: its gradient is 0 but for rounding
        assert (mine[name] - gradient).norm() <= tolerance * gradient.norm() + 1e-6, name
    assert sum(gradient.norm() > 1e-2 for gradient in plain.values()) > len(plain) / 2


def test_every_family_has_a_model_here() -> None:
    assert set(SETTINGS) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shared", [True, False])
def test_a_batch_is_its_sequences_apart(family: str, shared: bool) -> None:
    policy = with_adapter(tiny(family, SHARED_PREFIX))
    assert has_frozen_head(policy)
    plain = with_adapter(tiny(family, "eager"))
    expected = torch.cat([alone(plain, *sequence) for sequence in SEQUENCES])
    found = completion_log_probs(policy, batch_of(SEQUENCES, shared))
    assert found.lengths.tolist() == [len(completion) for _, completion in SEQUENCES]
    assert (found.tokens - expected).abs().max() < 1e-5
    assert_same_gradients(gradients(policy, found.tokens), gradients(plain, expected))


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_that_all_train(family: str) -> None:
    """The head trains too, tied to the embeddings or not: the plain way over the shared row."""
    policy, plain = tiny(family, SHARED_PREFIX), tiny(family, "eager")
    assert not has_frozen_head(policy)
    expected = torch.cat([alone(plain, *sequence) for sequence in SEQUENCES])
    found = completion_log_probs(policy, batch_of(SEQUENCES))
    assert (found.tokens - expected).abs().max() < 1e-5
    assert_same_gradients(gradients(policy, found.tokens), gradients(plain, expected))


def test_an_adapter_on_the_head() -> None:
    """One that another tool has made: the head's own forward runs."""
    config = LoraConfig(r=4, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM")
    policy = doing_something(lambda: get_peft_model(tiny("llama", SHARED_PREFIX), config))
    plain = doing_something(lambda: get_peft_model(tiny("llama", "eager"), config))
    assert not has_frozen_head(policy)
    expected = torch.cat([alone(plain, *sequence) for sequence in SEQUENCES])
    found = completion_log_probs(policy, batch_of(SEQUENCES)).tokens
    assert (found - expected).abs().max() < 1e-5
    assert_same_gradients(gradients(policy, found), gradients(plain, expected))


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbours_change_nothing(family: str) -> None:
    model = tiny(family, SHARED_PREFIX)
    together = completion_log_probs(model, batch_of(SEQUENCES)).tokens.split([len(c) for _, c in SEQUENCES])
    for sequence, found in zip(SEQUENCES, together, strict=True):
        by_itself = completion_log_probs(model, batch_of([sequence])).tokens
        assert (by_itself - found).abs().max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_bf16_within_its_rounding(family: str) -> None:
    """bfloat16 has 8 bits: a token's log-prob of some nats is off by hundredths, in either layout, and not by more."""
    policy = with_adapter(tiny(family, SHARED_PREFIX))
    exact = completion_log_probs(policy, batch_of(SEQUENCES)).tokens
    with torch.autocast("cpu", torch.bfloat16):
        found = completion_log_probs(policy, batch_of(SEQUENCES)).tokens
        padded = completion_log_probs(policy, batch_of(SEQUENCES, shared=False)).tokens
    assert found.dtype == torch.float32
    off = (padded - exact).abs().max()
    assert off > 0
    assert (found - exact).abs().max() < 3 * off
    gradients(policy, found)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_attention_of_others_is_refused(family: str) -> None:
    """transformers' own would take the row for several documents, or for one: no error, and other numbers."""
    for attention in ("sdpa", "eager"):
        model = tiny(family, attention)
        with pytest.raises(ValueError, match="does not know shared prompts"):
            completion_log_probs(model, batch_of(SEQUENCES))


@pytest.mark.parametrize("attention", ["flash_attention_2", "flash_attention_3", "flex_attention"])
def test_the_attention_of_a_gpu_is_refused(attention: str) -> None:
    """It would take the row for one document, each completion reading those before it. Told by its name: no kernel is here."""
    model = tiny("llama", "sdpa")
    model.config._attn_implementation = attention
    with pytest.raises(ValueError, match="does not know shared prompts"):
        completion_log_probs(model, batch_of(SEQUENCES))


def test_why_it_is_refused() -> None:
    """The trap: under sdpa, without a mask, the second completion does not see its prompt."""
    sequences = [(PROMPTS[0], ids(9)), (PROMPTS[0], ids(9))]
    batch = batch_of(sequences)
    right = completion_log_probs(tiny("llama", SHARED_PREFIX), batch).tokens[9:]
    model = tiny("llama", "sdpa")
    assert isinstance(batch.layout, SharedPrefix)
    logits = model(input_ids=batch.input_ids, position_ids=batch.layout.position_ids).logits[0]
    wrong = logits[batch.predicted_at].log_softmax(dim=-1).gather(1, batch.targets[:, None])[9:, 0]
    assert (wrong - right)[1:].abs().max() > 0.1
    assert right.sum().item() == pytest.approx(alone(model, *sequences[1]).sum().item(), abs=1e-4)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "mamba"}, "mamba is not proven"),
        ({"model_type": "mistral", "sliding_window": 4096}, "slides over 4096 tokens"),
        ({"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": True}, "slides over 4096"),
        ({"model_type": "mistral"}, "slides over 4096 tokens"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "slides over 4096 tokens"),
        (
            {"model_type": "qwen3", "layer_types": ["full_attention", "sliding_attention"], "sliding_window": 4096},
            "slides over 4096",
        ),
        ({"model_type": "llama", "layer_types": ["full_attention", "linear_attention"]}, "linear_attention"),
        ({"model_type": "llama", "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "dynamic"),
        ({"model_type": "llama", "rope_parameters": {"rope_type": "longrope"}}, "longrope"),
    ],
)
def test_what_is_not_proven_is_not_guessed(config: dict[str, Any], reason: str) -> None:
    assert reason in (why_not(config, max_length=8192) or "")


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama"},
        {"model_type": "mistral", "sliding_window": 8192},
        {"model_type": "mistral", "sliding_window": None},
        {"model_type": "qwen2", "sliding_window": 4096, "use_sliding_window": False},
        {"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
    ],
)
def test_what_is_proven(config: dict[str, Any]) -> None:
    assert why_not(config, max_length=8192) is None


def test_code_in_the_folder_is_not_taken_for_its_family() -> None:
    """A class of one's own under a family's name caps its logits: neither its row nor its head is guessed at."""
    config = {"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "modeling.Capped"}}
    assert "brings code of its own" in (why_not(config, 64, may_run_code=True) or "")
    assert why_not(config, 64, may_run_code=False) is None, "transformers' own class is loaded"
    plain = tiny("llama", "eager")
    plain.requires_grad_(False)
    assert has_frozen_head(plain)
    plain.__class__ = type("Capped", (type(plain),), {"forward": capped, "__module__": "transformers_modules.modeling"})
    assert not has_frozen_head(plain)
    expected = torch.cat([alone(plain, *sequence) for sequence in SEQUENCES])
    assert (completion_log_probs(plain, batch_of(SEQUENCES, shared=False)).tokens - expected).abs().max() < 1e-5


def capped(self: Any, *args: Any, **inputs: Any) -> Any:
    """Llama's forward, with soft-capped logits."""
    found = type(self).__bases__[0].forward(self, *args, **inputs)
    found.logits = 2 * torch.tanh(found.logits / 2)
    return found


def test_a_window_slides_without_a_mask_too() -> None:
    """40 tokens under a window of 8, as whoever calls the model by itself has them: transformers' own logits."""
    whole = torch.from_numpy(ids(40))[None]
    slides = {"sliding_window": 8}
    expected = tiny("mistral", "sdpa", **slides)(input_ids=whole).logits
    found = tiny("mistral", SHARED_PREFIX, **slides)(input_ids=whole).logits
    assert (found - expected).abs().max() < 1e-5
    assert (found - tiny("mistral", SHARED_PREFIX)(input_ids=whole).logits).abs().max() > 0.1


@pytest.mark.parametrize("family", ["mistral", "qwen2", "qwen3"])
def test_a_window_that_no_sequence_reaches_makes_no_mask_of_the_row(family: str) -> None:
    """28 tokens at most, a window of 28, a row of 52: its square is made nowhere, and all is as without a window."""
    slides = {"sliding_window": 28, "use_sliding_window": True, "max_window_layers": 0}
    model, batch = tiny(family, SHARED_PREFIX, **slides), batch_of(SEQUENCES)
    assert why_not(model.config.to_dict(), max_length=28) is None
    masks: list[Any] = []
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.register_forward_pre_hook(lambda _, args, inputs: masks.append(inputs), with_kwargs=True)
    found = completion_log_probs(model, batch).tokens
    assert [inputs["attention_mask"].numel() for inputs in masks] == [1, 1]
    assert batch.input_ids.shape[1] == 52
    plain = tiny(family, "eager", **slides)
    expected = torch.cat([alone(plain, *sequence) for sequence in SEQUENCES])
    assert (found - expected).abs().max() < 1e-5


@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize("family", FAMILIES)
def test_recomputed_activations_change_nothing(family: str) -> None:
    """Under every kind of dropout that the base has: it stays off."""
    batch = batch_of(SEQUENCES)
    plain = with_adapter(tiny(family, SHARED_PREFIX))
    expected = gradients(plain, completion_log_probs(plain, batch).tokens)
    model = tiny(family, SHARED_PREFIX)
    recompute_activations(model, True)
    policy = with_adapter(model)
    runs: list[int] = []
    layers = [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    for layer in layers:
        next(layer.children()).register_forward_pre_hook(lambda *_: runs.append(1))
    start_recomputing(policy)
    found = completion_log_probs(policy, batch).tokens
    once = sum(runs)
    assert_same_gradients(gradients(policy, found), expected, tolerance=1e-6)
    assert sum(runs) == 2 * once, "each layer ran once more in the backward pass"
    recompute_activations(model, False)
    assert not any(layer.gradient_checkpointing for layer in layers)
