"""Preference rows as messages against TRL: the same shared prompt, and the same answers.

Needs the extra `bench`; run with `pytest -m bench`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from summpo.datasets.jsonl import Jsonl

trl_data = pytest.importorskip("trl.data_utils", reason="needs the extra bench (TRL)")
pytestmark = pytest.mark.bench

USER, MORE = {"role": "user", "content": "Summarise: a text."}, {"role": "user", "content": "Longer."}
SYSTEM, SAID = {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "Text."}
GOOD, BAD = {"role": "assistant", "content": "A text."}, {"role": "assistant", "content": "Words."}


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"chosen": [SYSTEM, USER, SAID, MORE, GOOD], "rejected": [SYSTEM, USER, SAID, MORE, BAD]},
        {"prompt": "Summarise: a text.", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": [SYSTEM, USER], "chosen": [GOOD], "rejected": [BAD]},
    ],
)
def test_the_shared_prompt_is_that_of_trl(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (pair,) = Jsonl(path=str(tmp_path / "rows.jsonl"), validation_fraction=0, test_fraction=0).pairs("train")
    assert pair.messages is not None
    ours = {
        "prompt": [{"role": turn.role, "content": turn.content} for turn in pair.messages],
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }
    assert ours == {name: trl_data.maybe_extract_prompt(row)[name] for name in ours}
