"""The card of a data set of pairs, README.md: a head that the Hub reads, and what a reader must know of the pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from summpo.datasets import Split
from summpo.synthesis.balance import Balance
from summpo.synthesis.output import PICTURE
from summpo.synthesis.stages import FunnelStage

SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))

CARD = """\
---
pretty_name: {name}
task_categories:
- summarization
tags:
- preference
- dpo
- synthetic
- summpo
size_categories:
- {size}
{configs}---

# {name}

{pairs} of summaries, written and judged by `{teacher}`: no human compared them. Made by summpo.

![What became of the documents]({picture})

| stage | came | passed | rejected |
|---|---|---|---|
{stages}

## The pairs

| split | pairs | documents | longer chosen | first chosen | longer is first | words (chosen, rejected) | scores |
|---|---|---|---|---|---|---|---|
{splits}

Words (in scripts without spaces: characters) are medians; scores are means, of 4 to 18. {confound}

Columns: `id`, `source` and `document` are the document's own; `chosen` and `rejected` are the summaries, `score_chosen`
and `score_rejected` what the teacher gave them, `explanation_chosen` and `explanation_rejected` why (empty where it did
not say), `chosen_written_first` the place of the chosen one. The documents keep the licences of their sources, and the
summaries come under the terms of the teacher.

## How they were made

| | |
|---|---|
{made}

## How to load them

```python
from datasets import load_dataset

pairs = load_dataset("{path}")  # the id on the Hub, or this folder
```

```bash
summpo inspect dataset=jsonl dataset.path={path}
python train.py objective=dpo dataset=jsonl dataset.path={path}
python train.py objective=modpo margin_reward=score w=0.1 dataset=jsonl dataset.path={path}
```
"""


@dataclass(frozen=True)
class TeacherUse:
    """What the teacher was asked and paid."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float | None
    """None where the price is not known."""
    dollars_maybe: float | None = None
    """Dollars at most, beside: of requests that may have been paid and brought no answer."""
    prompt_tokens_uncounted: int = 0
    """Those of prompt_tokens that the endpoint did not count: an upper bound, and so are the dollars then."""
    completion_tokens_uncounted: int = 0

    def as_record(self) -> dict[str, Any]:
        """For a manifest."""
        return dict(vars(self))


@dataclass(frozen=True)
class Synthesis:
    """What a card, a funnel and a manifest tell of a finished data set."""

    name: str
    """The data set's name, for people."""
    teacher: str
    """The model, as it was asked for."""
    mode: str
    """self_judged, two_step ..."""
    settings: Mapping[str, Any]
    """Settings of mode and filters: {"mode.temperature": 0.7, ...}."""
    prompts: Mapping[str, str]
    """The hash of each prompt."""
    stages: Sequence[FunnelStage]
    splits: Mapping[Split, Balance]
    spent: TeacherUse

    def as_record(self) -> dict[str, Any]:
        """For synthesize.json, plain data."""
        return {
            "teacher": self.teacher,
            "mode": self.mode,
            "prompts": dict(self.prompts),
            "stages": [stage.as_record() for stage in self.stages],
            "splits": {split: part.as_record() for split, part in self.splits.items()},
            "spent": self.spent.as_record(),
        }


def card(made: Synthesis, files: Mapping[Split, Path], path: str) -> str:
    """The text of README.md.

    Args:
        files: of each split; the card names them by their names, as they lie beside it.
        path: under which the data set is to be loaded: a Hub id or a folder.
    """
    total = sum(part.pairs for part in made.splits.values())
    return CARD.format(
        name=_flat(made.name),
        size=next((name for limit, name in SIZES if total < limit), "n>10M"),
        configs=_configs(files),
        pairs=f"{total:,} pair" + "s" * (total != 1),
        teacher=_flat(made.teacher),
        picture=PICTURE,
        stages="\n".join(map(_stage_row, made.stages)),
        splits="\n".join(_split_row(split, part) for split, part in made.splits.items()),
        confound=_confound(list(made.splits.values())),
        made="\n".join(f"| {name} | {value} |" for name, value in _made(made)),
        path=path,
    )


def _configs(files: Mapping[Split, Path]) -> str:
    """Which file is which split; nothing where there is none."""
    named = "".join(f"  - split: {split}\n    path: {file.name}\n" for split, file in files.items())
    return f"configs:\n- config_name: default\n  data_files:\n{named}" if named else ""


def _stage_row(stage: FunnelStage) -> str:
    reasons = ", ".join(f"{_flat(reason)} {count:,}" for reason, count in stage.rejected) or "none"
    return f"| {_flat(stage.name)} | {stage.came:,} | {stage.passed:,} | {reasons} |"


def _split_row(split: str, part: Balance) -> str:
    shares = " | ".join(f"{share:.1%}" for share in (part.longer_chosen, part.first_chosen, part.longer_first))
    words = f"{part.words_chosen:,.0f}, {part.words_rejected:,.0f}"
    scores = f"{part.score_chosen:.2f}, {part.score_rejected:.2f}"
    return f"| {split} | {part.pairs:,} | {part.documents:,} | {shares} | {words} | {scores} |"


def _confound(parts: Sequence[Balance]) -> str:
    """What the balance means for who trains on the pairs."""
    total = sum(part.pairs for part in parts)
    if total == 0:
        return "There is no pair."
    at_first = sum(part.longer_first * part.pairs for part in parts) / total
    if 0.1 < at_first < 0.9:
        return "The longer summary was written first or second by draw, so its place tells nothing of its length."
    place = "first" if at_first >= 0.5 else "second"
    return (
        f"The longer summary was nearly always written {place}: a liking of the teacher's for a place and one for a "
        "length cannot be told apart in these pairs."
    )


def _made(made: Synthesis) -> list[tuple[str, str]]:
    spent = made.spent
    cost = "price not known" if spent.dollars is None else f"{spent.dollars:,.2f} dollars"
    if spent.dollars_maybe:
        cost += f", and at most {spent.dollars_maybe:,.2f} that may have been paid for no answer"
    tokens = f"{spent.prompt_tokens:,} tokens read, {spent.completion_tokens:,} written"
    if uncounted := spent.prompt_tokens_uncounted + spent.completion_tokens_uncounted:
        tokens += f" (of which the endpoint did not count {uncounted:,}, an upper bound)"
    return [
        ("teacher", f"`{_flat(made.teacher)}`"),
        ("mode", f"`{_flat(made.mode)}`"),
        ("asked", f"{spent.requests:,} requests, {tokens}, {cost}"),
        *((f"prompt `{name}`", f"SHA-256 `{digest}`") for name, digest in made.prompts.items()),
        *((f"`{_flat(key)}`", f"`{_flat(json.dumps(value))}`") for key, value in made.settings.items()),
    ]


def _flat(text: str) -> str:
    """Text that breaks no table and no head: one line, no pipe, no backtick, no colon and space."""
    return " ".join(str(text).split()).replace("|", "/").replace("`", "'").replace(": ", " - ")
