"""What an evaluation leaves of its measures: each metric of each summary, its mean and interval, and how it was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from summpo.commands import main
from summpo.errors import UserError
from summpo.evaluation.bert_backbone import MINILM
from summpo.evaluation.bert_score import BERTSCORE_F1
from summpo.models.judges.encoders import embedded_encoder
from support.tiny_encoders import tiny_encoder

DOCUMENTS = [
    "The cat sat on the mat, and the dog sat on the cat.",
    "A longer text about cats and dogs.",
    "It is short.",
]
MEASURES = [f"eval/bertscore{how}_{part}" for how in ("", "_windows") for part in ("precision", "recall", "f1")]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", "Bert")


@pytest.fixture
def embedded() -> None:
    try:
        embedded_encoder("key")
    except UserError as absent:
        pytest.skip(str(absent))


@pytest.fixture
def common(tmp_path: Path, tiny_model_path: Path) -> list[str]:
    rows = [{"document": text, "summary": text[:9], "references": [text[:9], text]} for text in DOCUMENTS]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return ["evaluate", f"model.path={tiny_model_path}", f"cache_dir={tmp_path / 'cache'}", "dataset=jsonl",
            f"dataset.path={tmp_path / 'data'}", "tokens.max_length=512", "generation.max_new_tokens=8"]  # fmt: skip


def read(out: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lines = (out / "samples.jsonl").read_text("utf-8").splitlines()
    return json.loads((out / "evaluation.json").read_text("utf-8")), [json.loads(line) for line in lines]


def check_whole(evaluation: dict[str, Any], samples: Sequence[dict[str, Any]]) -> None:
    """Every metric has a value of each summary, the mean of these, and an interval around that."""
    metrics = evaluation["metrics"]
    assert list(metrics) == list(evaluation["intervals"])
    for name, mean in metrics.items():
        values = [sample["scores"][name] for sample in samples]
        assert mean == pytest.approx(sum(values) / len(values))
        low, high = evaluation["intervals"][name]
        assert min(values) - 1e-9 <= low <= mean + 1e-9 and mean - 1e-9 <= high <= max(values) + 1e-9


def test_every_metric_has_its_values_and_interval(common: list[str], encoder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = [f"bertscore.path={encoder}", "bertscore.layer=2", "margin_reward=[length,coverage]", f"output_dir={out}"]
    assert main([*common, *chosen]) == 0
    evaluation, samples = read(out)
    check_whole(evaluation, samples)
    assert {*MEASURES, "eval/rouge1", "eval/margin/length", "eval/margin/coverage"} <= set(evaluation["metrics"])
    assert [sample["scores"]["eval/margin/length"] for sample in samples] == [-s["length_tokens"] for s in samples]
    how = evaluation["bertscore"]
    assert (how["encoder"], how["layer"], how["rescaled"], how["limit"]) == (str(encoder), 2, False, 44)
    assert evaluation["made_from"]["bertscore"] == how["fingerprint"]
    assert set(evaluation["made_from"]["text_measures"]) == {"words", "sentences", "rouge"}


def test_by_default_the_embedded_encoder_named_as_what_it_is(
    common: list[str], tmp_path: Path, embedded: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*common, f"output_dir={tmp_path / 'out'}"]) == 0
    said = f"BERTScore by {MINILM}, layer 6, not rescaled: NOT comparable with published numbers"
    out = capsys.readouterr().out
    assert out.count(said) == 1 and "BERTScore F1 " in out
    evaluation, _ = read(tmp_path / "out")
    assert evaluation["bertscore"]["caveat"] == said and BERTSCORE_F1 in evaluation["metrics"]
    assert main([*common, f"output_dir={tmp_path / 'out'}"]) == 0
    assert "done already" in capsys.readouterr().out


def test_none_where_none_is_wanted(common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*common, "bertscore.path=null", f"output_dir={tmp_path / 'out'}"]) == 0
    evaluation, samples = read(tmp_path / "out")
    check_whole(evaluation, samples)
    assert evaluation["bertscore"] is None and not set(MEASURES) & set(evaluation["metrics"])
    assert "BERTScore" not in capsys.readouterr().out


def test_it_is_measured_again_where_the_encoder_has_changed(
    common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tiny_encoder(tmp_path / "encoder", "Bert")
    command = [*common, f"bertscore.path={own}", "bertscore.layer=2", f"output_dir={tmp_path / 'out'}"]
    for kind, done in (("Bert", 0), ("Bert", 1), ("Roberta", 0)):
        if kind == "Roberta":
            for file in own.iterdir():
                file.unlink()
            tiny_encoder(own, kind)
        capsys.readouterr()
        assert main(command) == 0
        assert capsys.readouterr().out.count("done already") == done


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("bertscore.path=./nowhere", "there is no file or folder nowhere"),
        ("bertscore.layer=0", "layer must be >= 1, got 0 (config key bertscore.layer)"),
        ("bertscore.layer=99", "layer must be at most"),
        ("bertscore.rescale=true", "rescale needs a baseline"),
        ("bertscore.colour=red", "unknown option bertscore.colour"),
    ],
)
def test_one_sentence_and_exit_code_2(
    common: list[str], tmp_path: Path, embedded: None, option: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*common, option, f"output_dir={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_long_documents(
    shared_data: Path, tiny_model_path: Path, tmp_path: Path, embedded: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """16,000 characters and more with up to four references: faithfulness reads whole documents, by windows."""
    lines = (shared_data / "long_documents" / "test.jsonl").read_text("utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    rows = sorted(rows, key=lambda row: (-len(row["references"]), len(row["document"])))[:2]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    command = ["evaluate", f"model.path={tiny_model_path}", f"cache_dir={tmp_path / 'cache'}", "dataset=jsonl",
               f"dataset.path={tmp_path / 'data'}", "tokens.max_length=512", "generation.max_new_tokens=8",
               "margin_reward=[faithfulness]", f"output_dir={tmp_path / 'out'}"]  # fmt: skip
    assert main(command) == 0
    evaluation, samples = read(tmp_path / "out")
    check_whole(evaluation, samples)
    assert [len(sample["references"]) for sample in samples] == [4, 4]
    assert evaluation["bertscore"]["long_references"] > 0
    assert -1 <= evaluation["metrics"]["eval/margin/faithfulness"] <= 1
    assert main(["compare", str(tmp_path / "out"), str(tmp_path / "out" / "..")]) == 2
    assert "evaluation.json is missing" in capsys.readouterr().err
