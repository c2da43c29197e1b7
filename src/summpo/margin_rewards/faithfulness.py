"""Faithfulness: how far a summary's sentences are supported by its document."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from summpo.errors import require_field, require_number
from summpo.margin_rewards import Completions
from summpo.models import Model
from summpo.text.sentences import pieces_of, sentences_of, windows_of

if TYPE_CHECKING:
    from summpo.models.judges.encoders import Encoder

log = logging.getLogger(__name__)

EMBEDDED = "embedded"
KEY = "margin_reward.faithfulness"
WEAK = (
    "margin faithfulness: the embedded encoder compares topics (cosine of MiniLM embeddings), a weak proxy that judges "
    "no entailment; name an NLI model as margin_reward.faithfulness.path for that"
)


@dataclass(frozen=True)
class Faithfulness:
    """Mean over the summary's sentences of the most that any window of the document supports them.

    With an NLI model, support is P(entailment), 0 to 1 (SummaC-ZS, Laban et al., arXiv 2111.09525, with windows for
    sentences of the document). Embedded, it is the cosine of MiniLM's sentence embeddings, -1 to 1, A WEAK
    PROXY: it tells a summary of this document from one of another, but hardly "he paid" from "he did not pay".

    Windows are whole neighbouring sentences that together fill at most `window` tokens and do not overlap; a longer
    sentence, of a document or a summary, is cut into pieces that each count as one. A summary without a letter or digit
    has 0, and so has any summary of an empty document.
    """

    path: str = EMBEDDED
    """A natural language inference model, a Hub id or a folder, one of whose labels is an entailment. embedded needs no
    download, but is a WEAK PROXY: likeness of topic by MiniLM's sentence embeddings, which judges no entailment."""
    window: int = 64
    """Tokens, by the model's own tokenizer, of a window and of a summary's sentence, at most: two or three sentences,
    like the premises that NLI models are trained on."""
    batch_size: int = 32
    """Texts that the model reads side by side."""

    incidental: ClassVar[tuple[str, ...]] = ("batch_size",)

    def __post_init__(self) -> None:
        is_named = isinstance(self.path, str) and bool(self.path.strip())
        require_field("path", is_named, f"path must be {EMBEDDED}, a Hub id or a folder, got {self.path!r}")
        for name, value, low in (("window", self.window, 8), ("batch_size", self.batch_size, 1)):
            require_number(name, value, low=low)
            require_field(name, isinstance(value, int), f"{name} must be a whole number, got {value}")

    def rewards(self, completions: Completions) -> list[float]:
        """Each completion's support. The same window and sentence are compared once, whatever rows they come from.

        Raises:
            UserError: the model cannot be loaded, or two windows do not fit its positions.
        """
        if not completions.texts:
            return []
        from summpo.models.judges.encoders import token_counts

        encoder = self._load(completions.device)
        sentences = {text: sentences_of(text) for text in (*completions.documents, *completions.texts)}
        distinct = list(dict.fromkeys(sentence for found in sentences.values() for sentence in found))
        sizes = dict(zip(distinct, token_counts(distinct, encoder.tokenizer), strict=True))

        def size(text: str) -> int:
            if text not in sizes:
                (sizes[text],) = token_counts([text], encoder.tokenizer)
            return sizes[text]

        def pieces(text: str) -> list[str]:
            return [piece for sentence in sentences[text] for piece in pieces_of(sentence, self.window, size)]

        premises = {text: windows_of(pieces(text), self.window, size) for text in dict.fromkeys(completions.documents)}
        claims = {text: list(filter(_says_something, pieces(text))) for text in dict.fromkeys(completions.texts)}
        rows = list(zip(completions.documents, completions.texts, strict=True))
        pairs = list(dict.fromkeys((window, claim) for d, s in rows for claim in claims[s] for window in premises[d]))
        support = dict(zip(pairs, encoder.supports(pairs, self.window, self.batch_size), strict=True))
        return [_mean_of_best(premises[document], claims[summary], support) for document, summary in rows]

    def check(self, key: str) -> None:
        """The embedded encoder is installed, or what the path names on this disk is an NLI model that the window fits.

        Of a Hub id nothing can be known yet.
        """
        from summpo.models.weights.sources import check_paths

        if self.path == EMBEDDED:
            self._folder()
            log.info(WEAK)
            return
        folder = Path(self.path).expanduser()
        if folder.exists():
            self._check_model(folder, key)
        check_paths(Model(path=self.path), key)

    def fingerprint(self, cache_dir: Path | None) -> str:
        """The model's config and weights, and its tokenizer's files."""
        from summpo.models.judges.encoders import fingerprint_encoder

        return fingerprint_encoder(self._folder(), cache_dir)

    def _folder(self) -> Path:
        """The model's folder, checked; fetched where the path is a Hub id."""
        from summpo.models.judges.encoders import embedded_encoder
        from summpo.models.weights.sources import fetched

        folder = embedded_encoder(f"{KEY}.path") if self.path == EMBEDDED else fetched(Model(path=self.path), KEY)
        self._check_model(folder, KEY)
        return folder

    def _check_model(self, folder: Path, key: str) -> None:
        from summpo.models.judges.encoders import check_room, entailment_label

        if self.path != EMBEDDED:
            entailment_label(folder, f"{key}.path")
        check_room(folder, self.window, f"{key}.path", f"{key}.window")

    def _load(self, device: str) -> Encoder:
        from summpo.models.judges.encoders import load_embeddings, load_entailment

        folder = self._folder()
        if self.path == EMBEDDED:
            return load_embeddings(folder, device)
        return load_entailment(folder, f"{KEY}.path", device)


def _says_something(text: str) -> bool:
    """Whether there is a letter or a digit in it: a row of dashes claims nothing."""
    return any(character.isalnum() for character in text)


def _mean_of_best(windows: Sequence[str], claims: Sequence[str], support: Mapping[tuple[str, str], float]) -> float:
    """The mean over claims of the greatest support that a window gives; 0 without claims or windows."""
    if not windows or not claims:
        return 0.0
    return sum(max(support[window, claim] for window in windows) for claim in claims) / len(claims)
