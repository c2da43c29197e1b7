"""Two evaluations against each other: by hand, over shared documents, and what is refused or left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from summpo.commands import main
from summpo.errors import UserError
from summpo.evaluation.comparison import PairedComparison, compare_pair, comparison_table, read_evaluation
from summpo.evaluation.scores import METRICS, TEXT_MEASURES

F1, FAITHFUL = "eval/bertscore_f1", "eval/margin/faithfulness"
HOW = {"fingerprint": "ab", "layer": 6, "baseline": None, "idf": False, "limit": 512}
MARGINS = {"faithfulness": {"path": "embedded", "window": 64, "weight": 0.1, "batch_size": 32}}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes what an evaluation leaves: `scores` by document id; `samples` replace keys of a document's line."""

    def written(
        name: str,
        scores: Mapping[str, Mapping[str, float]],
        samples: Mapping[str, Mapping[str, Any]] | None = None,
        **evaluation: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        lines = [
            {"id": key, "document": f"text {key}", "summary": "s", "references": ["one", "two"], "length_tokens": 1,
             "length_words": 1, "ended": True, "scores": own} | dict((samples or {}).get(key, {}))
            for key, own in scores.items()
        ]  # fmt: skip
        record = {"metrics": {}, "documents": len(scores), "bertscore": HOW, "config": {"margin_reward": MARGINS}}
        (folder / "evaluation.json").write_text(json.dumps(record | evaluation), "utf-8")
        (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        return folder

    return written


def values(metric: str, **by_document: float) -> dict[str, dict[str, float]]:
    return {key: {metric: value} for key, value in by_document.items()}


def compared(first: Path, second: Path) -> PairedComparison:
    return compare_pair(read_evaluation(first), read_evaluation(second), (first.name, second.name))


def test_by_hand(write: Callable[..., Path]) -> None:
    """Shared are b, c and d: 0.1, 0.2, 0.3 against 0.2, 0.4, 0.6. The mean difference is 0.2, of 0.1, 0.2 and 0.3;
    of the 8 ways to set their signs 2 are as far from 0, and no resample's mean lies outside of 0.1 to 0.3.
    """
    first = write("first", values(F1, a=0.9, b=0.1, c=0.2, d=0.3))
    second = write("second", values(F1, d=0.6, c=0.4, b=0.2, e=0.0, f=0.0))
    found = compared(first, second)
    assert (found.documents, found.first_documents, found.second_documents) == (3, 4, 5)
    (one,) = found.differences
    assert (one.metric, one.first, one.second) == (F1, pytest.approx(0.2), pytest.approx(0.4))
    assert one.difference == pytest.approx(0.2) and one.p == pytest.approx(2 / 8)
    assert 0.1 - 1e-9 <= one.low < one.difference < one.high <= 0.3 + 1e-9
    (back,) = compared(second, first).differences
    assert (back.difference, back.p) == (pytest.approx(-one.difference), one.p)


def test_what_documents_share_cancels(write: Callable[..., Path]) -> None:
    """40 documents from hard to easy, each 0.01 better: one by one the intervals overlap, the paired one is a point."""
    ids = [f"d{n}" for n in range(40)]
    first = write("first", values(F1, **{key: n / 40 for n, key in enumerate(ids)}))
    second = write("second", values(F1, **{key: n / 40 + 0.01 for n, key in enumerate(ids)}))
    found = compared(first, second)
    (one,) = found.differences
    assert (one.low, one.high) == (pytest.approx(0.01), pytest.approx(0.01)) and one.p == pytest.approx(1e-4)
    assert found.notes == ()


def test_an_evaluation_that_left_no_scores_is_scored_by_its_text(tmp_path: Path, write_run) -> None:
    found = compared(write_run(tmp_path / "a", kept=10), write_run(tmp_path / "b", kept=4))
    assert tuple(one.metric for one in found.differences) == METRICS
    assert found.differences[0].difference == -12  # 2 * 4 tokens less 2 * 10
    assert found.notes == ("Only 8 documents: intervals from so few are too narrow, read them as hints.",)


def test_what_was_counted_by_other_rules_is_counted_again(write: Callable[..., Path]) -> None:
    """An earlier version had one word and no ROUGE of a Chinese text, and no rougeLsum."""
    text = {"document": "港口委员会决定购买电动船。", "summary": "购买电动船。", "references": ["购买电动船。"]}
    earlier = {"eval/length_words": 1.0, "eval/rouge1": 0.0, F1: 0.5}
    first = write("first", {"a": earlier}, {"a": text})
    later = {**earlier, "eval/length_words": 5.0, "eval/rouge1": 1.0, "eval/rougeLsum": 1.0}
    second = write("second", {"a": later}, {"a": text}, made_from={"text_measures": TEXT_MEASURES})
    for one, other in ((first, second), (second, first)):
        found = compared(one, other)
        assert {each.metric: (each.first, each.second) for each in found.differences} == {
            "eval/length_words": (5, 5), "eval/rouge1": (1, 1), "eval/rougeLsum": (1, 1), F1: (0.5, 0.5)
        }  # fmt: skip
        assert any(note.startswith("first was evaluated with other rules for words") for note in found.notes)
    assert compared(first, write("third", {"a": earlier}, {"a": text})).differences[0].first == 1


class TestRefused:
    @staticmethod
    def refusal(first: Path, second: Path) -> str:
        with pytest.raises(UserError) as refused:
            compared(first, second)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    def test_other_references_or_texts(self, write: Callable[..., Path]) -> None:
        first = write("first", values(F1, a=1, b=1))
        other = write("other", values(F1, a=1, b=1), {"b": {"references": ["one", "three"]}})
        assert (
            self.refusal(first, other) == f"{first} and {other} are not comparable: b has other references in the two"
        )
        text = write("text", values(F1, a=1, b=1), {"a": {"document": "another"}})
        assert self.refusal(first, text).endswith("a has another text in the two")
        turned = write("turned", values(F1, a=1, b=1), {"b": {"references": ["two", "one"]}})
        assert compared(first, turned).documents == 2

    def test_no_document_in_common(self, write: Callable[..., Path]) -> None:
        said = self.refusal(write("first", values(F1, a=1)), write("second", values(F1, b=1)))
        assert said.endswith("have no document in common")

    def test_files_that_are_not_whole(self, write: Callable[..., Path]) -> None:
        good = write("good", values(F1, a=1))
        short = write("short", values(F1, a=1), documents=2)
        assert "holds 1 summaries of 1 documents, and evaluation.json beside it measured 2" in self.refusal(good, short)
        twice = write("twice", values(F1, a=1), documents=2)
        line = (twice / "samples.jsonl").read_text()
        (twice / "samples.jsonl").write_text(line * 2)
        assert "holds 2 summaries of 1 documents" in self.refusal(good, twice)
        (twice / "samples.jsonl").unlink()
        assert "holds 0 summaries" in self.refusal(good, twice)
        nan = write("nan", values(F1, a=float("nan")))
        assert "samples.jsonl, line 1, scores: eval/bertscore_f1 must be a finite number" in self.refusal(good, nan)
        (nan / "evaluation.json").unlink()
        assert "`summpo evaluate` writes it" in self.refusal(good, nan)
        pairs = write("pairs", values(F1, a=1), metrics=None)
        assert "metrics must be an object" in self.refusal(good, pairs)


class TestLeftOut:
    def test_what_one_side_lacks(self, write: Callable[..., Path]) -> None:
        first = write("first", {key: {F1: 1.0, "eval/bertscore_windows_f1": 1.0, "eval/rouge1": 1.0} for key in "ab"})
        second = write("second", {"a": {"eval/rouge1": 1.0, FAITHFUL: 0.0}, "b": {"eval/rouge1": 1.0}}, bertscore=None)
        found = compared(first, second)
        assert [one.metric for one in found.differences] == ["eval/rouge1"]
        assert found.notes[0] == "BERTScore is left out: only first has it." and len(found.notes) == 2

    @pytest.mark.parametrize(
        ("metric", "changed", "alike"),
        [
            (F1, {"bertscore": HOW | {"layer": 5}}, False),
            (F1, {"bertscore": HOW | {"fingerprint": "cd"}}, False),
            (F1, {"bertscore": HOW | {"empty_summaries": 3}}, True),
            (
                FAITHFUL,
                {"config": {"margin_reward": {"faithfulness": MARGINS["faithfulness"] | {"window": 32}}}},
                False,
            ),
            (FAITHFUL, {"config": {"margin_reward": {"faithfulness": MARGINS["faithfulness"] | {"weight": 3}}}}, True),
            (FAITHFUL, {"bertscore": None}, True),
        ],
    )
    def test_what_was_measured_otherwise(
        self, write: Callable[..., Path], metric: str, changed: dict[str, Any], alike: bool
    ) -> None:
        found = compared(write("first", values(metric, a=1)), write("second", values(metric, a=1), **changed))
        assert len(found.differences) == alike
        assert any("with different settings" in note for note in found.notes) != alike

    def test_other_generation_is_said(self, write: Callable[..., Path]) -> None:
        one, other = ({"generation": {"max_new_tokens": tokens}} for tokens in (100, 50))
        found = compared(write("first", values(F1, a=1), **one), write("second", values(F1, a=1), **other))
        assert found.notes[-1].startswith("The two were generated with different settings")


class TestCommand:
    def test_prints_and_writes(
        self, write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folders = [write(name, values(F1, a=n / 10, b=n / 5, c=0.5)) for n, name in enumerate(("base", "sft", "w=0.1"))]
        assert main(["compare", *map(str, folders), f"output_dir={tmp_path / 'out'}"]) == 0
        out = capsys.readouterr().out
        assert "sft against base: 3 documents that both have" in out and "w=0.1 against base: 3 documents" in out
        (line,) = [line for line in out.splitlines() if line.startswith(F1)][1:]
        assert line.split()[:4] == [F1, "0.167", "0.367", "+0.200"]
        assert "permutation test" in out and "bootstrap" in out
        record = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))
        assert record["folders"] == {folder.name: str(folder) for folder in folders}
        assert [one["second"] for one in record["comparisons"]] == ["sft", "w=0.1"]
        difference = record["comparisons"][1]["differences"][0]
        assert difference["metric"] == F1 and difference["difference"] == pytest.approx(0.2)
        assert set(difference) == {"metric", "first", "second", "difference", "low", "high", "p"}

    def test_columns_are_aligned(self, write: Callable[..., Path]) -> None:
        scores = {"a": {"eval/length_tokens": 120.0, F1: -0.25}, "b": {"eval/length_tokens": 80.0, F1: 0.5}}
        head, *lines = comparison_table(compared(write("first", scores), write("second", scores))).splitlines()[1:4]
        assert [len(line) for line in lines] == [len(head)] * 2
        assert lines[0].split()[1:4] == ["100.0", "100.0", "+0.0"] and lines[1].split()[1] == "0.125"

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ([], "name at least two evaluated folders"),
            (["{one}"], "name at least two evaluated folders"),
            (["{one}", "{one}/../one"], "name at least two evaluated folders"),
            (["{one}", "/nowhere"], "/nowhere/evaluation.json is missing"),
            (["{one}", "{two}", "colour=red"], "unknown option colour"),
            (["{one}", "{two}", "output_dir=/dev/null/x"], "cannot be written to"),
        ],
    )
    def test_one_sentence_and_exit_code_2(
        self, write: Callable[..., Path], arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folders = {name: write(name, values(F1, a=1)) for name in ("one", "two")}
        assert main(["compare", *(argument.format(**folders) for argument in arguments)]) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compare", "--help"]) == 0
        assert "usage: summpo compare DIR DIR" in capsys.readouterr().out
