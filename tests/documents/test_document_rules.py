"""The verdicts on a document, at their bounds, and what rules refuse."""

import re
from typing import Any

import pytest

from summpo.documents.rules import TEST, TRAIN, Contamination, DocumentRules, NearDuplicates, SplitRules
from summpo.errors import UserError
from summpo.text.documents import Document, Rejected


def verdict(rules: SplitRules, text: str, source: str = "arxiv") -> str | None:
    found = rules.before_counting(Document("a", source, text))
    return found and found.reason


def test_characters_are_within_their_bounds() -> None:
    rules = SplitRules(min_characters=3, max_characters=5)
    assert [verdict(rules, "x" * n) for n in (2, 3, 5, 6)] == ["too_few_characters", None, None, "too_many_characters"]
    assert rules.before_counting(Document("a", "s", "xx")) == Rejected("too_few_characters", "2 characters, at least 3")


def test_characters_are_unicodes_and_not_bytes() -> None:
    assert verdict(SplitRules(max_characters=3), "日本語") is None


def test_tokens_are_within_their_bounds() -> None:
    reasons = [found and found.reason for found in (TRAIN.by_tokens(n, n) for n in (899, 900, 1800, 1801))]
    assert reasons == ["too_few_tokens", None, None, "too_many_tokens"]
    assert TEST.by_tokens(1, 32_000) is None
    assert TEST.by_tokens(1, 32_001) == Rejected("too_many_teacher_tokens", "32001 tokens, at most 32000")
    assert TRAIN.by_tokens(5000, 5000, is_exact=False) == Rejected(
        "too_many_tokens", "5000 tokens in its beginning, at most 1800"
    )


def test_the_defaults_are_the_seeds() -> None:
    rules = DocumentRules()
    assert (rules.train.min_tokens, rules.train.max_tokens) == (900, 1800)
    assert (rules.test.min_characters, rules.test.max_characters) == (16_000, 100_000)


def test_a_blank_text_is_empty_whatever_else() -> None:
    assert verdict(SplitRules(min_characters=10, quotas={"wiki": 1}), " \n ") == "empty"


def test_sources_without_a_quota_are_left_out_where_there_are_quotas() -> None:
    rules = SplitRules(quotas={"arxiv": 5, "wiki": None})
    assert [verdict(rules, "x", source) for source in ("arxiv", "wiki", "pep")] == [None, None, "source_not_in_quotas"]
    assert verdict(SplitRules(quotas={}), "x", "pep") is None


@pytest.mark.parametrize(
    ("made", "wrong", "sentence"),
    [
        (SplitRules, {"min_tokens": 0}, "min_tokens must be >= 1, got 0"),
        (SplitRules, {"min_tokens": 5, "max_tokens": 4}, "max_tokens must be at least min_tokens, 5, got 4"),
        (SplitRules, {"quotas": {"arxiv": 0}}, "arxiv must be >= 1, got 0 (config key quotas.arxiv)"),
        (NearDuplicates, {"bands": 0}, "bands must be >= 1, got 0"),
        (Contamination, {"max_share": 1.5}, "max_share must be >= 0 and <= 1, got 1.5"),
        (DocumentRules, {"faulty_rows": "skip"}, "faulty_rows must be one of error, drop, got skip"),
        (DocumentRules, {"seed": 0.5}, "seed must be a whole number, got 0.5"),
    ],
)
def test_what_rules_refuse(made: type, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        made(**wrong)
