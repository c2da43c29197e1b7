"""rouge-score's scorer, without the noise and the hold on stderr of its logging library, absl."""

from __future__ import annotations

import logging
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer


@lru_cache
def rouge_scorer(*kinds: str) -> RougeScorer:
    """A scorer of rouge1, rouge2 or rougeL, words stemmed."""
    # Here because it loads nltk, half a second that a configuration error need not wait for.
    from absl.logging import get_absl_handler
    from rouge_score.rouge_scorer import RougeScorer

    logging.getLogger("absl").setLevel(logging.WARNING)  # rouge-score announces its tokenizer each time
    # absl keeps the sys.stderr of its import. Hydra's start closes all log handlers, and absl's then closes that stream
    # too where sys.stderr is another by now: a caller's, who had put it there for one command.
    get_absl_handler().python_handler.stream = sys.__stderr__
    return RougeScorer(list(kinds), use_stemmer=True)
