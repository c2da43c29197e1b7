"""What documents are made of: settings and files, how they are written down, and what has changed between two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from summpo.documents import SPLITS, DocumentSource, SourcePart, Split
from summpo.documents.executors import silent
from summpo.documents.rules import DocumentRules
from summpo.errors import UserError, require
from summpo.files.provenance import Provenance, differences
from summpo.models.weights.fingerprints import fingerprint_file


def settings_of(
    sources: Mapping[Split, DocumentSource], rules: DocumentRules, student: Path, teacher: Path
) -> dict[str, Any]:
    """The settings, as plain data; the last two are the tokenizers' files."""
    return {
        "sources": {split: described(sources[split]) for split in SPLITS if split in sources},
        "rules": asdict(rules),
        "tokenizer": fingerprint_file(student),
        "teacher_tokenizer": fingerprint_file(teacher),
    }


def parts_of(sources: Mapping[Split, DocumentSource]) -> dict[Split, list[SourcePart]]:
    """What there is to read of each split, in the order of `SPLITS`.

    Raises:
        UserError: there is nothing.
    """
    with silent():
        return {split: sources[split].parts() for split in SPLITS if split in sources}


def difference(was: dict[str, Any], now: dict[str, Any]) -> str | None:
    """What has changed between two plans, as words."""
    if changed := differences(Provenance(was.get("settings", {})), Provenance(now["settings"])):
        return f"{changed[0].key} was {changed[0].was} and is {changed[0].now}"
    changed = [one.key for one in differences(Provenance(was.get("made_from", {})), Provenance(now["made_from"]))]
    return f"the files of the {' and '.join(changed)} documents have changed" if changed else None


def require_same(
    record: dict[str, Any], chosen: dict[str, Any], sources: Mapping[Split, DocumentSource], folder: Path
) -> None:
    """Raises UserError where documents were made with other settings, or from files that have changed.

    Files that are no longer there, or a Hub that cannot be reached, are no reason to make them again.
    """
    made_from = record.get("made_from", {})
    with suppress(UserError):
        made_from = {split: fingerprint(found) for split, found in parts_of(sources).items()}
    changed = difference(record, {"settings": chosen, "made_from": made_from})
    require(
        changed is None, f"{changed}, and {folder} holds documents: choose another output_dir, or the same settings"
    )


def described(source: DocumentSource) -> dict[str, Any]:
    """What a source is, as plain data."""
    kind = type(source)
    return {"_target_": f"{kind.__module__}.{kind.__qualname__}", **asdict(source)}  # type: ignore[call-overload]


def fingerprint(parts: list[SourcePart]) -> str:
    """What a source's files are, by names, sizes and times of change, as hex."""
    return sha256(json.dumps([asdict(part) for part in parts]).encode()).hexdigest()
