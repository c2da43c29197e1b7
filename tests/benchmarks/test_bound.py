"""The FLOPs of a step: which products there are, and how much of each is seen."""

import pytest

from bound import Product, adapter_products, attention_products, flops_of, linear_products
from summpo.records import PromptGroup


def test_a_linear_layer_is_multiplied_by_its_inputs_and_by_the_gradient_of_its_outputs() -> None:
    """5 tokens, 3 in, 4 out: 2 * 5 * 3 * 4 = 120 forward, and the same back where the inputs take gradients."""
    assert flops_of(linear_products(5, 3, 4, passes_back=False)) == 120
    assert flops_of(linear_products(5, 3, 4, passes_back=True)) == 240


def test_an_adapter_of_rank_2() -> None:
    """A: 2 * 5 * 3 * 2 = 60 and B: 2 * 5 * 2 * 4 = 80, each forward, for its gradient and through it: 180 + 240."""
    assert flops_of(adapter_products(5, 3, 4, 2, passes_back=True)) == 420
    assert flops_of(adapter_products(5, 3, 4, 2, passes_back=False)) == 360


def test_attention_counts_the_pairs_of_positions_that_see_each_other() -> None:
    """A prompt of 2 and completions of 1 and 2, one head of size 7.

    [prompt | first] has 1 + 2 + 3 = 6 pairs; the second's two queries see 3 and 4 positions: 7. Six products of each
    (two forward, four back), 2 * 7 FLOPs a pair: 6 * 14 * 13 = 1092.
    """
    found = attention_products([PromptGroup(2, (1, 2))], heads=1, size=7)
    assert sum(share * product.flops for product, share in found) == pytest.approx(1092)


def test_a_batched_product() -> None:
    assert Product(2, 3, 4, batch=5).flops == 2 * 2 * 3 * 4 * 5
