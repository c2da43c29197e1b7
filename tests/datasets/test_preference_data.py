"""The published preference data sets: rows in the schema of each, by hand, and real ones where they are at hand."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from summpo.datasets import PairDataset, SummaryDataset
from summpo.datasets.helpsteer import HelpSteer
from summpo.datasets.hh_rlhf import HHRLHF
from summpo.datasets.pku_safe_rlhf import PKUSafeRLHF
from summpo.datasets.shp import SHP
from summpo.datasets.stack_exchange_paired import StackExchangePaired
from summpo.datasets.summarize_from_feedback import SummarizeFromFeedback
from summpo.datasets.ultrafeedback import UltraFeedback
from summpo.errors import UserError
from summpo.text.rows import PairRow


def write(folder: Path, **files: list[dict[str, Any]]) -> str:
    """A folder with one JSONL file a split."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(folder)


def sides(pairs: list[PairRow]) -> list[tuple[str, str, str]]:
    return [(pair.document, pair.chosen, pair.rejected) for pair in pairs]


class TestHHRLHF:
    ASKED = "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nHuman: Bye?\n\nAssistant:"

    def test_the_prompt_is_what_both_transcripts_share(self, tmp_path: Path) -> None:
        rows = [
            {"chosen": self.ASKED + " Goodbye.", "rejected": self.ASKED + " Good riddance."},
            # they part in the first answer, so what follows belongs to the answers
            {"chosen": "\n\nHuman: A\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", "rejected": "\n\nHuman: A\n\nAssistant: e"},
        ]  # fmt: skip
        pairs = HHRLHF(path=write(tmp_path, train=rows)).pairs("train")
        assert sides(pairs) == [
            (self.ASKED, " Goodbye.", " Good riddance."),
            ("\n\nHuman: A\n\nAssistant:", " b\n\nHuman: c\n\nAssistant: d", " e"),
        ]
        assert [pair.prompt for pair in pairs] == [pair.document for pair in pairs], "it is read as it is"

    def test_rows_that_share_no_prompt_are_counted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        odd = {"chosen": "\n\nHuman: A\n\nAssistant: b", "rejected": "\n\nHuman: B\n\nAssistant: c"}
        whole = {"chosen": self.ASKED + " x", "rejected": self.ASKED + " y"}
        assert len(HHRLHF(path=write(tmp_path, train=[odd, whole, odd])).pairs("train")) == 1
        assert "2 of 3 rows are left out: their transcripts share no prompt" in capsys.readouterr().out
        with pytest.raises(UserError, match="all 1 rows are left out"):
            HHRLHF(path=write(tmp_path, train=[odd])).pairs("train")

    def test_rows_with_an_empty_answer_are_counted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rows = [{"chosen": self.ASKED + chosen, "rejected": self.ASKED + rejected}
                for chosen, rejected in ((" x", " y"), (" x", ""), (" ", " y"))]  # fmt: skip
        rows.append({"chosen": "", "rejected": ""})
        assert sides(HHRLHF(path=write(tmp_path, train=rows)).pairs("train")) == [(self.ASKED, " x", " y")]
        said = capsys.readouterr().out
        assert "2 of 4 rows are left out: an answer is empty" in said
        assert "1 of 4 rows are left out: their transcripts share no prompt" in said

    def test_real_rows(self, shared_data: Path, tmp_path: Path) -> None:
        lines = (shared_data / "safety_pairs" / "hh_rlhf.jsonl").read_text("utf-8").splitlines()
        pairs = HHRLHF(path=write(tmp_path, train=list(map(json.loads, lines)))).pairs("train")
        assert len(pairs) > 190
        for pair in pairs:
            assert pair.document.startswith("\n\nHuman:") and pair.document.endswith("\n\nAssistant:")
            original = json.loads(lines[int(pair.id.removeprefix("row-")) - 1])
            assert (pair.document + pair.chosen, pair.document + pair.rejected) == tuple(original.values())


class TestPKUSafeRLHF:
    def row(self, number: int, better: int | None, safer: int | None) -> dict[str, Any]:
        return {"prompt": f"p{number}", "response_0": "zero", "response_1": "one", "is_response_0_safe": True,
                "is_response_1_safe": False, "better_response_id": better, "safer_response_id": safer}  # fmt: skip

    def test_each_judgement_has_its_pairs(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = write(tmp_path, train=[self.row(0, 1, 0), self.row(1, None, 0)], test=[self.row(2, 0, 0)])
        assert sides(PKUSafeRLHF(path=path).pairs("train")) == [("p0", "one", "zero")]
        assert "1 of 2 rows are left out: column better_response_id is null" in capsys.readouterr().out
        safer = PKUSafeRLHF(path=path, dimension="safer").pairs("train")
        assert sides(safer) == [("p0", "zero", "one"), ("p1", "zero", "one")]

    def test_a_verdict_that_its_flags_contradict_is_left_out(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Response 0 is safe and response 1 is not: "1 is safer" is wrong, "1 is better" may be right."""
        rows = [self.row(0, 1, 0), self.row(1, 1, 1), {**self.row(2, 1, 1), "is_response_1_safe": True}]
        path = write(tmp_path, train=rows, test=rows)
        assert sides(PKUSafeRLHF(path=path, dimension="safer").pairs("train")) == [
            ("p0", "zero", "one"),
            ("p2", "one", "zero"),
        ]
        assert "1 of 3 rows are left out: the safer answer is marked as not safe" in capsys.readouterr().out
        assert len(PKUSafeRLHF(path=path).pairs("train")) == 3

    def test_as_its_folders_lie_on_the_hub(self, tmp_path: Path) -> None:
        """One folder a model under data/, JSON lines packed by xz; ids do not repeat over the files."""
        for folder in ("Alpaca-7B", "Alpaca2-7B", "Alpaca3-8B"):
            (tmp_path / "data" / folder).mkdir(parents=True)
            for split, count in (("train", 2), ("test", 2)):
                rows = [self.row(n, 1, 0) | {"prompt": f"{folder} {split} {n}"} for n in range(count)]
                lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
                (tmp_path / "data" / folder / f"{split}.jsonl.xz").write_bytes(lzma.compress(lines))
        data = PKUSafeRLHF(path=str(tmp_path))
        pairs = data.pairs("train")
        assert len(pairs) == len({pair.id for pair in pairs}) == 6
        assert len(data.pairs("validation")) == len(data.pairs("test")) == 3
        assert len(PKUSafeRLHF(path=str(tmp_path / "data" / "Alpaca2-7B")).pairs("train")) == 2

    def test_a_lone_train_file_is_cut_by_prompt(self, tmp_path: Path) -> None:
        rows = [self.row(number % 40, 1, 0) for number in range(80)]
        parts = [
            PKUSafeRLHF(path=write(tmp_path, train=rows)).pairs(split) for split in ("train", "validation", "test")
        ]  # type: ignore[arg-type]
        prompts = [{pair.document for pair in part} for part in parts]
        assert sum(map(len, parts)) == 80 and sum(map(len, prompts)) == 40
        assert all(part and not (part & other) for part in prompts for other in prompts if part is not other)

    def test_a_verdict_that_is_none_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"train.jsonl, line 1: column better_response_id must be 0 or 1, got 2"):
            PKUSafeRLHF(path=write(tmp_path, train=[self.row(0, 2, 0)])).pairs("train")

    def test_real_rows(self, shared_data: Path, tmp_path: Path) -> None:
        lines = (shared_data / "safety_pairs" / "pku_saferlhf.jsonl").read_text("utf-8").splitlines()
        path = write(tmp_path, train=list(map(json.loads, lines)))
        data = PKUSafeRLHF(path=path, dimension="safer")
        assert sum(len(data.pairs(split)) for split in ("train", "validation", "test")) == len(lines) == 200  # type: ignore[arg-type]
        imitated = [(row.document, row.summary) for row in data.summaries("train")]
        assert imitated == list(dict.fromkeys((pair.document, pair.chosen) for pair in data.pairs("train")))
        one_file = PKUSafeRLHF(path=f"{path}/train.jsonl", dimension="safer")
        assert one_file.pairs("test") == data.pairs("test"), "a file is cut as a lone train is"
        with pytest.raises(UserError, match="all 200 rows are left out: column better_response_id is null"):
            PKUSafeRLHF(path=path).pairs("train")


def test_stack_exchange(tmp_path: Path) -> None:
    row = {"qid": 7, "question": "How?", "date": "2020", "metadata": [], "response_j": "So.", "response_k": "No."}
    rows = [{**row, "question": f"How {n}?"} for n in range(8)]
    data = StackExchangePaired(path=write(tmp_path, train=[row, {**row, "qid": None}], evaluation=rows))
    pairs = data.pairs("train")
    assert sides(pairs) == [("How?", "So.", "No.")] * 2
    assert [pair.id for pair in pairs] == ["7#1", "row#2"]
    held_out = [{pair.document for pair in data.pairs(split)} for split in ("validation", "test")]  # type: ignore[arg-type]
    assert [len(part) for part in held_out] == [4, 4] and not (held_out[0] & held_out[1])


class TestSHP:
    def row(self, post: str | None, label: int, ratio: float) -> dict[str, Any]:
        return {"post_id": post, "history": "A post.", "human_ref_A": "a", "human_ref_B": "b", "labels": label,
                "score_A": 10, "score_B": 5, "score_ratio": ratio}  # fmt: skip

    def test_label_1_means_a(self, tmp_path: Path) -> None:
        data = SHP(path=write(tmp_path, train=[self.row("x", 1, 2.0), self.row(None, 0, 2.0)]))
        first, second = data.pairs("train")
        assert (first.chosen, first.rejected, first.score_chosen, first.score_rejected) == ("a", "b", 10, 5)
        assert (second.chosen, second.rejected, second.score_chosen, second.score_rejected) == ("b", "a", 5, 10)

    def test_equal_votes_are_no_preference(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rows = [self.row("x", 1, 2.0), self.row("y", 1, 1.0) | {"score_A": 5}]
        assert [pair.id for pair in SHP(path=write(tmp_path, train=rows)).pairs("train")] == ["x#1"]
        assert "1 of 2 rows are left out: both comments have the same number of votes" in capsys.readouterr().out

    def test_as_its_folders_lie_on_the_hub(self, tmp_path: Path) -> None:
        """One folder a subreddit, with JSON lines in files called .json."""
        for folder in ("askacademia", "askbaking"):
            rows = [self.row(f"{folder}{n}", 1, 2.0) | {"domain": f"{folder}_train"} for n in range(2)]
            (tmp_path / folder).mkdir()
            for split in ("train", "validation", "test"):
                (tmp_path / folder / f"{split}.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for split in ("train", "validation", "test"):
            pairs = SHP(path=str(tmp_path)).pairs(split)  # type: ignore[arg-type]
            assert [pair.source for pair in pairs] == ["askacademia"] * 2 + ["askbaking"] * 2
        assert len(SHP(path=str(tmp_path / "askbaking")).pairs("train")) == 2

    def test_its_source_is_the_subreddit(self, tmp_path: Path) -> None:
        domains = ("askacademia_train", "ask_train_drivers_test", None)
        rows = [{**self.row("x", 1, 2.0), "domain": domain} for domain in domains]
        pairs = SHP(path=write(tmp_path, train=rows)).pairs("train")
        assert [pair.source for pair in pairs] == ["askacademia", "ask_train_drivers", None]

    def test_what_is_close_and_what_is_too_many_of_a_post_is_left_out(self, tmp_path: Path) -> None:
        rows = [self.row("x", 1, ratio) for ratio in (1.5, 2.0, 4.0, 3.0)] + [self.row("y", 1, 2.5)]
        path = write(tmp_path, validation=rows)
        assert [pair.id for pair in SHP(path=path, min_ratio=2, per_post=2).pairs("validation")] == [
            "x#2",
            "x#3",
            "y#5",
        ]
        with pytest.raises(UserError, match="all 5 rows are left out: a ratio below 9"):
            SHP(path=path, min_ratio=9).pairs("validation")

    def test_a_ratio_that_is_null_is_that_of_the_scores(self, tmp_path: Path) -> None:
        """10 / 5 = 2; 5 / 10 the other way round is 2 as well; 3 against 0 is more than any; 4 / 4 = 1; unknown is 1."""
        scores = [(10, 5), (5, 10), (3, 0), (4, 4), (None, None), (7, 4)]
        rows = [
            {**self.row(f"p{n}", int((a or 0) > (b or 0)), 2.0), "score_A": a, "score_B": b, "score_ratio": None}
            for n, (a, b) in enumerate(scores)
        ]
        pairs = SHP(path=write(tmp_path, train=rows), min_ratio=2).pairs("train")
        assert [pair.id for pair in pairs] == ["p0#1", "p1#2", "p2#3"]


class TestUltraFeedback:
    def answer(self, text: str, overall: float | None, honesty: str) -> dict[str, Any]:
        return {"response": text, "annotations": {"honesty": {"Rating": honesty}}, "overall_score": overall}

    def test_every_two_answers_that_differ(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Honesty 5, N/A, 3, 3: the first against the third and against the fourth."""
        answers = [self.answer("a", 1.0, "5"), self.answer("b", 9.0, "N/A"), self.answer("c", 4.0, "3"),
                   self.answer("d", None, "3")]  # fmt: skip
        rows = [{"instruction": f"i{n}", "completions": answers, "source": "sharegpt"} for n in range(6)]
        pairs = UltraFeedback(path=write(tmp_path, train=rows), dimension="honesty").pairs("train")
        own = [pair for pair in pairs if pair.document == pairs[0].document]
        assert [(pair.chosen, pair.rejected, pair.score_chosen, pair.score_rejected) for pair in own] == [
            ("a", "c", 5, 3), ("a", "d", 5, 3)
        ]  # fmt: skip
        assert {pair.source for pair in pairs} == {"sharegpt"}
        assert "left out: no rating of honesty" in capsys.readouterr().out
        overall = UltraFeedback(path=str(tmp_path)).pairs("train")
        chosen = [(pair.chosen, pair.rejected) for pair in overall if pair.document == pairs[0].document]
        assert chosen == [("b", "a"), ("b", "c"), ("c", "a")]

    def test_a_score_of_ten_that_was_a_one(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A 10 is one where its ratings are above 4 in the mean, as its authors have it; those that differ are 19/4 of 5
        and, where the ratings are not there, a fine-grained score of 4.5."""

        def answer(text: str, overall: float | str, *ratings: str) -> dict[str, Any]:
            names = ("instruction_following", "honesty", "truthfulness", "helpfulness")
            annotations = {name: {"Rating": rating} for name, rating in zip(names, ratings, strict=False)}
            return {"response": text, "annotations": annotations, "overall_score": overall}

        answers = [
            answer("wrong", 10, "1", "1", "1", "1"),
            answer("wrong too", 10, "2", "N/A", "1", "3"),
            answer("right", 10, "5", "4", "5", "5"),
            answer("poor", 1, "1", "1", "1", "1"),
            answer("", 9, "5", "5", "5", "5"),
            answer("low", 10, "1", "2", "3", "3"),
            answer("middling", 10, "4", "4", "4", "4"),
            answer("not rated", 10, "N/A", "N/A", "N/A", "N/A"),
            answer("without ratings", 10),
            answer("rated in the mean", 10) | {"fine-grained_score": 4.5},
            answer("spelt", "10", "1", "1", "1", "1"),
            answer("too high", 11, "5", "5", "5", "5"),
            answer("too low", 0, "5", "5", "5", "5"),
        ]
        rows = [{"instruction": f"i{n}", "completions": answers} for n in range(60)]
        data = UltraFeedback(path=write(tmp_path, train=rows))
        assert {(pair.chosen, pair.rejected) for pair in data.pairs("train")} == {
            ("right", "poor"),
            ("rated in the mean", "poor"),
        }
        said = capsys.readouterr().out
        for count, why in (
            (180, "an overall_score of 10 that was a 1, by its ratings (the first: "),
            (240, "an overall_score of 10 that may have been a 1, by its ratings (the first: "),
            (120, "a rating outside 1 to 10 in column overall_score (the first: "),
            (60, "the answer is empty"),
        ):
            assert f"{count} of 780 rows are left out: {why}" in said
        by_honesty = {pair.chosen for pair in UltraFeedback(path=data.path, dimension="honesty").pairs("train")}
        assert {"right", "too high"} <= by_honesty, "of the ratings themselves nothing is wrong"

    def test_sft_on_all_rated_answers(self, tmp_path: Path) -> None:
        """Two answers of the best rating, one below, one not rated: three to imitate, two of them references."""
        answers = [
            self.answer(*each) for each in (("a", 5.0, "5"), ("b", 5.0, "5"), ("c", 2.0, "3"), ("d", None, "N/A"))
        ]
        path = write(tmp_path, train=[{"instruction": f"i{n}", "completions": answers} for n in range(60)])
        rows = UltraFeedback(path=path, sft_on="rated").summaries("train")
        of_one = [(row.id, row.summary, row.references) for row in rows if row.document == rows[0].document]
        name = rows[0].id.partition("/")[0]
        assert of_one == [(f"{name}/{n}", text, ("a", "b")) for n, text in enumerate("abc")]
        both = UltraFeedback(path=path, sft_on="both").summaries("train")
        assert {row.summary for row in both} == {"a", "b", "c"} and len(both) == len(rows)

    def test_no_instruction_is_in_two_splits(self, tmp_path: Path) -> None:
        answers = [self.answer("a", 2.0, "5"), self.answer("b", 1.0, "4")]
        path = write(tmp_path, train=[{"instruction": f"i{n % 60}", "completions": answers} for n in range(120)])
        parts = [
            {p.document for p in UltraFeedback(path=path).pairs(split)} for split in ("train", "validation", "test")
        ]  # type: ignore[arg-type]
        assert sum(map(len, parts)) == 60 == len(set.union(*parts))

    def test_a_rating_that_is_no_number(self, tmp_path: Path) -> None:
        rows = [{"instruction": "i", "completions": [self.answer("a", 1.0, "five")]}] * 3
        rows = [{**row, "instruction": str(n)} for n, row in enumerate(rows)]
        with pytest.raises(
            UserError, match=r"line \d, completion 0: column annotations.honesty.Rating must be a number"
        ):
            UltraFeedback(path=write(tmp_path, train=rows), dimension="honesty").pairs("train")


class TestHelpSteer:
    def test_answers_that_are_empty_or_rated_outside_the_scale_are_left_out(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rated = (("a", 4), ("b", "2"), (" ", 3), ("c", 5), ("d", -1))
        path = write(tmp_path, train=[self.row("p", text, rating) for text, rating in rated])  # type: ignore[arg-type]
        assert sides(HelpSteer(path=path).pairs("train")) == [("p", "a", "b")]
        said = capsys.readouterr().out
        assert "1 of 5 rows are left out: the answer is empty" in said
        assert "2 of 5 rows are left out: a rating of helpfulness outside 0 to 4" in said

    def row(self, prompt: str, response: str, rating: float | None) -> dict[str, Any]:
        return {"prompt": prompt, "response": response, "helpfulness": rating, "verbosity": 1}

    def test_answers_are_found_wherever_they_stand(self, tmp_path: Path) -> None:
        """The answers to p lie apart: 4 and 2, and 4 again; every two that differ."""
        rows = [self.row("p", "a", 4), self.row("q", "x", 1), self.row("p", "b", 2), self.row("q", "y", 1),
                self.row("p", "c", 4)]  # fmt: skip
        pairs = HelpSteer(path=write(tmp_path, train=rows)).pairs("train")
        assert sides(pairs) == [("p", "a", "b"), ("p", "c", "b")]
        with pytest.raises(UserError, match="no prompt has two answers of different verbosity"):
            HelpSteer(path=str(tmp_path), dimension="verbosity").pairs("train")
        with pytest.raises(UserError, match="all 5 rows are left out: no rating of complexity"):
            HelpSteer(path=str(tmp_path), dimension="complexity").pairs("train")

    def test_overall_is_the_sum_of_the_five(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """4+0+0+0+0 = 4 against 1+1+1+1+1 = 5; an answer that lacks one of the five is left out."""
        names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
        ratings = {"a": (4, 0, 0, 0, 0), "b": (1, 1, 1, 1, 1), "c": (4, 4, 4, 4, None)}
        rows = [
            {"prompt": "p", "response": text, **dict(zip(names, five, strict=True))} for text, five in ratings.items()
        ]
        path = write(tmp_path, train=rows)
        (pair,) = HelpSteer(path=path, dimension="overall").pairs("train")
        assert (pair.chosen, pair.rejected, pair.score_chosen, pair.score_rejected) == ("b", "a", 5, 4)
        assert "1 of 3 rows are left out: no rating of overall" in capsys.readouterr().out

    def test_sft_on_all_rated_answers(self, tmp_path: Path) -> None:
        rows = [self.row("p", "a", 4), self.row("q", "x", 1), self.row("p", "b", 4), self.row("p", "a", 4)]
        found = HelpSteer(path=write(tmp_path, train=rows, validation=rows), sft_on="rated").summaries("train")
        assert [(row.document, row.summary, row.references) for row in found] == [
            ("p", "a", ("a", "b")),
            ("p", "b", ("a", "b")),
            ("q", "x", ("x",)),
        ]
        halves = [HelpSteer(path=str(tmp_path), sft_on="rated").summaries(split) for split in ("validation", "test")]  # type: ignore[arg-type]
        assert sorted(row.document for half in halves for row in half) == ["p", "p", "q"]

    def test_an_answer_that_is_not_rated_is_left_out(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rows = [self.row("p", "a", 4), self.row("p", "b", None), self.row("p", "c", 2)]
        assert sides(HelpSteer(path=write(tmp_path, train=rows)).pairs("train")) == [("p", "a", "c")]
        assert "1 of 3 rows are left out: no rating of helpfulness" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made", "row"),
    [
        (HHRLHF, {"chosen": "\n\nHuman: A\n\nAssistant: b", "rejected": "\n\nHuman: A\n\nAssistant: c"}),
        (PKUSafeRLHF, {"prompt": "p", "response_0": "b", "response_1": "c", "better_response_id": 0}),
        (SHP, {"history": "h", "human_ref_A": "b", "human_ref_B": "c", "labels": 1}),
        (StackExchangePaired, {"question": "q", "response_j": "b", "response_k": "c"}),
        (SummarizeFromFeedback, {"info": {"post": "d"}, "summaries": [{"text": "b"}, {"text": "c"}], "choice": 0}),
        (UltraFeedback, {"completions": [{"response": t, "overall_score": s} for t, s in (("b", 2), ("c", 1))]}),
    ],
)
def test_sft_on_both(made: Callable[..., Any], row: dict[str, Any], tmp_path: Path) -> None:
    """Each answer once, the chosen one alone the reference."""
    rows = [
        row | ({"instruction": f"i{n}"} if made is UltraFeedback else {})
        for n in range(60 if made is UltraFeedback else 1)
    ]
    path = write(tmp_path, train=rows, test=rows)
    chosen, both = (made(path=path, sft_on=sft_on).summaries("train") for sft_on in ("chosen", "both"))
    first = [found for found in both if found.document == both[0].document]
    assert [(found.summary.strip(), [*map(str.strip, found.references)]) for found in first] == [
        ("b", ["b"]),
        ("c", ["b"]),
    ]
    assert len(both) == 2 * len(chosen)
    with pytest.raises(UserError, match=r"sft_on must be one of chosen, both.*, got all"):
        made(sft_on="all")


ALL: list[Callable[..., Any]] = [HHRLHF, PKUSafeRLHF, StackExchangePaired, SHP, UltraFeedback, HelpSteer]


@pytest.mark.parametrize("made", ALL, ids=lambda made: made.__name__)
def test_is_a_data_set_of_pairs_with_guards(made: Callable[..., Any]) -> None:
    assert isinstance(made(), PairDataset) and isinstance(made(), SummaryDataset)
    for wrong, words in (({"limit": 0}, "limit must be"), ({"path": " "}, "path must be")):
        with pytest.raises(UserError, match=words):
            made(**wrong)


def test_what_a_data_set_gives_is_what_its_rows_have(tmp_path: Path) -> None:
    """The class says which fields beside the texts may be filled: those of rows with all that the schema allows."""
    judged = {"prompt": "p", "response_0": "a", "response_1": "b", "better_response_id": 0}
    voted = {"post_id": "x", "history": "h", "human_ref_A": "a", "human_ref_B": "b", "labels": 1, "score_A": 10,
             "score_B": 5, "score_ratio": 2.0, "domain": "ask_train"}  # fmt: skip
    answers = [{"response": text, "overall_score": score} for text, score in (("a", 2.0), ("b", 1.0))]
    rated = [{"prompt": "p", "response": text, "helpfulness": score} for text, score in (("a", 2), ("b", 1))]
    compared = {"info": {"id": "i", "post": "d", "subreddit": "s"}, "choice": 0,
                "summaries": [{"text": "a"}, {"text": "b"}]}  # fmt: skip
    rows: dict[Callable[..., Any], list[dict[str, Any]]] = {
        HHRLHF: [{"chosen": "\n\nHuman: A\n\nAssistant: b", "rejected": "\n\nHuman: A\n\nAssistant: c"}],
        PKUSafeRLHF: [judged | {"prompt": str(n)} for n in range(20)],
        StackExchangePaired: [{"qid": 1, "question": "q", "response_j": "a", "response_k": "b"}],
        SHP: [voted],
        UltraFeedback: [{"instruction": str(n), "completions": answers, "source": "s"} for n in range(20)],
        HelpSteer: rated,
        SummarizeFromFeedback: [compared],
    }
    assert set(ALL) < set(rows)
    for made, given in rows.items():
        pair, *_ = made(path=write(tmp_path / made.__name__, train=given)).pairs("train")
        beside = [
            field.name for field in fields(pair) if field.name not in ("id", "document", "chosen", "rejected", "place")
        ]
        assert {name for name in beside if getattr(pair, name) not in (None, ())} == set(made.gives), made  # type: ignore[attr-defined]


def test_the_one_held_out_split_is_cut_in_halves_by_document(tmp_path: Path) -> None:
    """Ten documents, two pairs each: five are validation and five test, and both pairs of one are on one side."""
    answers = [(f"\n\nHuman: {n % 10}?\n\nAssistant:", f" a{n}", f" b{n}") for n in range(20)]
    spoken = [{"chosen": prompt + chosen, "rejected": prompt + rejected} for prompt, chosen, rejected in answers]
    rated = [{"prompt": str(n % 10), "response": f"{n}", "helpfulness": n // 10} for n in range(30)]
    asked = [{"qid": n, "question": str(n % 10), "response_j": "a", "response_k": "b"} for n in range(20)]
    judged = [
        {"prompt": str(n % 10), "response_0": "a", "response_1": f"{n}", "better_response_id": 0} for n in range(20)
    ]
    published = {
        HHRLHF: {"train": spoken, "test": spoken},
        HelpSteer: {"train": rated, "validation": rated},
        StackExchangePaired: {"train": asked, "evaluation": asked},
        PKUSafeRLHF: {"train": judged, "test": judged},
    }
    for made, files in published.items():
        data: Any = made(path=write(tmp_path / made.__name__, **files))
        whole, *halves = (data.pairs(split) for split in ("train", "validation", "test"))
        validation, test = ({pair.document for pair in half} for half in halves)
        assert len(validation) == len(test) == 5 and not validation & test, made
        assert sorted(sides([*halves[0], *halves[1]])) == sorted(sides(whole)), made
        other = {pair.document for pair in made(path=data.path, seed=1).pairs("validation")}
        assert other != validation, "the seed decides"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HHRLHF(subset="harmful"), "subset must be one of"),
        (lambda: PKUSafeRLHF(dimension="nicer"), "dimension must be one of better, safer"),
        (lambda: SHP(min_ratio=0.5), "min_ratio must be >= 1"),
        (lambda: SHP(per_post=0), "per_post must be null or a whole number >= 1, got 0"),
        (
            lambda: SHP(per_post=1.5),  # type: ignore[arg-type]
            r"per_post must be null or a whole number >= 1, got 1.5 .config key dataset.per_post",
        ),
        (lambda: UltraFeedback(dimension="length"), "dimension must be one of overall"),
        (lambda: HelpSteer(dimension="length"), "dimension must be one of helpfulness"),
    ],
)
def test_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make()


def test_a_plain_download_from_the_hub_is_read(tmp_path: Path) -> None:
    """Files as each data set's repository has them; with a test file, PKU-SafeRLHF is not cut anew."""
    import datasets

    def put(name: str, rows: list[dict[str, Any]]) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows).to_parquet(tmp_path / name)

    judged = [{"prompt": str(n), "response_0": "a", "response_1": "b", "better_response_id": 1} for n in range(6)]
    put("pku/data/train-00000-of-00001.parquet", judged[:2])
    put("pku/data/test-00000-of-00001.parquet", judged[2:])
    pku = PKUSafeRLHF(path=str(tmp_path / "pku"))
    assert len(pku.pairs("train")) == len(pku.pairs("test")) == len(pku.pairs("validation")) == 2
    asked = [{"qid": n, "question": str(n), "response_j": "a", "response_k": "b"} for n in range(4)]
    put("stack/data/rl/train-00000-of-00001.parquet", asked)
    put("stack/data/evaluation/train-00000-of-00001.parquet", asked[:2])
    stack = StackExchangePaired(path=str(tmp_path / "stack"))
    assert (len(stack.pairs("train")), len(stack.pairs("test"))) == (4, 1)
    (tmp_path / "hh" / "harmless-base").mkdir(parents=True)
    spoken = "\n\nHuman: A\n\nAssistant:"
    line = json.dumps({"chosen": spoken + " b", "rejected": spoken + " c"}).encode()
    (tmp_path / "hh" / "harmless-base" / "train.jsonl.gz").write_bytes(gzip.compress(line))
    assert len(HHRLHF(path=str(tmp_path / "hh"), subset="harmless-base").pairs("train")) == 1
