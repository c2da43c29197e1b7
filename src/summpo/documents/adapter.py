"""Between datatrove's readers and documents: the adapter that they take, and what it makes of a row.

A reader drops a row whose text is empty, with a warning for the first. Here each row comes through, and what is wrong
with it travels beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from summpo.documents import Columns, FaultyRow
from summpo.errors import UserError
from summpo.files.jsonl import SourceRow
from summpo.text.documents import Document

if TYPE_CHECKING:
    from datatrove.data import Document as Found


def adapter_of(columns: Columns, place: str, source: str) -> Callable[[Any, dict[str, Any], str, int | str], dict]:
    """What datatrove's readers call with a row as the source holds it.

    Args:
        place: the file or data set, as sentences name it.
        source: of rows that name none.
    """
    name = place.rsplit("/", 1)[-1]

    def adapt(_reader: Any, data: dict[str, Any], _path: str, number: int | str) -> dict[str, Any]:
        """A row in datatrove's own columns, or what is wrong with it as metadata."""
        shard, _, in_shard = str(number).rpartition("/")  # of a data set on the Hub "00002/17"
        where = f"shard {int(shard)}, row {in_shard}" if shard else f"row {number}"
        row = SourceRow(f"{place}, {where}", int(in_shard), data)
        try:
            document = columns.document(row, f"{name}@{number}", source)
        except UserError as fault:
            return {"text": " ", "id": "", "metadata": {"fault": str(fault)}}
        # one blank for none: a text that is empty would be dropped before it is counted
        return {"text": document.text or " ", "id": document.id, "metadata": {"source": document.source}}

    return adapt


def document_or_fault(found: Found) -> Document | FaultyRow:
    """What a row became."""
    if "fault" in found.metadata:
        return FaultyRow(found.metadata["fault"])
    return Document(found.id, found.metadata["source"], found.text)
