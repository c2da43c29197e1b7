"""ROUGE: rouge-score's arithmetic, for any script.

Words are those of rouge-score wherever it can read them: runs of a to z and 0 to 9, stemmed as English where longer
than three characters. It drops every other letter, and so cuts "für" into f and r, and finds no word in Chinese; here
letters of other scripts, and with accents, belong to words too (`words.letters_of`), unstemmed. Where a text has no
such letter the values are rouge-score's own, to the last digit.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from summpo.text.sentences import sentences_of
from summpo.text.words import letters_of

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import Score

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
"""rougeL takes a text as one sequence; rougeLsum sentence by sentence, as papers on CNN/DailyMail report."""

RULE = (
    "rouge-score's arithmetic on runs of letters and digits: those of a to z and 0 to 9 are rouge-score's, stemmed; "
    "letters of other scripts and with accents belong to words, unstemmed; in scripts written without spaces each "
    "character is a word"
)
"""What is measured, for those who read the numbers."""


@dataclass(frozen=True)
class SummaryScorer:
    """Scores a summary by the kinds that it was made for."""

    scorer: RougeScorer
    by_sentence: bool
    """Whether one of the kinds needs sentences: rouge-score takes each line as one."""

    def score(self, reference: str, summary: str) -> dict[str, Score]:
        """Precision, recall and F-measure of each kind."""
        return self.scorer.score(self._lines(reference), self._lines(summary))

    def score_multi(self, references: Sequence[str], summary: str) -> dict[str, Score]:
        """The same against the best of several references, by the F-measure of each kind."""
        return self.scorer.score_multi([self._lines(reference) for reference in references], self._lines(summary))

    def _lines(self, text: str) -> str:
        return "\n".join(sentences_of(text)) if self.by_sentence else text


@dataclass(frozen=True)
class RougeTokenizer:
    """What rouge-score takes for a tokenizer."""

    own: Callable[[str], list[str]]
    """rouge-score's own, of a word that it can read: the word stemmed."""

    def tokenize(self, text: str) -> list[str]:
        """The words in order."""
        return [known for word in letters_of(text) for known in (self.own(word) if word.isascii() else (word,))]


@lru_cache
def rouge_scorer(*kinds: str) -> SummaryScorer:
    """A scorer of the kinds."""
    # Here because it loads nltk, half a second that a configuration error need not wait for.
    from absl.logging import get_absl_handler
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer

    logging.getLogger("absl").setLevel(logging.WARNING)  # rouge-score announces its tokenizer each time
    # absl keeps the sys.stderr of its import. Hydra's start closes all log handlers, and absl's then closes that stream
    # too where sys.stderr is another by now: a caller's, who had put it there for one command.
    get_absl_handler().python_handler.stream = sys.__stderr__
    stemmed = lru_cache(2**16)(DefaultTokenizer(use_stemmer=True).tokenize)  # the same words come again and again
    return SummaryScorer(RougeScorer(list(kinds), tokenizer=RougeTokenizer(stemmed)), "rougeLsum" in kinds)
