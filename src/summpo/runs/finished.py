"""What a finished file was made from: whether it is done already, or something under it has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from summpo.errors import UserError
from summpo.files.provenance import Provenance, differences, read_record_if_whole
from summpo.models import Model
from summpo.models.weights.fingerprints import fingerprint_adapter, fingerprint_weights, fingerprint_writing
from summpo.models.weights.sources import resolve
from summpo.text.rows import SummaryRow, prompt_in_plain


def rows_fingerprint(rows: Sequence[SummaryRow]) -> str:
    """What the documents and their references are, as hex."""
    text = json.dumps([[row.id, row.document, prompt_in_plain(row), row.summary, *row.references] for row in rows])
    return sha256(text.encode()).hexdigest()


def provenance_of(
    config: dict[str, Any], read: Mapping[str, Sequence[SummaryRow]], model: Model, cache: Path, **more: Any
) -> Provenance:
    """What decides the texts that a command has a model write; its record says it under `config` and `made_from`.

    Downloads or converts the model where that is yet to be done.

    Args:
        read: the documents, by what the record calls them.
        more: further inputs.
    """
    folder = resolve(model, cache)
    made_from = {
        **{name: rows_fingerprint(rows) for name, rows in read.items()},
        "model": fingerprint_weights(folder, cache),
        "adapter": fingerprint_adapter(Path(model.adapter)) if model.adapter else None,
        "tokenizer_and_ends": fingerprint_writing(folder),
        "summpo": version("summpo"),
        **more,
    }
    return Provenance({"config": config, "made_from": made_from})


def provenance_in(record: Mapping[str, Any]) -> Provenance:
    """What a record says of its settings and inputs; nothing where it is of another kind."""
    return Provenance({name: record.get(name) for name in ("config", "made_from")})


def is_finished(file: Path, provenance: Provenance, *beside: str) -> bool:
    """Whether the record in `file` is of these settings and inputs, with the files `beside` it and those it names."""
    record = read_record_if_whole(file)
    is_same = provenance_in(record) == provenance
    return is_same and all((file.parent / name).exists() for name in (*beside, *record.get("files", ())))


def require_same_documents(file: Path, config: dict[str, Any]) -> None:
    """Refuses to write over summaries of other documents; with other settings, or more or fewer, they are made anew.

    Raises:
        UserError: naming what was summarised there.
    """
    try:
        was = documents_named(read_record_if_whole(file)["config"])
    except (KeyError, TypeError, AttributeError):
        return
    if changed := differences(was, documents_named(config)):
        raise UserError(
            f"{file} is of {changed[0]}: choose another output_dir, or remove the file where it is not needed any more"
        )


def documents_named(config: dict[str, Any]) -> Provenance:
    """The settings that say whose documents these are, however many of them."""
    if config.get("input") is not None:
        return Provenance({"input": config["input"]})
    return Provenance({"split": config["split"], "dataset": {**config["dataset"], "limit": None}})
