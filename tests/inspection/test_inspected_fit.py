"""What becomes of rows over a limit, against what tokenizing under each rule makes of them."""

from dataclasses import replace
from pathlib import Path

from summpo.inspection.fit import UNLIMITED, fit
from summpo.models.weights.loading import load_tokenizer
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits, tokenize
from support.inspected import pair


def test_fit_by_hand_against_the_rules_themselves(tiny_model_path: Path) -> None:
    """Every rule's counts are those of tokenizing under it."""
    tokenizer = load_tokenizer(tiny_model_path)
    rows = [
        pair("word " * n, "short", "a somewhat longer summary " * k, prompt=prompt)  # type: ignore[arg-type]
        for n, k, prompt in [(2, 1, None), (60, 1, None), (90, 2, None), (3, 9, None), (3, 1, "ready " * 80)]
    ] + [pair("d", "same", "same"), pair("d", " ", "x")]
    limits = Limits(max_length=120, too_long="error", empty="drop")
    full = tokenize(rows, tokenizer, Prompt(), UNLIMITED)
    found = fit(rows, full, limits, Prompt(), tokenizer)
    assert found.unusable == {"empty_completion": 1, "identical_pair": 1}
    assert (found.rows, found.over, found.cut, found.too_long) == (7, 4, 2, "error")
    for rule, kept in found.rules.items():
        counted = tokenize(rows, tokenizer, Prompt(), replace(limits, too_long=rule)).counts
        assert kept["kept"] == counted["kept"], rule
        assert kept["cut"] == counted.get("truncated_document", 0), rule
        over = counted.get("dropped_too_long", 0) + counted.get("dropped_no_room_for_document", 0)
        assert kept["dropped"] == over, rule
    prompts, (chosen, rejected) = full.rows.prompts, full.rows.completions
    totals = [len(prompts[n]) + max(len(chosen[n]), len(rejected[n])) for n in range(5)]
    assert found.total["max"] == max(totals)
    assert found.over == sum(total > limits.max_length for total in totals)
    at_limit = fit(rows, full, replace(limits, max_length=max(totals)), Prompt(), tokenizer)
    below = fit(rows, full, replace(limits, max_length=max(totals) - 1), Prompt(), tokenizer)
    assert (at_limit.over, below.over) == (0, 1), "a row of max_length tokens fits"
