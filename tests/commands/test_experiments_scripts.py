"""The studies' own programs: what is not there is told in one sentence, exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [([], "usage: python "), (["nowhere"], "compare.py: nowhere holds no evaluated run (sft, dpo, ")],
)
def test_compare(arguments: list[str], says: str, repository: Path, tmp_path: Path) -> None:
    script = repository / "experiments" / "tldr_objectives" / "compare.py"
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(says) and done.stderr.count("\n") == 1
