"""How near a step comes to its matrix products: those that it cannot do without, timed alone in this process.

Counted for a batch of shared prefixes under LoRA: each distinct token through each frozen linear layer, forward and for
the gradient of its inputs; LoRA's A and B forward, and the gradients of both and through both; the products of scores
and of values in attention, two forward and four backward, of causal pairs of positions alone; the head on completion
positions, forward and for its gradient. Nothing else is counted: no norm, no activation function, no softmax, no
optimizer, no recomputation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch

from clock import Clock
from pairs import Shape, random_pairs
from sides import SUMMPO, Setting, Summpo, make_side, with_reference
from summpo.records import PairBatch, PromptGroup, SharedPrefix
from table import Row


@dataclass(frozen=True)
class Product:
    """[batch, m, k] times [batch, k, n]; a transposed operand lies in memory as its transpose does."""

    m: int
    k: int
    n: int
    batch: int = 1
    transposed: str = ""
    """Of a, b: "" for a b, "b" for a b^T (a linear layer), "a" for a^T b (a weight's gradient)."""

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.m * self.k * self.n


def products(policy: Any, batch: PairBatch) -> dict[Product, float]:
    """How often a step needs each matrix product; a causal one counts by the share of it that is seen."""
    counts: Counter[Product] = Counter()
    tokens = batch.input_ids.numel()
    layers = policy.get_base_model().model.layers
    for number, layer in enumerate(layers):
        for name, linear in layer.named_modules():
            if isinstance(linear, torch.nn.Linear) and "lora_" not in name:
                into, out = linear.in_features, linear.out_features
                reads_embeddings = number == 0 and name.split(".")[1] in ("q_proj", "k_proj", "v_proj")
                counts += linear_products(tokens, into, out, not reads_embeddings)
                if name.endswith("base_layer"):
                    rank = layer.get_submodule(name.removesuffix(".base_layer")).r["default"]
                    counts += adapter_products(tokens, into, out, rank, not reads_embeddings)
    assert isinstance(batch.layout, SharedPrefix)
    config = policy.config
    size = config.hidden_size // config.num_attention_heads
    found: dict[Product, float] = dict(counts)
    for product, share in attention_products(batch.layout.groups, config.num_attention_heads, size):
        found[product] = found.get(product, 0) + share * len(layers)
    head = policy.get_output_embeddings().weight
    for product in linear_products(len(batch.targets), head.shape[1], head.shape[0], True):
        found[product] = found.get(product, 0) + 1
    return found


def linear_products(tokens: int, into: int, out: int, passes_back: bool) -> Counter[Product]:
    """A frozen linear layer: x W^T, and g W where its inputs take gradients."""
    back = [Product(tokens, out, into)] if passes_back else []
    return Counter([Product(tokens, into, out, transposed="b"), *back])


def adapter_products(tokens: int, into: int, out: int, rank: int, passes_back: bool) -> Counter[Product]:
    """LoRA beside a linear layer: h = x A^T, h B^T; g^T h, g B; (gB)^T x, (gB) A where x takes gradients."""
    a = [Product(tokens, into, rank, transposed="b"), Product(rank, tokens, into, transposed="a")]
    b = [
        Product(tokens, rank, out, transposed="b"),
        Product(out, tokens, rank, transposed="a"),
        Product(tokens, out, rank),
    ]
    return Counter([*a, *b, *([Product(tokens, rank, into)] if passes_back else [])])


def attention_products(groups: Sequence[PromptGroup], heads: int, size: int) -> list[tuple[Product, float]]:
    """Of one layer: each product, and what share of it is not masked.

    Forward q k^T and p v; backward g v^T, p^T g, s k, s^T q, with s the gradient of the scores.
    """
    found = []
    for group in groups:
        stretches = [(group.prompt + group.completions[0],) * 2]
        stretches += [(length, group.prompt + length) for length in group.completions[1:]]
        for queries, keys in stretches:
            share = 1 - (queries - 1) / (2 * keys)
            to_scores = Product(queries, size, keys, heads, "b")
            from_scores = Product(queries, keys, size, heads)
            to_keys = Product(keys, queries, size, heads, "a")
            found += [(each, 2 * share) for each in (to_scores, from_scores, to_keys)]
    return found


def seconds_of(product: Product, dtype: torch.dtype, clock: Clock) -> float:
    """What one product takes, alone."""
    first, second = (product.m, product.k), (product.k, product.n)
    if product.transposed == "a":
        first = first[::-1]
    if product.transposed == "b":
        second = second[::-1]
    lead = (product.batch,) if product.batch > 1 else ()
    a, b = (torch.randn(*lead, *shape, device=clock.device, dtype=dtype) for shape in (first, second))
    a = a.mT if product.transposed == "a" else a
    b = b.mT if product.transposed == "b" else b
    multiply = torch.mm if product.batch == 1 else torch.bmm
    return clock.seconds(lambda: multiply(a, b))


def rows(shape: Shape, setting: Setting, repeats: int) -> list[Row]:
    """The share of the bound, measured with step and products in turn."""
    side = make_side(SUMMPO, setting)
    assert isinstance(side, Summpo)
    columns = with_reference(side, random_pairs(shape, vocabulary=49_000))
    batch = side.batch(columns, np.arange(shape.pairs))
    needed, clock, dtype = products(side.policy, batch), Clock(setting.device), setting.autocast or torch.float32
    side.step(batch)
    steps, sums = [], []
    for _ in range(repeats + 1):
        steps.append(clock.seconds(lambda: side.step(batch)))
        sums.append(sum(count * seconds_of(product, dtype, clock) for product, count in needed.items()))
    step, alone = median(steps[1:]), median(sums[1:])
    flops = sum(count * product.flops for product, count in needed.items())
    print(f"bound: {flops / 1e9:.0f} GFLOP a step, {flops / alone / 1e9:.0f} GFLOP/s alone")
    what = f"share of the FLOP bound, step {shape}, {str(dtype).removeprefix('torch.')}"
    against = f"its matrix products alone, {flops / 1e9:.0f} GFLOP"
    goal = "90%" if setting.device == "cpu" else "85%"
    return [Row(what, against, f"{alone:.3f} {clock.unit}", f"{step:.3f} {clock.unit}", f"{alone / step:.0%}", goal)]
