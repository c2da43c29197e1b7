import json
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.evaluation.results import check_comparable, find_runs, in_order, labels, names, read_run, read_runs


def test_reads_what_the_run_left(tmp_path: Path, write_run) -> None:
    run = read_run(write_run(tmp_path / "w=0.1", w=0.1, kept=4, summary={"metrics": {"val/reward_accuracy": 0.6}}))
    assert (run.objective, run.w, run.seed, run.documents) == ("modpo", 0.1, 0, 8)
    assert (run.dataset, run.split, run.train_time_s, run.evaluation_time_s) == ("synthetic", "test", 372.0, 5.0)
    assert run.length == run.metrics["eval/length_tokens"] == 8.0
    assert run.intervals["eval/length_tokens"] == (8.0, 8.0)
    assert (run.preference_accuracy, run.preference_accuracy_with_margin) == (0.625, None)
    assert (run.validation_accuracy, run.validation_accuracy_with_margin) == (0.6, None)
    assert [sample.id for sample in run.samples] == [f"d{n}" for n in range(8)]


def test_sft_has_no_w_whatever_the_configuration_said(tmp_path: Path, write_run) -> None:
    assert read_run(write_run(tmp_path / "sft", objective="sft", w=0.1)).w is None


def test_samples_may_be_absent(tmp_path: Path, write_run) -> None:
    assert read_run(write_run(tmp_path / "a", samples=False)).samples == ()


@pytest.mark.parametrize("file", ["summary.json", "evaluation.json"])
def test_missing_or_malformed_files_are_named(tmp_path: Path, write_run, file: str) -> None:
    folder = write_run(tmp_path / "run")
    (folder / file).write_text("{half")
    with pytest.raises(UserError, match=f"{file} is not valid JSON"):
        read_run(folder)
    (folder / file).write_text("[1]")
    with pytest.raises(UserError, match=f"{file} must be a JSON object"):
        read_run(folder)
    (folder / file).unlink()
    (folder / "evaluation.json").unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"evaluation\.json is missing: `summpo evaluate` writes it"):
        read_run(folder)


@pytest.mark.parametrize(
    ("replaced", "sentence"),
    [
        ({"summary": {"status": "running"}}, "status must be done, got running"),
        ({"summary": {"w": "0.1"}}, "summary.json: w must be a finite number, got '0.1'"),
        ({"summary": {"wall_time_s": True}}, "wall_time_s must be a finite number, got True"),
        ({"evaluation": {"metrics": {}}}, "evaluation.json, metrics: eval/length_tokens must be a finite number"),
        ({"evaluation": {"intervals": {"eval/rouge1": [1]}}}, r"eval/rouge1 must be \[low, high\], got \[1\]"),
        ({"evaluation": {"intervals": {"eval/rouge1": [2, 1]}}}, r"eval/rouge1 must be \[low, high\]"),
        ({"evaluation": {"dataset": None}}, "dataset must be a text, got None"),
        ({"evaluation": {"generation": "greedy"}}, "generation must be an object, got 'greedy'"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, write_run, replaced: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_run(write_run(tmp_path / "run", **replaced))


def test_nan_is_no_metric(tmp_path: Path, write_run) -> None:
    folder = write_run(tmp_path / "run")
    file = folder / "evaluation.json"
    record = json.loads(file.read_text())
    record["metrics"]["eval/rouge1"] = float("nan")
    file.write_text(json.dumps(record))
    with pytest.raises(UserError, match="eval/rouge1 must be a finite number, got nan"):
        read_run(folder)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "samples.jsonl, line 9 is not valid JSON"),
        ('{"references": "one"}', "samples.jsonl, line 9: references must be a list of texts, got 'one'"),
        ('{"references": [], "id": 3}', "samples.jsonl, line 9: id must be a text, got 3"),
    ],
)
def test_a_wrong_sample_is_named_by_its_line(tmp_path: Path, write_run, line: str, sentence: str) -> None:
    folder = write_run(tmp_path / "run")
    with (folder / "samples.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=sentence):
        read_run(folder)


def test_finds_runs_in_and_below_folders_once(tmp_path: Path, write_run) -> None:
    sft = write_run(tmp_path / "sft")
    sweep = [write_run(tmp_path / "sweep" / name) for name in ("w=0", "w=0.1")]
    write_run(sft / "inner")  # what lies inside a run belongs to it
    assert find_runs([tmp_path]) == [sft, *sweep]
    assert find_runs([tmp_path / "sweep", sft, sweep[0]]) == [*sweep, sft]


def test_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no run"):
        find_runs([tmp_path])
    with pytest.raises(UserError, match="nowhere is not a folder"):
        find_runs([tmp_path / "nowhere"])


def test_order_names_and_labels(tmp_path: Path, write_run) -> None:
    runs = [
        read_run(write_run(tmp_path / "b" / "w=0.1", w=0.1)),
        read_run(write_run(tmp_path / "a" / "w=0.1", w=0.1)),
        read_run(write_run(tmp_path / "first" / "w=0", w=0.0)),
        read_run(write_run(tmp_path / "first" / "sft", objective="sft")),
    ]
    ordered = in_order(runs)
    assert names(ordered) == ["first/sft", "first/w=0", "a/w=0.1", "b/w=0.1"]
    assert labels(ordered) == ["sft", "w=0", "w=0.1 (a/w=0.1)", "w=0.1 (b/w=0.1)"]
    assert names(ordered[:3]) == ["sft", "w=0", "w=0.1"]


def test_a_model_that_was_only_evaluated_is_found_and_read(tmp_path: Path, write_run) -> None:
    """As it is before any training: it has no objective, no w, no time of training, and its folder is its name."""
    base = write_run(tmp_path / "chain" / "base", trained=False)
    sft, dpo = (write_run(tmp_path / "chain" / name, objective=name) for name in ("sft", "dpo"))
    write_run(sft / "again", trained=False)
    (tmp_path / "chain" / "report").mkdir()
    (tmp_path / "chain" / "scored").mkdir()  # a reward model's evaluation: it wrote nothing
    (tmp_path / "chain" / "scored" / "evaluation.json").write_text("{}")
    assert find_runs([tmp_path / "chain"]) == [base, dpo, sft] and find_runs([base]) == [base]
    run = read_run(base)
    assert (run.objective, run.w, run.seed, run.train_time_s, run.validation_accuracy) == (None,) * 5
    assert (run.documents, run.evaluation_time_s, len(run.samples)) == (8, 5.0, 8)
    runs = in_order(read_runs([dpo, sft, base]))
    assert names(runs) == labels(runs) == ["base", "sft", "dpo"], "as it was, taught, and taught to prefer"


def test_a_w_of_0_is_none_where_nothing_is_weighed(tmp_path: Path, write_run) -> None:
    """DPO at w = 0 has no w, unless it is one point of a sweep, of MODPO's too; MODPO always has one."""

    def shown(**objectives: float) -> dict[str, float | None]:
        folders = [
            write_run(tmp_path / "-".join(objectives) / name, objective=name.split("_")[0], w=w)
            for name, w in objectives.items()
        ]
        return {run.folder.name: run.w for run in read_runs(folders)}

    assert shown(dpo=0.0, ipo=0.0) == {"dpo": None, "ipo": None}
    assert shown(dpo=0.0, modpo=0.1) == {"dpo": 0.0, "modpo": 0.1}
    assert shown(dpo_1=0.0, dpo_2=0.1, simpo=0.0) == {"dpo_1": 0.0, "dpo_2": 0.1, "simpo": None}


def test_runs_on_other_documents_are_not_compared(tmp_path: Path, write_run) -> None:
    runs = [read_run(write_run(tmp_path / "a")), read_run(write_run(tmp_path / "b", documents=5))]
    with pytest.raises(UserError, match="different documents, 8 of synthetic/test and 5 of synthetic/test"):
        check_comparable(runs)
    with pytest.raises(UserError, match="no run to report"):
        check_comparable([])
