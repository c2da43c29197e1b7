"""A reward model's score: any sequence classifier with one output, a run's own or the Hub's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from summpo.errors import require_choice, require_field, require_number
from summpo.margin_rewards import Completions
from summpo.models import Model
from summpo.text.prompts import PLACEHOLDER, Prompt

FORMS = ("continuation", "turns", "pair")
KEY = "margin_reward.reward_model"


@dataclass(frozen=True)
class RewardModel:
    """The model's one number for a document with its summary, in whatever unit it was trained to."""

    path: str
    """A Hub id or a folder of transformers' *ForSequenceClassification with one output (RUN/merged of
    objective=reward_model)."""
    form: str = "continuation"
    """How the model reads document and summary: continuation (prompt, summary, its end: as objective=reward_model
    trains), turns (user and assistant in its chat template, as most of the Hub's), or pair (two texts, as encoders
    take them)."""
    template: str = Prompt.template
    """The text around the document, as the reward model was trained; a row's ready prompt is taken as it is."""
    chat: bool = False
    """For continuation: whether the chat template goes around the prompt, as prompt.chat in the model's training."""
    system: str | None = None
    """The system's line of the chat template."""
    max_length: int = 1024
    """Tokens at most; the document's end is cut to fit."""
    batch_size: int = 16
    """Texts that the model reads side by side."""

    incidental: ClassVar[tuple[str, ...]] = ("path", "batch_size")

    def __post_init__(self) -> None:
        require_choice("form", self.form, FORMS)
        has_place = self.template.count(PLACEHOLDER) == 1
        require_field("template", has_place, f"the template must hold {PLACEHOLDER} once, got {self.template!r}")
        may_have_system = self.system is None or self.chat or self.form == "turns"
        require_field("system", may_have_system, "a system line needs the chat template: chat=true or form=turns")
        require_number("max_length", self.max_length, low=8)
        require_number("batch_size", self.batch_size, low=1)

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's score.

        Raises:
            UserError: the model cannot be loaded, or a summary leaves no room for its document.
        """
        from summpo.models.judges.scorers import Text, load_reward_model

        scorer = load_reward_model(self._folder(), completions.device, self.max_length)
        prompt = Prompt(self.template, self.chat or self.form == "turns", self.system)
        count = len(completions.texts)
        ids, prompts = completions.ids or ["?"] * count, completions.prompts or [None] * count
        texts = [Text(*each) for each in zip(ids, completions.documents, prompts, completions.texts, strict=True)]
        read = {
            "continuation": lambda text: scorer.continuation(text, prompt),
            "turns": lambda text: scorer.turns(text, prompt),
            "pair": scorer.pair,
        }[self.form]
        return scorer.scores([read(text) for text in texts], self.batch_size)

    def check(self, key: str) -> None:
        """What the path names on this disk is a sequence classifier with one output, and reads so many tokens."""
        from summpo.models.judges.scorers import check_reward_model
        from summpo.models.weights.sources import check_paths

        folder = Path(self.path).expanduser()
        if folder.is_dir():
            check_reward_model(folder, self.max_length, key)
        check_paths(Model(path=self.path), key)

    def fingerprint(self, cache_dir: Path | None) -> str:
        """The model's config and weights, and its tokenizer's files."""
        from summpo.models.judges.encoders import fingerprint_encoder

        return fingerprint_encoder(self._folder(), cache_dir)

    def _folder(self) -> Path:
        """The model's folder, checked; fetched where the path is a Hub id."""
        from summpo.models.judges.scorers import check_reward_model
        from summpo.models.weights.sources import fetched

        folder = fetched(Model(path=self.path), KEY)
        check_reward_model(folder, self.max_length, KEY)
        return folder
