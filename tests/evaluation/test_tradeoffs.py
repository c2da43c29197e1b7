import dataclasses
import json
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.evaluation.results import read_run
from summpo.evaluation.table import table
from summpo.evaluation.tradeoffs import compare, notes, paired_differences


@pytest.fixture
def sweep(tmp_path: Path, write_run) -> list:
    """SFT of 12 words, w=0 of 10 (the reference's length), w=0.1 of 6, w=0.2 of 7 that repeats nothing better."""
    return [
        read_run(write_run(tmp_path / "w=0.1", w=0.1, kept=6)),
        read_run(write_run(tmp_path / "w=0", w=0.0, kept=10)),
        read_run(write_run(tmp_path / "sft", objective="sft", kept=12)),
    ]


def test_the_base_is_the_lowest_w(sweep: list) -> None:
    comparison = compare(sweep)[0]
    assert [choice.label for choice in comparison.choices] == ["sft", "w=0", "w=0.1"]
    assert comparison.base == 1
    assert comparison.choices[1].sentence.startswith("the run that the others are set against: 20.0 tokens, ROUGE-1 0.")


def test_without_w_the_first_run_is_the_base(sweep: list) -> None:
    assert compare([sweep[2]])[0].base == 0


def test_sentence_says_what_is_traded(sweep: list) -> None:
    """Of 8 documents 3 begin 5 words beside the reference of 10.

    w=0 keeps 10: F = 1 five times, 5/10 thrice: mean (5 + 1.5) / 8 = 0.8125.
    w=0.1 keeps 6: 2*6/16 = 0.75 five times; words 5..10 share 5: 2*5/16 = 0.625 thrice: mean 5.625 / 8 = 0.703125.
    """
    sentence = compare(sweep)[0].choices[2].sentence
    assert sentence.startswith("40% shorter than w=0 (20.0 to 12.0 tokens), ROUGE-1 -0.109 [")
    low, high = paired_differences(sweep)["w=0.1"]["eval/rouge1"]
    assert f"[{low:+.3f}, {high:+.3f}]" in sentence
    assert low <= 0.703125 - 0.8125 <= high
    assert ("a clear loss of ROUGE-1. It" if high < 0 else "no clear change of ROUGE-1. It") in sentence


def test_every_measure_is_compared_and_the_asked_one_is_first(sweep: list) -> None:
    others = ["eval/rouge1", "eval/rouge2", "eval/rougeLsum"]
    assert [c.quality for c in compare(sweep, "eval/rougeL")] == ["eval/rougeL", *others]
    with pytest.raises(UserError, match=r"quality must be one of .*, got eval/bleu"):
        compare(sweep, "eval/bleu")


def test_evaluations_of_an_earlier_version_have_no_rouge_lsum(tmp_path: Path, write_run, sweep: list) -> None:
    """They are read and compared by what they have; asked for what they lack, one is told so."""
    lacking = {name: value for name, value in sweep[0].metrics.items() if name != "eval/rougeLsum"}
    old = read_run(write_run(tmp_path / "old", w=0.3, kept=6, evaluation={"metrics": lacking}))
    runs = [*sweep, old]
    assert [c.quality for c in compare(runs)] == ["eval/rouge1", "eval/rouge2", "eval/rougeL"]
    assert "old" in paired_differences(runs) or "w=0.3" in paired_differences(runs)
    head, _, *lines = table(runs).splitlines()
    place = head.split().index("ROUGE-Lsum")
    assert [line.split()[place] == "-" for line in lines[: len(runs)]] == [False, False, False, True]
    with pytest.raises(UserError, match=r"old was evaluated by an earlier version, without eval/rougeLsum"):
        compare(runs, "eval/rougeLsum")
    assert notes(sweep) == notes(runs)
    newer = dataclasses.replace(old, text_measures={"words": "another rule"})
    assert any("counted by different rules" in note for note in notes([*sweep, newer]))


def test_a_beaten_run_is_named_with_what_beats_it(tmp_path: Path, write_run, sweep: list) -> None:
    longer_and_no_better = read_run(
        write_run(
            tmp_path / "w=0.2", w=0.2, kept=6, evaluation={"metrics": sweep[0].metrics | {"eval/length_tokens": 13}}
        )
    )
    comparison = compare([*sweep, longer_and_no_better])[0]
    assert [choice.on_front for choice in comparison.choices] == [False, True, True, False]
    assert comparison.choices[3].sentence.startswith(
        "not on the front, w=0.1 is at least as short and at least as good;"
    )
    assert comparison.lines[0].startswith("w=0:") and comparison.lines[-1].startswith("w=0.2:")


def test_hypervolume_names_its_reference_point(sweep: list) -> None:
    """w=0.1 (12 tokens, 0.703125) rules 12..20 and w=0 (20, 0.8125) rules 20..30: 8 * 0.703125 + 10 * 0.8125 = 13.75.

    The longest run, SFT with 24 tokens, puts the default reference point at 30.
    """
    comparison = compare(sweep)[0]
    assert comparison.reference_point == (30.0, 0.0)
    assert comparison.hypervolume == pytest.approx(13.75)
    assert comparison.hypervolume_text == "Hypervolume 13.75 tokens × ROUGE-1 up to (30 tokens, 0)"
    assert compare(sweep, reference_point=(20.0, 0.7))[0].hypervolume == pytest.approx(8 * 0.003125)


def test_no_interval_where_samples_do_not_cover_the_documents(sweep: list) -> None:
    w01, *others = sweep
    partial = dataclasses.replace(w01, samples=w01.samples[:-1])
    renamed = dataclasses.replace(w01, samples=(dataclasses.replace(w01.samples[0], id="other"), *w01.samples[1:]))
    for run in (partial, renamed):
        assert paired_differences([run, *others]).keys() == {"sft"}
        assert "interval unknown" in compare([run, *others])[0].choices[2].sentence
    without_base = [dataclasses.replace(run, samples=()) if run.w == 0 else run for run in sweep]
    assert paired_differences(without_base) == {}


def test_no_interval_where_samples_are_of_another_evaluation(sweep: list) -> None:
    w01, *others = sweep
    stale = dataclasses.replace(w01, metrics={**w01.metrics, "eval/rouge1": 0.9})
    assert paired_differences([stale, *others]).keys() == {"sft"}


def test_summaries_cut_at_the_limit_are_told(tmp_path: Path, write_run) -> None:
    run = read_run(write_run(tmp_path / "run", ended=False))
    assert "Only 0% of its summaries end by themselves" in compare([run])[0].choices[0].sentence


def test_empty_summaries_everywhere_divide_by_nothing(tmp_path: Path, write_run) -> None:
    runs = [read_run(write_run(tmp_path / f"w={w}", w=w, kept=kept)) for w, kept in ((0.0, 0), (0.1, 0), (0.2, 3))]
    sentences = [choice.sentence for choice in compare(runs)[0].choices]
    assert sentences[1].startswith("as long as w=0, within noise (0.0 to 0.0 tokens)")
    assert "longer than w=0 (0.0 to 6.0 tokens)" in sentences[2]


def test_notes_warn_of_what_misleads(tmp_path: Path, write_run, sweep: list) -> None:
    said = notes(sweep)
    assert said[0].startswith("Only 8 documents")
    assert said[-1].startswith("One training seed")
    other = read_run(write_run(tmp_path / "w=0.3", w=0.3, evaluation={"generation": {"strategy": "sample"}}))
    assert "Generation settings differ from those of w=0.1 in: w=0.3." in notes([*sweep, other])


def test_notes_name_what_bertscore_was_measured_by(tmp_path: Path, write_run) -> None:
    """Once where all runs have it of one encoder, and that they do not compare where one has it of another."""
    how = {"fingerprint": "ab", "layer": 6, "caveat": "BERTScore by X: NOT comparable with published numbers"}
    runs = [read_run(write_run(tmp_path / f"w={n}", w=n, evaluation={"bertscore": how})) for n in (0.0, 0.1)]
    runs.append(read_run(write_run(tmp_path / "sft", objective="sft")))
    assert notes(runs)[-1] == f"{how['caveat']}."
    runs.append(
        read_run(write_run(tmp_path / "w=1", w=1.0, evaluation={"bertscore": how | {"layer": 5, "caveat": ""}}))
    )
    assert notes(runs)[-2:] == [
        f"{how['caveat']}.",
        "BERTScore was measured in different ways: do not compare it between these runs.",
    ]


def test_results_stay_json(sweep: list) -> None:
    json.dumps([choice.sentence for choice in compare(sweep)[0].choices], allow_nan=False)
