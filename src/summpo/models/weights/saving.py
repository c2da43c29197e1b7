"""Folders that appear whole or not at all, and a model saved into one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from summpo.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FULL_CARD = """\
---
library_name: transformers
pipeline_tag: {tag}
tags: [summpo]
---

# A language model that {does}

{story} Made by summpo.

```python
from transformers import {kind}, AutoTokenizer

model = {kind}.from_pretrained("{name}")  # this folder
tokenizer = AutoTokenizer.from_pretrained("{name}")
```
"""


def save_full(
    model: PreTrainedModel,
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    story: str = "All weights were trained.",
    more: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Saves config, weights, generation config, tokenizer and a model card, in place of what stood in `folder`.

    Args:
        story: how the weights came about, for the card.
        more: files to lay beside, text by name.

    Raises:
        UserError: where the folder cannot be written; what stood there before still stands.
    """
    from summpo.models.weights.loading import is_scorer, quiet

    card = FULL_CARD.format(story=story, name=folder.name, **card_words(is_scorer(model)))
    with whole_folder(folder) as partial, quiet():
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        for name, text in {"README.md": card, **more}.items():
            (partial / name).write_text(text, "utf-8")


def card_words(scores: bool) -> dict[str, str]:
    """What a model card says of a model that scores summaries, or of one that writes them."""
    if scores:
        return {"tag": "text-classification", "does": "scores summaries", "kind": "AutoModelForSequenceClassification",
                "more": ", num_labels=1"}  # fmt: skip
    return {"tag": "summarization", "does": "summarises", "kind": "AutoModelForCausalLM", "more": ""}


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to write into that takes the place of `target` once the block ends well, and vanishes otherwise.

    One process writes a target at a time; the remains of one that was killed are cleared by the next.

    Raises:
        UserError: where the disk refuses.
    """
    partial = target.with_name(f".{target.name}.partial")
    former = target.with_name(f".{target.name}.former")
    try:
        with writing(target):
            shutil.rmtree(partial, ignore_errors=True)
            if former.exists() and not target.exists():  # killed between the two renames below
                former.rename(target)
            partial.mkdir(parents=True)
            yield partial
            for file in partial.iterdir():
                # safetensors makes files that only their owner reads
                file.chmod(partial.stat().st_mode & 0o666)
            if target.exists():
                shutil.rmtree(former, ignore_errors=True)
                target.rename(former)
            partial.rename(target)
            shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Makes one sentence of what the disk raises.

    Raises:
        UserError: "cannot write {target}: {why}".
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot write {target}: {why}") from error
