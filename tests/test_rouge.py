"""ROUGE's scorer leaves stderr alone."""

import subprocess
import sys

import pytest

from summpo.rouge import rouge_scorer

TWO_COMMANDS = """
import contextlib, io, logging, logging.config
from summpo.rouge import rouge_scorer

logging.basicConfig(level=logging.INFO)
first = io.StringIO()
with contextlib.redirect_stderr(first):
    rouge_scorer("rouge1")
logging.config.dictConfig({"version": 1})
assert not first.closed and first.getvalue() == ""
"""


def test_only_the_kinds_asked_for_and_stemmed() -> None:
    found = rouge_scorer("rouge2").score("he walks home", "he walked home")
    assert list(found) == ["rouge2"] and found["rouge2"].fmeasure == pytest.approx(1.0)


def test_the_stderr_of_an_earlier_command_is_neither_closed_nor_written_to() -> None:
    """As in one process that evaluates, its stderr kept apart, and trains then: Hydra sets logging up anew."""
    done = subprocess.run([sys.executable, "-c", TWO_COMMANDS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
