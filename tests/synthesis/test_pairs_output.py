"""The files of a data set of pairs: split by document for good, read back as they were, by us and by others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import datasets
from summpo.datasets import SPLITS
from summpo.datasets.jsonl import Jsonl
from summpo.errors import UserError
from summpo.margin_rewards import columns_of
from summpo.margin_rewards.score import Score
from summpo.synthesis.output import FORMATS, Format, SplitShares, rejected_row, row_of, split_pairs, write_splits
from summpo.teacher.records import Answer
from summpo.text.documents import Document, Rejected
from support.judged import pair_of, pairs_of

names = st.text(min_size=1).filter(lambda name: name.isprintable())


class TestSplits:
    @given(st.lists(names, unique=True), st.lists(names, unique=True), st.integers(0, 3))
    def test_more_documents_move_no_other(self, some: list[str], more: list[str], seed: int) -> None:
        shares = SplitShares(0.3, 0.3, seed)
        before = {
            pair.document.id: split for split, part in split_pairs(map(pair_of, some), shares).items() for pair in part
        }
        everything = [*some, *(name for name in more if name not in some)]
        after = {
            pair.document.id: split
            for split, part in split_pairs(map(pair_of, everything), shares).items()
            for pair in part
        }
        assert before.items() <= after.items()
        assert set(after) == set(everything)

    def test_shares_are_those_of_many(self) -> None:
        """Of 20,000 documents 10% are 2,000, give or take four standard deviations of 42."""
        parts = split_pairs(pairs_of(20_000), SplitShares(0.1, 0.2))
        assert abs(len(parts["validation"]) - 2000) < 170
        assert abs(len(parts["test"]) - 4000) < 4 * 57

    def test_a_larger_share_only_adds(self) -> None:
        def held_out(share: float) -> set[str]:
            return {
                pair.document.id for pair in split_pairs(pairs_of(500), SplitShares(share, 0)).get("validation", [])
            }

        assert held_out(0) == set()
        assert held_out(0.1) < held_out(0.3)

    def test_parts_of_a_document_stay_together(self) -> None:
        shares = SplitShares(0.3, 0.3)
        for n in range(50):
            assert len({shares.split_of(f"book-{n}#{part}") for part in range(8)} | {shares.split_of(f"book-{n}")}) == 1
        assert len({shares.split_of(f"#{n}") for n in range(50)}) == 3

    def test_another_seed_is_another_cut(self) -> None:
        cuts = [[SplitShares(0.3, 0.3, seed).split_of(str(n)) for n in range(50)] for seed in (0, 1)]
        assert cuts[0] != cuts[1]

    @pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (-0.1, 0), (0, 1.5)])
    def test_shares_that_leave_nothing_are_one_sentence(self, validation: float, test: float) -> None:
        with pytest.raises(UserError, match=r"\(config key splits\.(validation|test)\)"):
            SplitShares(validation, test)


@pytest.mark.parametrize("form", FORMATS)
class TestFiles:
    def test_are_read_back_by_dataset_jsonl(self, tmp_path: Path, form: Format) -> None:
        parts = split_pairs(pairs_of(40), SplitShares(0.2, 0.2))
        assert set(parts) == set(SPLITS)
        files = write_splits(tmp_path, parts, form)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{split}.{form}" for split in SPLITS)
        for split, pairs in parts.items():
            assert files[split].is_file()
            rows = Jsonl(path=str(tmp_path), validation_fraction=0.0).pairs(split)
            assert [
                (row.id, row.document, row.chosen, row.rejected, row.score_chosen, row.score_rejected, row.source)
                for row in rows
            ] == [
                (pair.document.id, pair.document.text, pair.chosen, pair.rejected, 16.0, 12.5, "towns")
                for pair in pairs
            ]
            assert [row.summary for row in Jsonl(path=str(tmp_path), validation_fraction=0.0).summaries(split)] == [
                pair.chosen for pair in pairs
            ]

    def test_have_scores_for_the_margin_reward(self, tmp_path: Path, form: Format) -> None:
        write_splits(tmp_path, {"train": pairs_of(3)}, form)
        completions = columns_of(Jsonl(path=str(tmp_path), validation_fraction=0.0).pairs("train"))
        assert Score().rewards(completions) == [16, 12.5] * 3
        Score(form="log").check_columns(completions)

    def test_are_read_by_the_datasets_library(self, tmp_path: Path, form: Format) -> None:
        parts = split_pairs(pairs_of(40), SplitShares(0.2, 0.2))
        write_splits(tmp_path, parts, form)
        (tmp_path / "rejected.jsonl").write_text('{"id": "x"}\n')
        (tmp_path / "synthesize.json").write_text("{}\n")
        loaded = datasets.load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))
        assert isinstance(loaded, datasets.DatasetDict)
        assert {split: part.to_list() for split, part in loaded.items()} == {
            split: [row_of(pair) for pair in pairs] for split, pairs in parts.items()
        }

    def test_take_the_place_of_earlier_ones(self, tmp_path: Path, form: Format) -> None:
        """Also of those in the other form, and of a split that has no pair any more."""
        for earlier in FORMATS:
            write_splits(tmp_path, split_pairs(pairs_of(40), SplitShares(0.2, 0.2)), earlier)
        write_splits(tmp_path, {"train": pairs_of(2)}, form)
        assert [path.name for path in tmp_path.iterdir()] == [f"train.{form}"]
        assert len(Jsonl(path=str(tmp_path), validation_fraction=0.0).pairs("train")) == 2

    def test_half_a_surrogate_pair_spoils_no_file(self, tmp_path: Path, form: Format) -> None:
        odd = replace(pair_of("a"), chosen="closed \ud83d here", document=Document("a", "towns", "x\udc00\ud83d\ude00"))
        write_splits(tmp_path, {"train": [odd]}, form)
        (row,) = Jsonl(path=str(tmp_path), validation_fraction=0.0).pairs("train")
        assert (row.chosen, row.document) == ("closed \ufffd here", "x\ufffd\U0001f600")


def test_what_is_rejected_keeps_every_answer_as_it_was() -> None:
    raw = "**Summary 1:** half \ud83d\r\n\u2028"
    row = rejected_row(
        "a", "towns", "parsed", Rejected("missing_part", "summary 2"), {"write": Answer(raw, "stop", "m", 7, 8)}
    )
    assert row == {
        "id": "a",
        "source": "towns",
        "stage": "parsed",
        "reason": "missing_part",
        "detail": "summary 2",
        "answers": {
            "write": {
                "text": raw,
                "finish_reason": "stop",
                "model": "m",
                "prompt_tokens": 7,
                "completion_tokens": 8,
                "thoughts": "",
                "prompt_is_counted": True,
                "completion_is_counted": True,
            }
        },
    }


def test_rejected_rows_are_lines_that_come_back(tmp_path: Path) -> None:
    from summpo.synthesis.output import jsonl

    rows = [{"text": "half \ud83d, a line \u2028 end"}, {"text": "é"}]
    path = tmp_path / "rejected.jsonl"
    path.write_text(jsonl(rows), "utf-8")
    assert [json.loads(line) for line in path.read_bytes().split(b"\n") if line] == rows
