"""How near a step comes to what its arithmetic allows, in two ways.

Against FLOPs: shared prefixes save a share of the FLOPs of the same pairs in padded rows; a step that spends nothing
else more would be as many times sooner as it has fewer FLOPs. The share of that is what the prefix-sharing paper
(2410.20305) gives, too. Against the machine: the step's matrix products, timed alone in this process, with operands
that lie in its caches. What is between is the streaming of weights and everything that is no matrix product.

Counted for a batch under LoRA: each distinct token through each frozen linear layer, forward and for
the gradient of its inputs; LoRA's A and B forward, and the gradients of both and through both; the products of scores
and of values in attention, two forward and four backward, of causal pairs of positions alone; the head on completion
positions, forward and for its gradient. Nothing else is counted: no norm, no activation function, no softmax, no
optimizer, no recomputation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from clock import Clock, medians
from pairs import Shape, random_pairs
from setting import Setting, dtype_name
from sides import COMPACT, make_sides
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
    config = policy.config
    size = config.hidden_size // config.num_attention_heads
    found: dict[Product, float] = dict(counts)
    for product, share in attention_products(groups_of(batch), config.num_attention_heads, size):
        found[product] = found.get(product, 0) + share * len(layers)
    head = policy.get_output_embeddings().weight
    for product in linear_products(len(batch.targets), head.shape[1], head.shape[0], True):
        found[product] = found.get(product, 0) + 1
    return found


def groups_of(batch: PairBatch) -> Sequence[PromptGroup]:
    """What is attended to together: of a padded row all of it, for so it is computed."""
    if isinstance(batch.layout, SharedPrefix):
        return batch.layout.groups
    sequences, width = batch.input_ids.shape
    return [PromptGroup(0, (width,))] * sequences


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


def flops_of(needed: Mapping[Product, float]) -> float:
    """FLOPs of a step."""
    return sum(count * product.flops for product, count in needed.items())


def rows(shape: Shape, setting: Setting, repeats: int) -> list[Row]:
    """Both shares: the steps and the products are measured in turn."""
    side, sides = make_sides([COMPACT], setting)
    columns = side.with_reference(random_pairs(shape, setting.base.vocabulary))
    batch, padded = side.batch(columns, np.arange(shape.pairs)), side.padded(columns, np.arange(shape.pairs))
    theirs = sides[COMPACT].batch(columns, np.arange(shape.pairs))
    needed, more, dtype = products(side.policy, batch), products(side.policy, padded), setting.autocast or torch.float32
    clock = Clock(setting.device)

    def alone() -> float:
        return sum(count * seconds_of(product, dtype, clock) for product, count in needed.items())

    steps: dict[str, list[float]] = {"shared": [], "padded": [], "compact": [], "alone": []}
    for _ in range(repeats + 1):
        steps["shared"].append(clock.seconds(lambda: side.step(batch)))
        steps["padded"].append(clock.seconds(lambda: side.step(padded)))
        steps["compact"].append(clock.seconds(lambda: sides[COMPACT].step(theirs)))
        steps["alone"].append(alone())
    seconds = medians({name: values[1:] for name, values in steps.items()})
    fewer = flops_of(more) / flops_of(needed)
    giga = f"{flops_of(needed) / 1e9:.0f} GFLOP"
    what = f"{shape}, {dtype_name(dtype)}"
    goal = "90%" if setting.device == "cpu" else "85%"
    step = f"{seconds['shared']:.3f} {clock.unit}"
    saved = [
        Row(
            f"share of what the saved FLOPs allow, step {what}",
            f"{against}, {flops_of(more) / 1e9:.0f} GFLOP against {giga}: {fewer:.2f}x",
            f"{seconds[name]:.3f} {clock.unit}",
            step,
            f"{seconds[name] / seconds['shared'] / fewer:.0%}",
            goal,
        )
        for name, against in (("padded", "summpo, padded rows"), ("compact", COMPACT))
    ]
    products_alone = Row(
        f"matrix products alone, step {what}",
        f"{giga} at {flops_of(needed) / seconds['alone'] / 1e9:.0f} GFLOP/s, operands in the cache",
        f"{seconds['alone']:.3f} {clock.unit}",
        step,
        f"{seconds['alone'] / seconds['shared']:.0%}",
        "",
    )
    return [*saved, products_alone]
