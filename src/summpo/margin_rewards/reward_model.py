"""A reward model's score: any sequence classifier with one output, a run's own or the Hub's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from summpo.errors import require_choice, require_number
from summpo.margin_rewards import Completions
from summpo.models import Model
from summpo.prompts import Prompt

FORMS = ("template", "chat", "pair")


@dataclass(frozen=True)
class RewardModel:
    """The model's one number for a document with its summary, in whatever unit it was trained to."""

    path: str
    """A Hub id or a folder of transformers' *ForSequenceClassification with one output (RUN/merged)."""
    form: str = "template"
    """How it reads them: template (prompt and summary as one text), chat (as its chat template's turns), or pair (two
    texts, as encoders take them)."""
    template: str = Prompt.template
    """The text around the document; the one that the reward model was trained with."""
    max_length: int = 1024
    """Tokens at most; the document's end is cut to fit."""
    batch_size: int = 16

    def __post_init__(self) -> None:
        Prompt(self.template)
        require_choice("margin_reward.reward_model.form", self.form, FORMS)
        require_number("margin_reward.reward_model.max_length", self.max_length, low=8)
        require_number("margin_reward.reward_model.batch_size", self.batch_size, low=1)

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's score.

        Raises:
            UserError: the model cannot be loaded, or a summary leaves no room for its document.
        """
        from summpo.models.scorers import load_reward_model

        scorer = load_reward_model(self._folder(), completions.device)
        prompt = Prompt(self.template, chat=self.form == "chat")
        if self.form == "pair":
            sequences = scorer.as_pairs(completions.documents, completions.texts, self.max_length)
        else:
            sequences = scorer.as_continuations(completions.documents, completions.texts, prompt, self.max_length)
        return scorer.scores(sequences, self.batch_size)

    def check(self) -> None:
        """What the path names on this disk is a sequence classifier with one output."""
        from summpo.models.scorers import check_reward_model
        from summpo.models.sources import check_paths

        folder = check_paths(Model(path=self.path), "margin_reward.reward_model")
        if folder is not None:
            check_reward_model(folder, "margin_reward.reward_model.path")

    def fingerprint(self, cache_dir: Path | None) -> str:
        """The model's config and weights."""
        from summpo.models.fingerprints import fingerprint_weights

        return fingerprint_weights(self._folder(), cache_dir)

    def _folder(self) -> Path:
        """The model's folder; fetched where the path is a Hub id."""
        from summpo.models.scorers import check_reward_model
        from summpo.models.sources import fetched

        folder = fetched(Model(path=self.path), "margin_reward.reward_model")
        check_reward_model(folder, "margin_reward.reward_model.path")
        return folder
