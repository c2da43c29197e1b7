"""The `comparisons` schema: rows made by hand for every quirk, and the real rows where they are at hand."""

import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from summpo.datasets import SPLITS, PairDataset, Split, SummaryDataset
from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback, majority_verdicts
from summpo.errors import UserError
from summpo.text.rows import PairRow

REAL = Path(os.environ.get("SUMMPO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "tldr_comparisons"
HELD_OUT: tuple[Split, Split] = ("validation", "test")


def comparison(
    post: str | None, left: str = "left", right: str = "right", choice: int = 0, **info: Any
) -> dict[str, Any]:
    nulls = {"id": None, "title": None, "subreddit": None, "site": None, "article": None}
    return {
        "info": {**nulls, "post": post, **info},
        "summaries": [{"text": left, "policy": "p", "note": None}, {"text": right, "policy": "q", "note": None}],
        "choice": choice,
        "worker": "w",
        "batch": "b",
        "split": "train",
        "extra": {"confidence": None},
    }


def folder(path: Path, train: list[dict[str, Any]], validation: list[dict[str, Any]] | None = None) -> str:
    for name, rows in (("train", train), ("validation", validation)):
        if rows is not None:
            (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_pairs(tmp_path: Path) -> None:
    path = folder(
        tmp_path,
        [
            comparison("a post", " worse", " better", choice=1, id="t3_x", title="a title", subreddit="r"),
            comparison(None, id="cnn-1", article="an article", site="cnn"),
            comparison("a post without id", "same", "same"),
            comparison("a post without id", "", "filled"),
        ],
    )
    (tmp_path / "original_example.jsonl").write_text("not a split\n")
    dataset = SummarizeFromFeedback(path=path)
    pairs = dataset.pairs("train")
    assert pairs[0] == PairRow("t3_x#1", "a post", chosen=" better", rejected=" worse", source="r")
    assert pairs[1] == PairRow("cnn-1#2", "an article", chosen="left", rejected="right", source="cnn")
    assert pairs[2].source is None
    assert [(pair.chosen, pair.rejected) for pair in pairs[2:]] == [("same", "same"), ("", "filled")]
    assert pairs[2].id.endswith("#3") and pairs[2].id[:-2] == pairs[3].id[:-2]
    assert isinstance(dataset, PairDataset)
    assert isinstance(dataset, SummaryDataset)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"info": {"post": None, "article": None}},
            "columns info.post and info.article are both missing or null",
        ),
        ({"info": None}, "columns info.post and info.article are both missing or null"),
        ({"info": {"post": 5}}, "column info.post must be text, got 5"),
        ({"info": {"post": "p", "id": [1]}}, "column info.id must be text, got [1]"),
        ({"summaries": None}, "column summaries must be a list of two, got None"),
        ({"summaries": [{"text": "a"}]}, "column summaries must be a list of two, got [{'text': 'a'}]"),
        ({"summaries": [{"text": "a"}, {"text": 1}]}, "column summaries.1.text must be text, got 1"),
        ({"summaries": [{}, {"text": "b"}]}, "column summaries.0.text is missing or null"),
        ({"choice": 2}, "column choice must be 0 or 1, got 2"),
        ({"choice": -1}, "column choice must be 0 or 1, got -1"),
        ({"choice": None}, "column choice must be 0 or 1, got None"),
        ({"choice": "1"}, "column choice must be 0 or 1, got '1'"),
        ({"choice": True}, "column choice must be 0 or 1, got True"),
    ],
)
def test_faults(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    path = folder(tmp_path, [comparison("p"), {**comparison("p"), **change}])
    with pytest.raises(UserError) as caught:
        SummarizeFromFeedback(path=path).pairs("train")
    assert str(caught.value) == f"{tmp_path / 'train.jsonl'}, line 2: {sentence}"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"path": None}, "path must be a file or a folder of rows, or a Hub id (owner/name), got None"),
        ({"majority": "yes"}, "majority must be one of True, False, got yes"),
        ({"sft_on": "rejected"}, "sft_on must be one of chosen, both, got rejected"),
        ({"seed": "a"}, "seed must be a whole number, got 'a'"),
        ({"limit": -1}, "limit must be null or a whole number >= 1, got -1"),
    ],
)
def test_guards(fields: dict[str, Any], sentence: str) -> None:
    [key] = fields
    with pytest.raises(UserError) as caught:
        SummarizeFromFeedback(**fields)
    assert str(caught.value) == f"{sentence} (config key dataset.{key})"


def test_a_folder_without_validation_file(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"has no file validation\.jsonl for the split validation; it has train\.jsonl$"
    ):
        SummarizeFromFeedback(path=folder(tmp_path, [comparison("p")])).pairs("test")


def test_majority(tmp_path: Path) -> None:
    verdicts = [("a", "b"), ("b", "a"), ("b", "a"), ("a", "c"), ("c", "a"), ("d", "d"), ("d", "d")]
    pairs = [PairRow(str(number), "doc", *texts) for number, texts in enumerate(verdicts)]
    assert majority_verdicts(pairs) == [pairs[1], pairs[5]]
    other = [PairRow("other", "another doc", "a", "b")]
    assert majority_verdicts(pairs[1:3] + other) == [pairs[1], *other]  # verdicts on another document do not count

    rows = [comparison("doc", "a", "b", 0), comparison("doc", "b", "a", 0), comparison("doc", "a", "b", 1)]
    path = folder(tmp_path, rows)
    assert [(pair.chosen, pair.id[-2:]) for pair in SummarizeFromFeedback(path=path, majority=True).pairs("train")] == [
        ("b", "#2")
    ]
    assert [row.references for row in SummarizeFromFeedback(path=path, majority=True).summaries("train")] == [("b",)]
    assert [row.references for row in SummarizeFromFeedback(path=path).summaries("train")] == [("b", "a")] * 2


def test_summaries_chosen_or_both(tmp_path: Path) -> None:
    path = folder(
        tmp_path, [comparison("p", "a", "b", id="1"), comparison("p", "c", "a", id="1"), comparison("p", "a", "b")]
    )
    chosen = SummarizeFromFeedback(path=path).summaries("train")
    assert [(row.id, row.summary) for row in chosen] == [("1#1", "a"), ("1#2", "c")]
    both = SummarizeFromFeedback(path=path, sft_on="both").summaries("train")
    assert [(row.id, row.summary) for row in both] == [("1#1", "a"), ("1#1/rejected", "b"), ("1#2", "c")]
    assert {row.references for row in chosen + both} == {("a", "c")}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 3)), min_size=1), st.integers(0, 5))
def test_no_document_is_on_both_sides(rows: list[tuple[str, int | None]], seed: int) -> None:
    with TemporaryDirectory() as name:
        validation = [comparison(post, str(row), "other", id=number) for row, (post, number) in enumerate(rows)]
        dataset = SummarizeFromFeedback(path=folder(Path(name), [], validation), seed=seed)
        halves = [dataset.pairs(split) for split in HELD_OUT]
    assert not {pair.document for pair in halves[0]} & {pair.document for pair in halves[1]}
    assert sorted(int(pair.id.rpartition("#")[2]) for part in halves for pair in part) == list(range(1, len(rows) + 1))


def test_posts_with_one_id_stay_together(tmp_path: Path) -> None:
    validation = [
        comparison(f"post {number}, edit {edit}", id=f"t{number}") for edit in range(2) for number in range(9)
    ]
    dataset = SummarizeFromFeedback(path=folder(tmp_path, [], validation))
    posts = [{pair.id.partition("#")[0] for pair in dataset.pairs(split)} for split in HELD_OUT]
    assert not posts[0] & posts[1]
    assert sorted(map(len, posts)) == [4, 5]
    other = SummarizeFromFeedback(path=str(tmp_path), seed=1)
    assert other.pairs("test") != dataset.pairs("test")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real comparisons at {REAL} (set SUMMPO_TEST_DATA)")
class TestRealRows:
    dataset = SummarizeFromFeedback(path=str(REAL))

    def test_splits(self) -> None:
        pairs = {split: self.dataset.pairs(split) for split in SPLITS}
        assert len(pairs["train"]) == 2880
        assert len(pairs["validation"]) + len(pairs["test"]) == 285
        documents = [{pair.document for pair in part} for part in pairs.values()]
        assert [len(part) for part in documents] == [314, 14, 14]
        assert len(set.union(*documents)) == 342
        assert all(len({pair.id for pair in part}) == len(part) for part in pairs.values())
        assert all(pair.document != "None" for part in pairs.values() for pair in part)
        assert Counter(pair.source for pair in pairs["train"]) == {
            "dailymail": 916,
            "cnn": 883,
            "bbc": 669,
            "news": 412,
        }

    def test_majority_leaves_one_verdict_a_pair(self) -> None:
        verdicts: dict[Any, set[str]] = defaultdict(set)
        for pair in SummarizeFromFeedback(path=str(REAL), majority=True).pairs("train"):
            key = pair.document, frozenset((pair.chosen, pair.rejected))
            assert key not in verdicts
            verdicts[key].add(pair.chosen)
        assert len(verdicts) == 1648  # of 1,696 distinct pairs, 48 are ties

    def test_summaries(self) -> None:
        rows = self.dataset.summaries("test")
        assert len({(row.document, row.summary) for row in rows}) == len({row.id for row in rows}) == len(rows)
        assert all(row.summary in row.references for row in rows)
        assert self.dataset.summaries("test") == rows

    def test_the_row_that_the_authors_print(self, tmp_path: Path) -> None:
        (tmp_path / "train.jsonl").write_bytes((REAL / "original_example.jsonl").read_bytes())
        [pair] = SummarizeFromFeedback(path=str(tmp_path)).pairs("train")
        assert pair.id == "t3_2vwp1w#1"
        assert pair.document.startswith("I had a car accident on friday")
        assert pair.chosen.startswith(" we suspect other party")
