"""Which encoder BERTScore takes: names that are known, what has to be said of others, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from summpo.errors import UserError
from summpo.evaluation.bert_backbone import MINILM, PUBLISHED_BASELINE, BertScore, read_baseline
from summpo.evaluation.bert_score import BertScorer, bert_scores
from summpo.models.judges import encoders
from support.tiny_encoders import tiny_encoder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny", "Bert")


@pytest.fixture
def embedded() -> None:
    try:
        encoders.embedded_encoder("key")
    except UserError as absent:
        pytest.skip(str(absent))


def scorer(path: Path | str, **settings: Any) -> BertScorer:
    found = BertScore(str(path), **settings).scorer(None)
    assert found is not None
    return found


def refusal(path: Path | str, **settings: Any) -> str:
    with pytest.raises(UserError) as refused:
        scorer(path, **settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


class TestKnown:
    def test_embedded_is_named_and_not_as_published(self, embedded: None) -> None:
        for path in ("embedded", "auto"):
            found = scorer(path)
            assert (found.name, found.layer, found.baseline, found.published) == (MINILM, 6, None, False)
            assert (
                found.caveat == f"BERTScore by {MINILM}, layer 6, not rescaled: NOT comparable with published numbers"
            )

    def test_auto_without_the_package_says_so_and_embedded_refuses(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(encoders, "_EMBEDDED_PACKAGE", "no_such_package")
        assert BertScore().scorer(None) is None
        said = capsys.readouterr().out
        assert (
            said.startswith("BERTScore is not measured: the embedded encoder is not installed")
            and said.count("\n") == 1
        )
        assert "not installed" in refusal("embedded")

    def test_none_is_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert BertScore(None).scorer(None) is None
        assert capsys.readouterr().out == ""

    def test_the_published_one(self, tmp_path: Path) -> None:
        """Known by its name and its 48 layers; another layer, idf or no rescaling is not what is published."""
        folder = tiny_encoder(tmp_path / "microsoft" / "deberta-xlarge-mnli", "Deberta", layers=48)
        found = scorer(folder)
        assert (found.layer, found.baseline, found.published, found.caveat) == (40, PUBLISHED_BASELINE, True, "")
        for settings in ({"idf": True}, {"rescale": False}, {"layer": 39}):
            other = scorer(folder, **settings)
            assert not other.published and "NOT comparable" in other.caveat
        assert "none is known for layer 39" in refusal(folder, layer=39, rescale=True)
        assert "layer is required" in refusal(tiny_encoder(tmp_path / "deberta-xlarge-mnli", "Deberta", layers=3))

    def test_its_baseline_is_the_official_packages(self) -> None:
        official = pytest.importorskip("bert_score", reason="the official package bert-score is not installed")
        file = Path(official.__file__).parent / "rescale_baseline" / "en" / "microsoft" / "deberta-xlarge-mnli.tsv"
        assert read_baseline(file, 40) == PUBLISHED_BASELINE

    def test_as_the_official_package_measures_it(self, tmp_path: Path) -> None:
        """Depth, layer, kind of positions and rescaling are those of the published numbers; the weights are random."""
        official = pytest.importorskip("bert_score", reason="the official package bert-score is not installed")
        file = Path(official.__file__).parent / "rescale_baseline" / "en" / "microsoft" / "deberta-xlarge-mnli.tsv"
        folder = tiny_encoder(tmp_path / "deberta-xlarge-mnli", "Deberta", layers=48, model_max_length=44)
        summaries, references = (
            ["the cat sat on the mat", "a dog ran " * 9],
            ["the cat slept", "it barked and ran away"],
        )
        (*_, theirs) = official.score(
            summaries,
            references,
            str(folder),
            40,
            rescale_with_baseline=True,
            lang="en",
            baseline_path=str(file),
            batch_size=1,
        )
        found = bert_scores(scorer(folder), summaries, [[one] for one in references], "cpu")
        assert found.columns["eval/bertscore_f1"] == pytest.approx(theirs.tolist(), abs=1e-4)


class TestOthers:
    def test_the_layer_has_to_be_said(self, tiny: Path) -> None:
        assert refusal(tiny) == (
            f"layer is required: which of the hidden layers of {tiny}, 1 to 3, to compare tokens by "
            "(config key bertscore.layer)"
        )
        assert "layer must be at most 3, got 4" in refusal(tiny, layer=4)
        found = scorer(tiny, layer=2)
        assert (found.name, found.layer, found.baseline, found.published) == (str(tiny), 2, None, False)

    def test_the_fingerprint_is_the_weights(self, tiny: Path, tmp_path: Path) -> None:
        assert scorer(tiny, layer=1).fingerprint == scorer(tiny, layer=2).fingerprint
        other = tiny_encoder(tmp_path / "other", "Roberta")
        assert scorer(tiny, layer=1).fingerprint != scorer(other, layer=1).fingerprint

    def test_a_baseline_from_a_file(self, tiny: Path, tmp_path: Path) -> None:
        file = tmp_path / "tiny.tsv"
        file.write_text("LAYER,P,R,F\n1,0.1,0.2,0.15\n2,0.3,0.4,0.35\n")
        assert scorer(tiny, layer=2, baseline=str(file)).baseline == (0.3, 0.4, 0.35)
        assert scorer(tiny, layer=2, baseline=str(file), rescale=False).baseline is None
        assert "rescaled" in scorer(tiny, layer=2, baseline=str(file)).caveat
        assert "rescale needs a baseline" in refusal(tiny, layer=2, rescale=True)
        for text, words in (
            ("LAYER,P,R,F\n1,0.1,0.2,0.15\n", "has no baseline of layer 2"),
            ("a,b\n2,3\n", "has no baseline of layer 2"),
            ("LAYER,P,R\n2,0.1,0.2\n", "must have a number in each of the columns P, R and F"),
            ("LAYER,P,R,F\n2,0.1,x,0.15\n", "must have a number in each"),
            ("LAYER,P,R,F\n2,0.1\n", "must have a number in each"),
            ("LAYER,P,R,F\n2,0.1,1.0,0.15\n", "must be below 1"),
            ("LAYER,P,R,F\n2,0.1,nan,0.15\n", "must be below 1"),
        ):
            file.write_text(text)
            said = refusal(tiny, layer=2, baseline=str(file))
            assert str(file) in said and words in said and said.endswith("(config key bertscore.baseline)")
        assert "cannot be read as baselines" in refusal(tiny, layer=2, baseline=str(tmp_path / "none"))
        file.write_bytes(b"\xff\xfe")
        assert "cannot be read as baselines" in refusal(tiny, layer=2, baseline=str(file))

    def test_paths(self, tmp_path: Path, tiny_model_path: Path) -> None:
        key = "(config key bertscore.path)"
        assert refusal("./nowhere").startswith("there is no file or folder nowhere") and refusal("./nowhere").endswith(
            key
        )
        assert "holds no config.json" in refusal(tmp_path) and refusal(tmp_path).endswith(key)

    def test_values(self) -> None:
        for settings, key in (
            ({"path": " "}, "path"),
            ({"path": 3}, "path"),
            ({"baseline": ""}, "baseline"),
            ({"layer": 0}, "layer"),
            ({"layer": 1.5}, "layer"),
            ({"batch_size": 0}, "batch_size"),
            ({"batch_size": None}, "batch_size"),
        ):
            with pytest.raises(UserError, match=rf"\(config key bertscore\.{key}\)"):
                BertScore(**settings)  # type: ignore[arg-type]


def test_it_imports_nothing_heavy(tiny: Path) -> None:
    code = (
        "import sys\n"
        "from summpo.evaluation.bert_backbone import BertScore\n"
        f"BertScore({str(tiny)!r}, layer=2).scorer(None)\n"
        "print(sorted({'torch', 'transformers', 'bert_score', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
