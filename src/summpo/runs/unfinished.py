"""Work that outlives its process: a JSONL file that grows by what is done, and is gone on from after a kill.

Its first line says what the rest was made from; work on something else is refused, never mixed in. Knows neither models
nor texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from summpo.errors import UserError
from summpo.files.provenance import Provenance, differences
from summpo.runs.run_folder import naming, whole_lines, write_whole

HEAD = "samples_of"
"""Key of the first line."""
Record = Mapping[str, Any]


class PartialResults:
    """Records by their id, and by the `part` of it that they are of, where they are of one."""

    def __init__(self, file: Path | None, made_from: Provenance) -> None:
        """Reads what an earlier process left; a last line that was cut off is left out, from the file too.

        Args:
            file: None keeps them in memory alone.
            made_from: what decides the records: model, documents, settings.

        Raises:
            UserError: the file holds records of something else.
        """
        self.file = file
        self._head = json.dumps({HEAD: made_from.inputs}) + "\n"
        self._done: dict[tuple[str, str], Record] = {}
        whole = [] if file is None else whole_lines(file)
        if file is None or not whole:
            return
        try:
            head, *records = map(json.loads, whole)
            was = Provenance(dict(head[HEAD]))  # of another version it is a text
            self._remember(records)
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{file} is none that this summpo left unfinished: move it away (config key output_dir)"
            ) from None
        changed = differences(was, made_from)
        if changed and records:
            raise UserError(
                f"{file} holds samples of {changed[0]}; choose another output_dir, give those settings once more, or "
                "delete the file"
            )
        write_whole(file, "".join([self._head, *whole[1:]]))

    def get(self, name: str, part: str = "") -> Record | None:
        """What was kept; None where it is yet to be done."""
        return self._done.get((name, part))

    def keep(self, records: Sequence[Record]) -> None:
        """Adds records to the file, a line each, and to memory."""
        self._remember(records)
        if self.file is not None and records:
            if not self.file.exists():
                self.file.parent.mkdir(parents=True, exist_ok=True)
                write_whole(self.file, self._head)
            with naming(self.file), self.file.open("a", encoding="utf-8") as opened:
                opened.write("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))

    def discard(self) -> None:
        """Takes the file away: what it held stands elsewhere now."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)

    def _remember(self, records: Sequence[Record]) -> None:
        self._done |= {(record["id"], record.get("part", "")): record for record in records}
