"""The published summary data sets: rows in the schema of each, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from summpo.datasets import PairDataset, SummaryDataset
from summpo.datasets.cnn_dailymail import CNNDailyMail
from summpo.datasets.tldr import TLDR
from summpo.datasets.xsum import XSum
from summpo.errors import UserError


def write(folder: Path, **files: list[dict[str, Any]]) -> str:
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(folder)


def test_tldr_has_ready_prompts_in_either_schema(tmp_path: Path) -> None:
    prompt = "SUBREDDIT: r/cats\n\nPOST: My cat sat.\n\nTL;DR:"
    rows = [{"prompt": prompt, "label": " Cat sat."}, {"prompt": prompt, "completion": " It sat."}]
    data = TLDR(path=write(tmp_path, train=rows[:1], valid=rows[1:]))
    (first,), (second,) = data.summaries("train"), data.summaries("validation")
    assert (first.prompt, first.document, first.summary, first.references) == (
        prompt,
        prompt,
        "Cat sat.",
        ("Cat sat.",),
    )
    assert second.summary == "It sat."


@pytest.mark.parametrize(
    ("made", "document", "summary"), [(CNNDailyMail, "article", "highlights"), (XSum, "document", "summary")]
)
def test_news(made: Callable[..., Any], document: str, summary: str, tmp_path: Path) -> None:
    rows = [{"id": "x", document: "News.", summary: "Short."}, {"id": None, document: "More.", summary: "S."}]
    first, second = made(path=write(tmp_path, test=[*rows])).summaries("test")
    assert (first.id, first.document, first.summary, first.references) == ("x", "News.", "Short.", ("Short.",))
    assert second.id.startswith("text-") and second.document == "More."
    with pytest.raises(UserError, match=f"line 1: column {summary} is missing"):
        made(path=write(tmp_path, test=[{"id": "x", document: "News."}])).summaries("test")


@pytest.mark.parametrize("made", [TLDR, CNNDailyMail, XSum], ids=lambda made: made.__name__)
def test_is_a_data_set_of_summaries_with_guards(made: Callable[..., Any]) -> None:
    assert isinstance(made(), SummaryDataset) and not isinstance(made(), PairDataset)
    for wrong, words in (({"limit": 0}, "limit must be"), ({"path": " "}, "path must be")):
        with pytest.raises(UserError, match=words):
            made(**wrong)
