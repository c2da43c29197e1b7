"""What lines of samples.jsonl say of documents that did not fit."""

import pytest

from summpo.writing.samples import LongCounts, long_counts


@pytest.mark.parametrize(
    ("how", "fates", "says"),
    [
        ("truncate", [(0, 1), (0, 1)], ""),
        ("map_reduce", [(0, 1)], ""),
        ("truncate", [(5, 1), (0, 1), (7, 1)], "; 2 did not fit tokens.max_length=64, long_documents=truncate: 12 tokens left out"),
        ("map_reduce", [(0, 3), (0, 1)], "; 1 did not fit tokens.max_length=64, long_documents=map_reduce: summarised in 3 parts"),
        ("map_reduce", [(2, 3), (0, 4)], "; 2 did not fit tokens.max_length=64, long_documents=map_reduce: summarised in 7 parts, 2 tokens left out"),
    ],
)  # fmt: skip
def test_words(how: str, fates: list[tuple[int, int]], says: str) -> None:
    samples = [{"tokens_left_out": left_out, "parts": parts} for left_out, parts in fates]
    assert long_counts(samples, how).words(64) == says


def test_record() -> None:
    counts = LongCounts("truncate", 1, 5, 1)
    assert counts.record() == {"how": "truncate", "documents": 1, "tokens_left_out": 5, "parts": 1}
