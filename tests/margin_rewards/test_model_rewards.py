"""Margin rewards that compute with models, and the runs that make those models, judged by plain transformers and PEFT."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from summpo.columns.freeze import essence_of
from summpo.commands import main
from summpo.commands.compose import compose_config
from summpo.errors import UserError
from summpo.margin_rewards import Completions
from summpo.margin_rewards.implicit import Implicit
from summpo.margin_rewards.reward_model import RewardModel
from summpo.models import Model
from summpo.models.weights.frozen import FrozenModels
from summpo.models.weights.merge import merge
from summpo.training.run import train
from support.command_lines import REPORT
from support.tiny import tiny_llama
from support.tiny_nli import tiny_nli
from support.train_runs import metrics_of, run, small, summary_of, write_splits

TEMPLATE = "\n\nParagraph:\n{document}\n\nTL;DR:\n"
ROWS = 6


@dataclass(frozen=True)
class Trial:
    """A reward model and a DPO adapter, trained on the same few pairs."""

    model: Path
    data: Path
    cache: Path
    reward_model: Path
    adapter: Path

    def settings(self, **changes: Any) -> list[str]:
        return small(self.model, self.data, self.cache, **changes)

    def rows(self, split: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.data / f"{split}.jsonl").read_text("utf-8").splitlines()]


def trained(folder: Path, settings: list[str]) -> dict[str, Any]:
    return train(compose_config("train", [*settings, f"output_dir={folder}"]), folder, {})


@pytest.fixture(scope="module")
def trial(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    root = tmp_path_factory.mktemp("models")
    data = write_splits(root / "data", train=8, validation=ROWS)
    more = {"trainer__max_epochs": 4, "validation__times": 1}
    trial = Trial(tiny_model_path, data, root / "cache", root / "rm", root / "dpo")
    trained(trial.reward_model, trial.settings(objective="reward_model", **more | {"trainer__max_epochs": 16}))
    trained(trial.adapter, trial.settings(objective="dpo", **more))
    return trial


def ids_of(tokenizer: Any, row: dict[str, str], side: str) -> tuple[list[int], list[int]]:
    prompt = tokenizer(TEMPLATE.replace("{document}", row["document"]))["input_ids"]
    return prompt, [*tokenizer(row[side])["input_ids"], tokenizer.eos_token_id]


@torch.no_grad()
def plain_score(model: Any, tokenizer: Any, row: dict[str, str], side: str) -> float:
    """One sequence, no padding, by transformers' own pooling."""
    prompt, completion = ids_of(tokenizer, row, side)
    return float(model(torch.tensor([prompt + completion])).logits[0, 0])


@torch.no_grad()
def plain_log_prob(model: Any, tokenizer: Any, row: dict[str, str], side: str) -> float:
    prompt, completion = ids_of(tokenizer, row, side)
    ids = torch.tensor([prompt + completion])
    log_probs = model(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return float(log_probs.gather(1, ids[0, len(prompt) :, None]).sum())


def new_margins(cache: Path, settings: list[str], folder: Path) -> np.ndarray:
    """The one column of margin rewards that a run with these settings stores."""
    before = set((cache / "columns" / "margins").glob("*/rewards.npy"))
    trained(folder, settings)
    (column,) = set((cache / "columns" / "margins").glob("*/rewards.npy")) - before
    return np.load(column)


class TestTheRewardModel:
    def test_its_validation_is_that_of_plain_transformers(self, trial: Trial) -> None:
        """Accuracy, loss and rewards of the merged folder, one sequence at a time."""
        out = trial.reward_model / "merged"
        if not out.exists():
            assert merge(Model(str(trial.model)), trial.reward_model / "adapter", out, "float32", trial.cache).is_new
        model = AutoModelForSequenceClassification.from_pretrained(out)
        tokenizer = AutoTokenizer.from_pretrained(out)
        assert model.config.num_labels == 1
        pairs = [
            [plain_score(model, tokenizer, row, side) for side in ("chosen", "rejected")]
            for row in trial.rows("validation")
        ]
        metrics = summary_of(trial.reward_model)["metrics"]
        expected = {
            "loss": np.mean([math.log(1 + math.exp(rejected - chosen)) for chosen, rejected in pairs]),
            "reward_accuracy": np.mean([chosen > rejected for chosen, rejected in pairs]),
            "reward_margin": np.mean([chosen - rejected for chosen, rejected in pairs]),
            "reward_chosen": np.mean([chosen for chosen, _ in pairs]),
            "reward_rejected": np.mean([rejected for _, rejected in pairs]),
        }
        for name, value in expected.items():
            assert metrics[f"val/{name}"] == pytest.approx(value, rel=1e-3, abs=1e-4), name
        assert not any("log_prob" in name or "implicit" in name for name in metrics)

    def test_learns_its_pairs(self, trial: Trial) -> None:
        """From a fresh head (a coin: ln 2 give or take) to the training pairs by heart."""
        rows = [row["train/loss"] for row in metrics_of(trial.reward_model) if row.get("train/loss")]
        assert float(rows[-1]) < 0.5 * math.log(2)

    def test_its_adapter_is_loaded_by_plain_peft(self, trial: Trial) -> None:
        base = AutoModelForSequenceClassification.from_pretrained(trial.model, num_labels=1)
        model = PeftModel.from_pretrained(base, str(trial.reward_model / "adapter")).eval()
        merged = AutoModelForSequenceClassification.from_pretrained(trial.reward_model / "merged")
        tokenizer, row = AutoTokenizer.from_pretrained(trial.model), trial.rows("train")[0]
        scores = [plain_score(each, tokenizer, row, "chosen") for each in (model, merged)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-4)
        card = (trial.reward_model / "adapter" / "README.md").read_text("utf-8")
        assert "AutoModelForSequenceClassification" in card and "scores summaries" in card

    def test_a_margin_is_taken_off_its_scores(self, trial: Trial, tmp_path: Path) -> None:
        """With the same weights (no step that changes them), the loss differs by the margin alone."""
        still = {"objective": "reward_model", "optimizer__lr": 1e-12, "trainer__max_steps": 1, "validation__times": 1}
        plain = trained(tmp_path / "plain", trial.settings(**still))["metrics"]
        weighed = trained(tmp_path / "weighed", trial.settings(**still, w=0.5))["metrics"]
        assert weighed["val/reward_margin"] == pytest.approx(plain["val/reward_margin"], abs=1e-6)
        assert weighed["val/weighted_margin"] != 0 and weighed["val/loss"] != pytest.approx(plain["val/loss"], abs=1e-3)

    def test_full_training_leaves_a_whole_classifier(self, trial: Trial, tmp_path: Path) -> None:
        settings = [
            s for s in trial.settings(objective="reward_model", trainer__max_steps=1) if not s.startswith("lora.")
        ]
        trained(tmp_path / "full", [*settings, "lora=null"])
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "full" / "model")
        assert model.config.num_labels == 1


class TestItsScoreAsAMargin:
    def test_is_recomputed_by_plain_transformers(self, trial: Trial, tmp_path: Path) -> None:
        settings = trial.settings(objective="modpo", w=0.3, trainer__max_steps=1, validation__times=0)
        path = trial.reward_model / "merged"
        chosen = ["margin_reward=reward_model", f"margin_reward.reward_model.path={path}"]
        chosen += ["margin_reward.reward_model.max_length=512"]
        column = new_margins(trial.cache, [*settings, *chosen], tmp_path / "run")
        model, tokenizer = AutoModelForSequenceClassification.from_pretrained(path), AutoTokenizer.from_pretrained(path)
        expected = [
            [plain_score(model, tokenizer, row, side) for side in ("chosen", "rejected")] for row in trial.rows("train")
        ]
        assert column.dtype == np.float32
        np.testing.assert_allclose(column, expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("form", ["continuation", "turns"])
    def test_long_documents_are_cut_at_their_end(self, trial: Trial, form: str) -> None:
        reward = RewardModel(str(trial.reward_model / "merged"), form=form, max_length=120)
        documents = ["the cat sat " * 200, "the cat sat " * 300]
        texts = ["a mat", "a mat"]
        one, other = reward.rewards(Completions(documents, texts, lambda texts: [1] * len(texts)))
        assert one == pytest.approx(other, abs=1e-5) and math.isfinite(one)

    def test_a_pair_of_texts_is_read_as_plain_transformers_reads_it(self, tmp_path: Path) -> None:
        """Token types and all; a document over max_length is cut, a summary over it named."""
        folder = tiny_nli(tmp_path / "bert", labels=("score",))
        file = folder / "tokenizer_config.json"
        names = {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}
        file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | names), "utf-8")
        model, tokenizer = (
            AutoModelForSequenceClassification.from_pretrained(folder),
            AutoTokenizer.from_pretrained(folder),
        )
        documents, texts = (
            ["the cat sat on the mat .", "a dog barked loudly " * 30],
            ["a cat sat .", "a dog ran away !"],
        )
        reward = RewardModel(str(folder), form="pair", max_length=64)
        reward.check("margin_reward.reward_model")
        found = reward.rewards(Completions(documents, texts, lambda texts: [1] * len(texts)))
        for document, text, score in zip(documents, texts, found, strict=True):
            encoded = tokenizer(document, text, truncation="only_first", max_length=64, return_tensors="pt")
            assert encoded["token_type_ids"].sum() > 0
            with torch.no_grad():
                assert score == pytest.approx(float(model(**encoded).logits[0, 0]), abs=1e-5)
        with pytest.raises(UserError, match="row r: the reward model would read"):
            reward.rewards(Completions(["a dog"], ["a cat " * 40], lambda texts: [1], ids=["r"]))
        with pytest.raises(UserError, match="max_length must be at most 64, the positions of"):
            RewardModel(str(folder), form="pair").check("margin_reward.reward_model")

    def test_turns_are_the_chat_templates_own(self, trial: Trial) -> None:
        path = trial.reward_model / "merged"
        model, tokenizer = AutoModelForSequenceClassification.from_pretrained(path), AutoTokenizer.from_pretrained(path)
        turns = [{"role": "user", "content": "About the cat"}, {"role": "assistant", "content": "It sat."}]
        ids = tokenizer(tokenizer.apply_chat_template(turns, tokenize=False), add_special_tokens=False)["input_ids"]
        reward = RewardModel(str(path), form="turns", template="About {document}", max_length=512)
        (found,) = reward.rewards(Completions(["the cat"], ["It sat."], lambda texts: [1]))
        with torch.no_grad():
            assert found == pytest.approx(float(model(torch.tensor([ids])).logits[0, 0]), abs=1e-5)

    def test_a_ready_prompt_is_read_as_it_is(self, trial: Trial) -> None:
        """As training reads it: no template around it."""
        path = trial.reward_model / "merged"
        model, tokenizer = AutoModelForSequenceClassification.from_pretrained(path), AutoTokenizer.from_pretrained(path)
        prompt = "Human: what of the cat? Assistant:"
        reward = RewardModel(str(path), max_length=512)
        (found,) = reward.rewards(Completions(["the cat"], [" It sat."], lambda texts: [1], prompts=[prompt]))
        ids = [*tokenizer(prompt)["input_ids"], *tokenizer(" It sat.")["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            assert found == pytest.approx(float(model(torch.tensor([ids])).logits[0, 0]), abs=1e-5)

    def test_its_column_knows_its_tokenizer_and_not_where_it_lies(self, trial: Trial, tmp_path: Path) -> None:
        first, second = tmp_path / "one", tmp_path / "two"
        for copy in (first, second):
            shutil.copytree(trial.reward_model / "merged", copy)
        keys = [
            RewardModel(str(path), batch_size=n, max_length=512).fingerprint(None)
            for path, n in ((first, 1), (second, 2))
        ]
        settings = [
            essence_of(RewardModel(str(path), batch_size=n, max_length=512)) for path, n in ((first, 1), (second, 2))
        ]
        assert keys[0] == keys[1] and settings[0] == settings[1]
        file = second / "tokenizer_config.json"
        file.write_text(file.read_text("utf-8").replace("<|im_end|>", "<|im_start|>"), "utf-8")
        assert RewardModel(str(second), max_length=512).fingerprint(None) != keys[0]
        (second / "chat_template.jinja").write_text("{{ messages[0].content }}", "utf-8")
        changed = RewardModel(str(second), max_length=512).fingerprint(None)
        (second / "chat_template.jinja").write_text("{{ messages[1].content }}", "utf-8")
        assert RewardModel(str(second), max_length=512).fingerprint(None) != changed

    def test_two_outputs_are_refused_at_the_door(self, trial: Trial, tmp_path: Path) -> None:
        """By its config alone: the weights are not read."""
        AutoModelForSequenceClassification.from_pretrained(trial.model, num_labels=2).save_pretrained(tmp_path / "two")
        for path, sentence in (
            (tmp_path / "two", "a reward model has one output, and"),
            (trial.model, "is no sequence classifier, but LlamaForCausalLM"),
            (tmp_path / "nowhere", "there is no file or folder"),
        ):
            with pytest.raises(UserError, match=sentence) as refusal:
                RewardModel(str(path), max_length=512).check("margin_reward.reward_model")
            assert "(config key margin_reward.reward_model.path)" in str(refusal.value)
        chosen = ["margin_reward=reward_model", f"margin_reward.reward_model.path={tmp_path / 'two'}", "w=0.1"]
        ended = run([*trial.settings(objective="modpo"), *chosen, f"output_dir={tmp_path / 'out'}"], tmp_path / "log")
        assert ended.code == 2 and "a reward model has one output" in ended.err and "Traceback" not in ended.err
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())

    def test_it_writes_nothing(self, trial: Trial, tmp_path: Path) -> None:
        """Neither its adapter nor its merged folder can be trained to write, and a writer's adapter cannot score."""
        merged = trial.reward_model / "merged"
        refused = [
            (
                ["objective=dpo", f"model.adapter={trial.reward_model / 'adapter'}"],
                "is a reward model's, which writes nothing",
            ),
            (["objective=dpo", f"model.path={merged}"], "is a reward model: it scores summaries and writes none"),
            (
                ["objective=reward_model", f"model.adapter={trial.adapter / 'adapter'}"],
                "has no head that scores summaries",
            ),
        ]
        for index, (changes, sentence) in enumerate(refused):
            ended = run([*trial.settings(), *changes, f"output_dir={tmp_path / str(index)}"], tmp_path / f"log{index}")
            assert ended.code == 2 and sentence in ended.err, ended.err


class TestAnotherAdaptersImplicitReward:
    def test_is_recomputed_by_plain_peft(self, trial: Trial, tmp_path: Path) -> None:
        """beta times (log pi_m - log ref), of the chosen and of the rejected."""
        settings = trial.settings(objective="modpo", w=1, trainer__max_steps=1, validation__times=0)
        chosen = ["margin_reward=implicit", f"margin_reward.implicit.adapter={trial.adapter / 'adapter'}"]
        column = new_margins(trial.cache, [*settings, *chosen, "margin_reward.implicit.beta=0.2"], tmp_path / "run")
        tokenizer, base = AutoTokenizer.from_pretrained(trial.model), AutoModelForCausalLM.from_pretrained(trial.model)
        rows, sides = trial.rows("train"), ("chosen", "rejected")
        of_base = np.array([[plain_log_prob(base, tokenizer, row, side) for side in sides] for row in rows])
        model = PeftModel.from_pretrained(base, str(trial.adapter / "adapter")).eval()
        of_adapter = np.array([[plain_log_prob(model, tokenizer, row, side) for side in sides] for row in rows])
        np.testing.assert_allclose(column, 0.2 * (of_adapter - of_base), rtol=1e-3, atol=1e-4)
        assert np.abs(column).max() > 0.1, "the adapter learnt something"

    def test_the_base_without_it_is_the_runs_reference(
        self, trial: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A frozen model's log-probs are one column, whoever asks for them: the base is scored once."""
        settings = trial.settings(
            objective="modpo", w=1, trainer__max_steps=1, validation__times=0, cache_dir=tmp_path / "fresh"
        )
        chosen = ["margin_reward=implicit", f"margin_reward.implicit.adapter={trial.adapter / 'adapter'}"]
        trained(tmp_path / "run", [*settings, *chosen])
        said = [line for line in capsys.readouterr().out.splitlines() if "reference log-probs of 8 rows" in line]
        assert [line.rpartition(" rows ")[2] for line in said] == ["computed and stored"] * 2 + ["read from the cache"]

    def test_an_evaluation_refuses_before_it_writes_a_summary(self, trial: Trial, tmp_path: Path) -> None:
        other = tiny_llama(tmp_path / "other", ["Quite another text.", "From which another vocabulary is learnt."])
        adapter = trial.adapter / "adapter"
        common = [f"model.path={other}", "dataset=jsonl", f"dataset.path={trial.data}", "split=validation"]
        chosen = ["margin_reward=implicit", f"margin_reward.implicit.adapter={adapter}", "w=1"]
        out = tmp_path / "out"
        more = ["tokens.max_length=512", "generation.max_new_tokens=4", f"cache_dir={trial.cache}", f"output_dir={out}"]
        assert main(["evaluate", *common, *chosen, *more]) == 2
        assert not list(out.glob("*"))

    def test_a_reward_models_adapter_has_none(self, trial: Trial) -> None:
        with pytest.raises(
            UserError, match=r"is a reward model's, which has no log-probs.*margin_reward.safer.adapter"
        ):
            Implicit(str(trial.reward_model / "adapter")).check("margin_reward.safer")

    def test_an_adapter_of_another_base_is_refused_before_anything_is_loaded(
        self, trial: Trial, tmp_path: Path
    ) -> None:
        other = tiny_llama(tmp_path / "other", ["Quite another text.", "From which another vocabulary is learnt."])
        settings = [*small(other, trial.data, trial.cache, objective="modpo", w=0.1), "margin_reward=implicit"]
        ended = run(
            [
                *settings,
                f"margin_reward.implicit.adapter={trial.adapter / 'adapter'}",
                f"output_dir={tmp_path / 'out'}",
            ],
            tmp_path / "log",
        )
        assert ended.code == 2, ended.err
        assert "was trained on another base" in ended.err and "margin_reward.implicit.adapter" in ended.err
        assert "columns:" not in ended.out

    def test_with_a_base_on_this_disk_it_is_refused_at_the_door(self, trial: Trial, tmp_path: Path) -> None:
        """By the files' headers and the base's bytes, without torch."""
        other = tiny_llama(tmp_path / "other", ["Quite another text.", "From which another vocabulary is learnt."])
        adapter = trial.adapter / "adapter"
        for key, more in (
            ("margin_reward.implicit.adapter", ["margin_reward=implicit", "w=0.1"]),
            ("model.adapter", []),
        ):
            settings = [*small(other, trial.data, trial.cache, objective="modpo"), *more, f"{key}={adapter}"]
            done = subprocess.run(
                [sys.executable, "-c", REPORT, "train", *settings, f"output_dir={tmp_path / 'out'}"],
                capture_output=True,
                text=True,
            )
            assert "loaded [] code 2" in done.stdout, done.stderr
            assert "was trained on another base" in done.stderr and f"(config key {key})" in done.stderr

    def test_two_adapters_stand_on_one_base(self, trial: Trial) -> None:
        """By name: each gives its own numbers whoever was asked before, and the base gives its own between them."""
        models, device = FrozenModels(trial.cache), torch.device("cpu")
        ids, seen = torch.arange(9)[None] + 3, []
        bases = set()
        adapters = [str(trial.adapter / "adapter"), None, str(trial.adapter / "checkpointed"), None]
        PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(trial.model), str(trial.adapter / "adapter")
        ).save_pretrained(trial.adapter / "checkpointed")
        for adapter in adapters:
            with torch.no_grad(), models.on(Model(str(trial.model), adapter=adapter), device) as model:
                seen.append(model(ids).logits)
                bases.add(id(models._loaded.get_base_model()))
        plain = AutoModelForCausalLM.from_pretrained(trial.model)(ids).logits
        assert len(bases) == 1
        for place in (1, 3):
            torch.testing.assert_close(seen[place], plain)
        torch.testing.assert_close(seen[0], seen[2])
        assert not torch.allclose(seen[0], plain, atol=1e-3)
