"""`summpo inspect` end to end on a few pairs, its refusals, and real comparisons."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from summpo.commands import main
from support.command_lines import check

DOCUMENTS = [f"The {animal} sat on the {place}." for animal in ("cat", "dog", "bird") for place in ("mat", "roof")]


def row(document: int, chosen: str, rejected: str, **columns: Any) -> dict[str, Any]:
    return {"document": DOCUMENTS[document], "chosen": chosen, "rejected": rejected, **columns}


LONG, SHORT = "It sat there for a long while.", "It sat."
TRAIN = [
    row(0, LONG, SHORT, source="farm"),
    row(0, LONG, SHORT, source="farm"),
    row(0, SHORT, LONG, source="farm"),
    row(1, LONG, SHORT, source="town"),
    row(2, "Cat.", "Dog."),
    row(3, "same", "same"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pairs: train shares document 1 with validation; there is no test file."""
    data = tmp_path / "data"
    data.mkdir()
    for name, rows in (("train", TRAIN), ("validation", [row(1, SHORT, LONG), row(4, SHORT, LONG)])):
        (data / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), "utf-8")
    return data


def command(tmp_path: Path, model: Path, *options: str) -> list[str]:
    return ["inspect", "dataset=jsonl", f"dataset.path={tmp_path / 'data'}", f"model.path={model}",
            f"cache_dir={tmp_path / 'cache'}", "tokens.max_length=100", f"output_dir={tmp_path / 'out'}", *options]  # fmt: skip


def record(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "out" / "inspect.json").read_text("utf-8"))


@pytest.mark.usefixtures("folder")
class TestInspect:
    def test_counts_and_files(self, tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Five pairs are left of six rows; three chose the longer, one the shorter, one is a tie (in words, too)."""
        arguments = command(tmp_path, tiny_model_path, "margin_reward=[length,coverage]")
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        found = record(tmp_path)
        assert (found["pairs"], found["fit"]["rows"], found["fit"]["unusable"]) == (5, 6, {"identical_pair": 1})
        assert found["longer_share"]["words"] == 0.6 and found["rules"]["drop"]["kept"] == 5
        assert found["longer"]["words"] == {"pairs": 5, "longer": 3, "shorter": 1, "same": 1}
        assert {name: by["words"]["longer"] for name, by in found["by_source"].items()} == {
            "farm": 2,
            "(no source)": 0,
            "town": 1,
        }
        seen = found["repeats"]
        assert (seen["documents"], seen["distinct_pairs"], seen["repeated_rows"]) == (3, 3, 1)
        assert (seen["contradicted_pairs"], seen["contradicted_rows"], seen["best_accuracy"]) == (1, 3, 0.8)
        assert [(s["earlier"], s["later"], s["documents"], s["rows"]) for s in found["shared"]] == [
            ("train", "validation", 1, 1)
        ]
        assert "no file test.jsonl" in found["unread"]["test"]
        lengths = found["tendencies"]["length in tokens"]
        assert found["rewards"]["length"]["tendency"]["correlation"] == pytest.approx(-lengths["correlation"])
        assert (tmp_path / "out" / "inspect.png").read_bytes().startswith(b"\x89PNG")
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"inspect.json", "inspect.png"}
        [line] = [line.strip() for line in printed.splitlines() if line.startswith("  summpo train")]
        assert line == found["command"]
        assert all(len(line) <= 100 for line in printed.splitlines() if str(tmp_path) not in line)
        assert main(arguments) == 0  # once more, from the cache
        assert record(tmp_path) == found
        assert "tokens of 6 rows read from the cache" in capsys.readouterr().out

    def test_the_suggested_command_trains(self, tmp_path: Path, tiny_model_path: Path) -> None:
        """It composes at every w, and a run with its first w finds tokens and margins in the cache."""
        assert main(command(tmp_path, tiny_model_path, "w=0.3", "split=validation")) == 0
        line = record(tmp_path)["command"]
        words = shlex.split(line)
        assert words[:4] == ["summpo", "train", "-m", "objective=modpo"]
        assert not any(word.startswith(("split=", "output_dir=")) for word in words) and words[-1].startswith("w=0,")
        check(line)
        assert 0.3 in [at["w"] for at in record(tmp_path)["weighed"]]

    def test_margins_are_the_columns_that_training_reads(
        self, tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        options = command(tmp_path, tiny_model_path)[1:-1]
        assert main(["inspect", *options, f"output_dir={tmp_path / 'out'}"]) == 0
        capsys.readouterr()
        small = ["objective=modpo", "w=0.1", "trainer.max_steps=1", "validation.times=0", "lora.r=2", "validation.samples=0",
                 "trainer.enable_progress_bar=false", f"output_dir={tmp_path / 'run'}"]  # fmt: skip
        assert main(["train", *options, *small]) == 0
        printed = capsys.readouterr().out
        assert "columns: tokens of 6 rows read from the cache" in printed
        assert "columns: margin length of 5 rows read from the cache" in printed

    def test_scaling_and_clip_are_respected(self, tmp_path: Path, tiny_model_path: Path) -> None:
        assert main(command(tmp_path, tiny_model_path, "margin_reward.length.scale=-1")) == 0
        plain = record(tmp_path)["rewards"]["length"]
        assert plain["tendency"]["mean_difference"] > 0  # minus the length, turned round: the longer was chosen
        assert main(command(tmp_path, tiny_model_path, "margin_reward.length.clip=2")) == 0
        assert record(tmp_path)["rewards"]["length"]["size"]["max"] == 2
        assert main(command(tmp_path, tiny_model_path, "margin_reward.length.normalize=z_score")) == 0
        of_train = record(tmp_path)["rewards"]["length"]["size"]["max"]
        again = command(tmp_path, tiny_model_path, "margin_reward.length.normalize=z_score", "split=validation")
        assert main(again) == 0  # in standard deviations of the training pairs' differences: the same two summaries
        assert record(tmp_path)["rewards"]["length"]["size"]["max"] == pytest.approx(of_train)

    def test_a_weight_of_its_own_and_no_margin(
        self, tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(command(tmp_path, tiny_model_path, "margin_reward.length.weight=0.5")) == 0
        found = record(tmp_path)
        assert (found["sweep"], found["command"], found["rewards"]["length"]["weight"]) == ([], None, 0.5)
        assert [at["w"] for at in found["weighed"]] == [0.0]
        assert main(command(tmp_path, tiny_model_path, "margin_reward=none")) == 0
        assert record(tmp_path)["weighed"] == []
        assert main(command(tmp_path, tiny_model_path, "margin_reward=constant")) == 0
        assert record(tmp_path)["rewards"]["constant"]["suggested"] == []
        assert record(tmp_path)["break_even"] == {"weight": None, "standard_error": None, "without": "never told"}
        printed = capsys.readouterr().out
        assert "no margin reward" in printed and "constant is the same for both completions" in printed

    def test_rows_that_training_would_stop_at_are_counted(self, tmp_path: Path, tiny_model_path: Path) -> None:
        rows = [*TRAIN, row(4, " ", "x"), row(5, LONG * 20, "x")]
        (tmp_path / "data" / "train.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), "utf-8")
        assert main(command(tmp_path, tiny_model_path, "tokens.too_long=error")) == 0
        found = record(tmp_path)
        assert "column chosen is empty" in found["stops"] and found["pairs"] == 5
        assert (found["fit"]["over"], found["fit"]["cut"]) == (1, 0)
        assert found["fit"]["unusable"] == {"empty_completion": 1, "identical_pair": 1}

    def test_the_limit_is_honoured(self, tmp_path: Path, tiny_model_path: Path) -> None:
        assert main(command(tmp_path, tiny_model_path, "dataset.limit=3")) == 0
        assert record(tmp_path)["fit"]["rows"] == 3

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (["w=-1"], "w must be >= 0, got -1"),
            (["split=dev"], "split must be one of train, validation, test, got dev"),
            (["typical_reward_margin=0"], "typical_reward_margin must be > 0, got 0"),
            (["objective=sft"], "the objective learns from completions"),
            (["dataset=scitldr"], "has no pairs"),
            (["colour=red"], "unknown option colour"),
            (["+x=1"], "unknown option x"),
            (["output_dir="], "output_dir must name a folder"),
            (["output_dir=/dev/null/x"], "cannot be written to"),
            (["split=test"], "has no file test.jsonl"),
            (["margin_reward=score"], "lacks score_chosen"),
            (["margin_reward=nothing"], "margin_reward has no option nothing"),
            (["tokens.max_length=9", "tokens.too_long=drop"], "no row is left"),
            (["margin_reward=constant", "margin_reward.constant.normalize=z_score"], "has no z-score"),
        ],
    )
    def test_one_sentence_and_exit_code_2(
        self, options: list[str], says: str, tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(command(tmp_path, tiny_model_path, *options)) == 2
        error = capsys.readouterr().err
        assert says in error and error.count("\n") == 1 and error.startswith("summpo inspect: ")
        assert not (tmp_path / "out").exists()

    def test_no_pairs_and_empty_splits(
        self, tmp_path: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "data" / "train.jsonl"
        file.write_text(json.dumps({"document": "d", "summary": "s"}) + "\n", "utf-8")
        assert main(command(tmp_path, tiny_model_path)) == 2
        assert "column chosen is missing" in capsys.readouterr().err
        file.write_text("".join(json.dumps(each) + "\n" for each in TRAIN), "utf-8")
        one_file = [f"dataset.path={file}", "dataset.test_fraction=0", "split=test"]
        assert main(command(tmp_path, tiny_model_path, *one_file)) == 2
        assert "the split test is empty" in capsys.readouterr().err


def test_real_comparisons(
    shared_data: Path, real_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first 300 comparisons: every one from one batch of annotators, who contradict each other."""
    arguments = ["inspect", "dataset=summarize_from_feedback", f"dataset.path={shared_data / 'tldr_comparisons'}",
                 f"model.path={real_model_path}", f"cache_dir={tmp_path / 'cache'}", "dataset.limit=300",
                 "tokens.max_length=600", f"output_dir={tmp_path / 'out'}"]  # fmt: skip
    assert main(arguments) == 0
    found = record(tmp_path)
    assert found["pairs"] == found["fit"]["rows"] == 300
    assert 0.5 < found["longer"]["tokens"]["longer"] / 300 < 0.7
    assert found["fit"]["cut"] == found["fit"]["over"] > 0
    assert not any(both["documents"] for both in found["shared"]) and not found["unread"]
    at = found["rewards"]["length"]["break_even"]
    assert at == found["break_even"] and 0 < at["weight"] < 0.05 and at["standard_error"] < 0.01
    assert found["sweep"] == [float(f"{times * at['weight']:.2g}") for times in (0, 0.5, 1, 2, 4)]
    assert found["command"].endswith("w=" + ",".join(f"{w:g}" for w in found["sweep"]))
    assert "too_long" in capsys.readouterr().out
