"""What a finished file was made from: whether it is done already, or something under it has changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from summpo.errors import UserError
from summpo.models import Model
from summpo.models.weights.fingerprints import fingerprint_adapter, fingerprint_weights, fingerprint_writing
from summpo.models.weights.sources import resolve
from summpo.runs.run_folder import first_difference, settings
from summpo.text.rows import SummaryRow, prompt_in_plain


def rows_fingerprint(rows: Sequence[SummaryRow]) -> str:
    """What the documents and their references are, as hex."""
    text = json.dumps([[row.id, row.document, prompt_in_plain(row), row.summary, *row.references] for row in rows])
    return sha256(text.encode()).hexdigest()


def model_fingerprints(model: Model, cache: Path) -> dict[str, str | None]:
    """What the weights, the adapter, and the tokenizer with the ends of a text are, as hex, and which summpo writes.

    Downloads or converts the model where that is yet to be done.
    """
    folder = resolve(model, cache)
    return {
        "model": fingerprint_weights(folder, cache),
        "adapter": fingerprint_adapter(Path(model.adapter)) if model.adapter else None,
        "tokenizer_and_ends": fingerprint_writing(folder),
        "summpo": version("summpo"),
    }


def is_finished(file: Path, config: dict[str, Any], made_from: dict[str, Any]) -> bool:
    """Whether `file` was made with these settings from these inputs, and the files that it names lie beside it."""
    try:
        record = json.loads(file.read_text("utf-8"))
        is_same = record["config"] == json.loads(json.dumps(config)) and record["made_from"] == made_from
        return is_same and all((file.parent / name).exists() for name in record.get("files", ()))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def require_same_documents(file: Path, config: dict[str, Any]) -> None:
    """Refuses to write over summaries of other documents; with other settings, or more or fewer, they are made anew.

    Raises:
        UserError: naming what was summarised there.
    """
    try:
        was = documents_named(json.loads(file.read_text("utf-8"))["config"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    other = first_difference(settings(was), settings(documents_named(config)))
    if other is not None:
        key, before, after = other
        raise UserError(
            f"{file} is of {key}={before}, not {after}: choose another output_dir, or remove the file where it is not "
            "needed any more"
        )


def documents_named(config: dict[str, Any]) -> dict[str, Any]:
    """The settings that say whose documents these are, however many of them."""
    if config.get("input") is not None:
        return {"input": config["input"]}
    return {"split": config["split"], "dataset": {**config["dataset"], "limit": None}}
