"""CPU seconds of making token rows: TRL's `_prepare_dataset` beside `tokenize`, of all real comparisons."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from transformers import PreTrainedTokenizerBase

from clock import Clock
from pairs import NO_LIMIT, comparisons
from setting import Setting
from summpo.records import TokenRows
from summpo.text.prompts import Prompt
from summpo.text.rows import PairRow
from summpo.text.tokens import tokenize
from table import Row, times


def rows(folder: Path, setting: Setting) -> list[Row]:
    """Comparisons as they are, several a post; and as many that share no text, where no text is encoded twice."""
    pairs, tokenizer = comparisons(folder), setting.base.tokenizer()
    return [
        measure("as they are", pairs, tokenizer, "3.3x, equal ids"),
        measure("no text shared", apart(pairs), tokenizer, ""),
    ]


def apart(pairs: Sequence[PairRow]) -> list[PairRow]:
    """The same pairs, no two of which have a text in common."""
    texts = ("document", "chosen", "rejected")
    return [replace(pair, **{name: f"{i} {getattr(pair, name)}" for name in texts}) for i, pair in enumerate(pairs)]


def measure(what: str, pairs: Sequence[PairRow], tokenizer: PreTrainedTokenizerBase, goal: str) -> Row:
    """One pass of each; the ids are the same."""
    made: dict[str, Any] = {}
    clock = Clock("cpu")
    columns = as_columns(pairs)
    theirs = clock.seconds(lambda: made.update(trl=trl_tokens(columns, tokenizer)))
    ours = clock.seconds(lambda: made.update(summpo=tokenize(pairs, tokenizer, Prompt(), NO_LIMIT)))
    kept = made["summpo"].kept
    assert_same_ids(made["trl"].select(kept), made["summpo"].rows)
    return Row(
        f"tokenisation, {len(pairs):,} comparisons, {what}, one pass of each",
        "TRL",
        f"{theirs:.2f} {clock.unit}",
        f"{ours:.2f} {clock.unit}, equal ids",
        times(theirs / ours),
        goal,
    )


def as_columns(pairs: Sequence[PairRow]) -> list[dict[str, str]]:
    """The pairs as TRL reads them."""
    prompt = Prompt()
    return [{"prompt": prompt.around(p.document), "chosen": p.chosen, "rejected": p.rejected} for p in pairs]


def trl_tokens(columns: list[dict[str, str]], tokenizer: PreTrainedTokenizerBase) -> Any:
    """A data set with prompt_ids, chosen_ids and rejected_ids."""
    import trl

    from datasets import Dataset

    settings = trl.DPOConfig(
        output_dir=tempfile.gettempdir(), max_length=None, bf16=False, report_to="none", use_cpu=True
    )
    holder: Any = SimpleNamespace(_tokenizer=tokenizer)
    return trl.DPOTrainer._prepare_dataset(holder, Dataset.from_list(columns), tokenizer, settings, "train")


def assert_same_ids(theirs: Any, ours: TokenRows) -> None:
    """Raises AssertionError where a row differs."""
    assert len(theirs) == len(ours)
    for i, example in enumerate(theirs):
        own = [column[i].tolist() for column in (ours.prompts, *ours.completions)]
        assert own == [example["prompt_ids"], example["chosen_ids"], example["rejected_ids"]], f"row {ours.ids[i]}"
