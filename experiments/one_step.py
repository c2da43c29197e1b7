"""One step of MODPO with a length penalty, from summaries to the loss and the step, without Hydra and Lightning.

    python experiments/one_step.py [MODEL] [W]

MODEL is a Hub id, a folder, or embedded (SmolLM2-135M-Instruct, the default); W is what a token weighs, in nats.
What a training run goes through, in its order: rows, tokens, frozen columns, batch, loss, step.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from summpo.margin_rewards import completions_of
from summpo.margin_rewards.length import Length
from summpo.models import Lora, Model
from summpo.models.forward.layouts import share_prefixes
from summpo.models.forward.scoring import score_completions
from summpo.models.weights.adapters import add_lora
from summpo.models.weights.loading import load_base, load_tokenizer
from summpo.models.weights.sources import resolve
from summpo.objectives.modpo import MODPO
from summpo.records import FrozenColumns
from summpo.row_kinds import Moment, kind_of
from summpo.text.encoding import count_tokens
from summpo.text.prompts import Prompt
from summpo.text.rows import PairRow
from summpo.text.tokens import Limits, tokenize

DOCUMENT = (
    "We study how summaries of papers get longer when models learn from the choices of readers. Readers choose the "
    "longer of two summaries seven times in ten. A penalty on the length of the chosen summary takes this back."
)
ROWS = [
    PairRow(id="longer", document=DOCUMENT, chosen="Readers choose long summaries; a penalty on length undoes what "
            "models learn from that.", rejected="A penalty on length."),
    PairRow(id="shorter", document=DOCUMENT, chosen="Readers like length; a penalty undoes it.",
            rejected="The paper is about summaries, about readers, and about models that learn from what they say."),
]  # fmt: skip


def step(path: str, w: float, cache: Path, learning_rate: float = 1e-3) -> dict[str, list[float]]:
    """Trains for one step.

    Args:
        path: the model, as `model.path` names it.
        w: nats a token of the length penalty; >= 0.
        cache: where a model that has to be converted is kept.

    Returns:
        The loss of each pair before and after the step, what it has to be before it, and the margins, in tokens.
    """
    torch.manual_seed(0)

    # the model: a folder of weights, its tokenizer, the frozen base, and an adapter on it, which is the policy
    model = Model(path=path)
    folder = resolve(model, cache)
    tokenizer, base = load_tokenizer(folder), load_base(folder, model)

    # text rows to token rows: prompt and completions apart, every completion with its end
    tokens = tokenize(ROWS, tokenizer, Prompt(), Limits(max_length=512)).rows

    # frozen column one: the reference's log-probs of each completion token, while the base is still plain
    with torch.inference_mode():
        reference = score_completions(base, tokens, batch_size=8, layout=share_prefixes, autocast=None, progress=False)

    # frozen column two: the margin reward of each completion (minus its tokens), chosen less rejected
    completions = replace(completions_of(ROWS), count_tokens=lambda texts: count_tokens(texts, tokenizer))
    rewards = np.array(Length().rewards(completions), np.float32).reshape(len(ROWS), 2)
    margins = rewards[:, 0] - rewards[:, 1]

    # one batch of both pairs: their document is read once, and both completions of both stand behind it
    kind = kind_of(MODPO(beta=0.1))
    columns = FrozenColumns(tokens, reference, margins[:, None])
    rows = np.arange(len(ROWS))
    batch = kind.batch(columns, rows, np.full(len(rows), 1 / len(rows)), share_prefixes)

    # the loss of each pair: -log sigmoid(beta * D - w * m), with D = 0 before the first step (arXiv 2310.03708, eq. 11)
    policy = add_lora(base, Lora(r=8, alpha=16.0))
    optimizer = torch.optim.AdamW([p for p in policy.parameters() if p.requires_grad], lr=learning_rate)
    moment, weights = Moment(draw=(0,), carried=torch.zeros(2)), torch.tensor([w])
    before = kind.measure(policy, batch, weights, moment)
    (before.values["loss"] * before.share).sum().backward()
    optimizer.step()
    with torch.no_grad():
        after = kind.measure(policy, batch, weights, moment)

    return {
        "margin": margins.tolist(),
        "expected": [math.log1p(math.exp(w * margin)) for margin in margins.tolist()],
        "before": before.values["loss"].tolist(),
        "after": after.values["loss"].tolist(),
    }


def main(arguments: list[str]) -> None:
    """Prints a line a pair."""
    path = arguments[0] if arguments else "embedded"
    w = float(arguments[1]) if len(arguments) > 1 else 0.1
    found = step(path, w, Path("~/.cache/summpo").expanduser())
    print("pair      margin  log(1+exp(w*m))  loss before  loss after the step")
    for row, margin, expected, before, after in zip(ROWS, *found.values(), strict=True):
        print(f"{row.id:<8} {margin:7.0f}  {expected:15.4f}  {before:11.4f}  {after:19.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
