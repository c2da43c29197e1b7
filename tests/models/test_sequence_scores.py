"""A reward model's scores from rows that share their prompts, against transformers' own of each sequence alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

import summpo.models.forward.shared_prefix  # noqa: F401  (registers the attention)
from summpo.models import Lora
from summpo.models.forward.families import FAMILIES, SHARED_PREFIX
from summpo.models.forward.layouts import pad, share_prefixes
from summpo.models.forward.sequence_scores import sequence_scores
from summpo.models.weights.adapters import add_lora
from summpo.records import Batch
from support.families import SETTINGS, VOCABULARY

EOS, OTHER = 1, 0
RNG = np.random.default_rng(0)
PROMPTS = [RNG.integers(2, VOCABULARY, length) for length in (19, 7, 1)]


def completion(length: int) -> np.ndarray:
    return np.append(RNG.integers(2, VOCABULARY, length - 1), EOS)


SAME = completion(6)
SEQUENCES = [
    (PROMPTS[0], SAME),
    (PROMPTS[1], completion(4)),
    (PROMPTS[2], completion(5)),
    (PROMPTS[0], completion(9)),
    (PROMPTS[0], SAME),  # once more: computed once
    (PROMPTS[1], completion(1)),  # nothing but EOS
]


def scorer(family: str, attention: str, pad_id: int, adapted: bool) -> Any:
    """A tiny random classifier: the same weights each time."""
    ends = {"bos_token_id": 0, "eos_token_id": EOS, "pad_token_id": pad_id}
    config = AutoConfig.for_model(family, vocab_size=VOCABULARY, num_labels=1, **ends, **SETTINGS[family])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention).eval()
        if adapted:
            model = add_lora(model, Lora(r=4, alpha=8, target_modules="all-linear"))
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(weight, std=0.1)
    return model.eval()


def batch(shared: bool, pad_id: int) -> Batch:
    fields = share_prefixes(SEQUENCES) if shared else pad(SEQUENCES, pad_id)
    return Batch(row_ids=(), share=torch.ones(len(SEQUENCES)), **fields)


def gradients(model: Any, scores: torch.Tensor) -> dict[str, torch.Tensor]:
    (scores * torch.linspace(-1, 1, len(scores))).sum().backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("pad_id", [EOS, OTHER], ids=["pads with EOS", "pads with another"])
@pytest.mark.parametrize("adapted", [True, False], ids=["adapter", "all weights"])
@pytest.mark.parametrize("family", FAMILIES)
def test_shared_rows_score_as_sequences_alone(family: str, adapted: bool, pad_id: int) -> None:
    plain, model = (scorer(family, attention, pad_id, adapted) for attention in ("eager", SHARED_PREFIX))
    alone = torch.cat([
        plain(input_ids=torch.tensor(np.concatenate(sequence))[None]).logits.flatten() for sequence in SEQUENCES
    ])  # fmt: skip
    shared = sequence_scores(model, batch(True, pad_id))
    assert alone.std() > 1e-3, "the scores tell the sequences apart"
    assert (shared - alone).abs().max() < 1e-6
    assert (sequence_scores(model, batch(False, pad_id)) - alone).abs().max() < 1e-6
    mine, expected = gradients(model, shared), gradients(plain, alone)
    assert mine.keys() == expected.keys()
    assert len(mine) > 2
    for name, gradient in expected.items():
        assert (mine[name] - gradient).norm() <= 1e-5 * gradient.norm() + 1e-6, name


@pytest.mark.parametrize("shared", [True, False])
def test_autocast_rounds_no_score(shared: bool) -> None:
    """The layers round; the head, and so the score, does not."""
    model = scorer("llama", SHARED_PREFIX, OTHER, adapted=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = sequence_scores(model, batch(shared, OTHER))
    assert scores.dtype == torch.float32
    assert not torch.equal(scores, scores.bfloat16().float())


def test_a_row_is_refused_where_completions_would_lose_their_prompt() -> None:
    with pytest.raises(ValueError, match="does not know shared prompts"):
        sequence_scores(scorer("llama", "sdpa", OTHER, adapted=False), batch(True, OTHER))
