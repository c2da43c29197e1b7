"""Where a data set lies: a local folder with files for each split, as they are or as the Hub has them, or the Hub."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require
from summpo.files.jsonl import RowFault, SourceRow, SourceRows
from summpo.files.rows import ENDINGS, rows_of_file

log = logging.getLogger(__name__)

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
ALSO_CALLED = {"train": ("training",), "validation": ("valid", "val", "dev"), "test": ("testing",)}
"""Other names that a split's files go by in a folder."""
SAVED, SAVED_SPLITS = "state.json", "dataset_dict.json"
"""What `datasets.save_to_disk` leaves in the folder of one table, and of one with splits."""


class NoSplit(UserError):
    """There is a data set, and it has no such split."""


def read_split(path: str, split: str, config: str | None = None, folder_on_hub: str | None = None) -> SourceRows:
    """The rows of one split: of its files (`split_files`) where `path` is a folder, else of the Hub data set `path`.

    A single file, and a table that `datasets` saved, is train.

    `config` is the configuration of the Hub data set, `folder_on_hub` a folder inside it; a local folder may have them.

    Raises:
        NoSplit: the file, the folder or the Hub's data set has no such split.
        UserError: nothing is at `path`; or, once rows are asked for, a file cannot be read.
    """
    folder = Path(path).expanduser()
    if (whole := read_whole(folder)) is not None:
        if split == "train":
            return whole
        raise NoSplit(f"{path} is one file, read as train: it has no {split}; give a folder with a file for each split")
    if folder.is_dir():
        return _read_folder(folder, split, folder_on_hub or config)
    # A name inside a folder that exists is a misspelt path: no waiting for the Hub to find that out.
    is_hub_id = HUB_ID.fullmatch(path) is not None and not path.endswith(ENDINGS) and not folder.parent.is_dir()
    require(is_hub_id, f"nothing is at {path}, and it is no Hub id (owner/name) either (config key dataset.path)")
    return read_hub(path, split, config, folder_on_hub)


def has_split(path: str, split: str, config: str | None = None, folder_on_hub: str | None = None) -> bool:
    """Whether there is such a split to read.

    Raises:
        UserError: there is no data set.
    """
    try:
        read_split(path, split, config, folder_on_hub)
    except NoSplit:
        return False
    return True


def read_whole(path: Path) -> SourceRows | None:
    """The rows of what has no splits: a file, or a folder as `datasets.Dataset.save_to_disk` leaves it; else None."""
    if (path / SAVED).is_file():
        return _tables(f"{path}", _loaded(path))
    return rows_of_file(path) if path.is_file() else None


def _read_folder(folder: Path, split: str, inside: str | None) -> SourceRows:
    if (folder / SAVED_SPLITS).is_file() and (table := _loaded(folder).get(split)) is not None:
        return _tables(f"{folder}, split {split}", table)
    files = split_files(folder, split, inside)
    if not files:
        seen = [file.name for file in sorted(folder.iterdir()) if file.name.endswith(ENDINGS)][:3]
        has = f"; it has {', '.join(seen)}" if seen else ""
        raise NoSplit(f"folder {folder} has no file {split}.jsonl for the split {split}{has}")
    return rows_of_files(files)


def split_files(folder: Path, split: str, inside: str | None = None) -> list[Path]:
    """The files of one split: <split>.jsonl or another of `ENDINGS`, or its parts as the Hub has them.

    They are looked for in the folder itself, in its folder `inside` and in data/, then in all folders of these together
    (a data set of several sources has one for each); none where there is none.
    """
    places = [folder, *([] if inside is None else [folder / inside]), folder / "data"]
    names = (split, *ALSO_CALLED.get(split, ()))
    kinds = [(re.escape(name) + part, ending) for name in names for ending in ENDINGS for part in ("", "-.*-of-.*")]
    for below in ("*", "[!.]*/*"):
        for place in places:
            files = sorted(place.glob(below))
            found = ([file for file in files if re.fullmatch(name + re.escape(end), file.name)] for name, end in kinds)
            if own := next(filter(None, found), None):
                return own
    return []


def rows_of_files(files: Sequence[Path]) -> SourceRows:
    """The rows of files, one after the other; their numbers go on from file to file.

    Raises:
        UserError: as `rows_of_file`.
    """
    if len({file.parent for file in files}) > 1:
        log.info(f"{files[0]} and {len(files) - 1} more such files are read as one")
    before, last = 0, -1
    for file in files:
        for row in rows_of_file(file):
            if isinstance(row, RowFault):
                yield row
                continue
            last = before + row.number
            yield replace(row, number=last) if before else row
        before = last + 1


def _loaded(folder: Path) -> Any:
    """What `save_to_disk` left in a folder."""
    import datasets

    try:
        return datasets.load_from_disk(str(folder))
    except Exception as error:  # the library's errors and those below it share no narrower class
        raise UserError(f"{folder} cannot be read as a saved data set: {' '.join(str(error).split())}") from error


def _tables(name: str, table: Any) -> Iterator[SourceRow]:
    for number, columns in enumerate(table):
        yield SourceRow(f"{name}, row {number}", number, columns)


def read_hub(name: str, split: str, config: str | None, folder: str | None = None) -> Iterator[SourceRow]:
    """The rows of one split of a data set on the Hub (or in its local cache).

    Raises:
        NoSplit: it has others.
        UserError: the Hub cannot be reached, or has no such data set or configuration.
    """
    import datasets

    inside: dict[str, Any] = {"data_dir": folder} if folder is not None else {}

    def load() -> datasets.Dataset:
        try:
            return datasets.load_dataset(name, config, split=split, **inside)
        except RuntimeError as error:
            # Published as a script, which `datasets` no longer runs: the Hub keeps a converted copy, a folder a config.
            if "scripts are no longer supported" not in str(error):
                raise
            return datasets.load_dataset(name, data_dir=config, split=split, revision="refs/convert/parquet")

    try:
        table = load()
    except Exception as error:  # the library's and the network's errors share no narrower class
        reason = " ".join(str(error).split()) or type(error).__name__
        missing = NoSplit if reason.startswith("Unknown split") else UserError
        raise missing(f"{name} is no local folder, and the Hub gives no split {split} of it: {reason}") from error
    return _tables(f"{name}, split {split}", table)


def files_left_out(folder: str, names: Sequence[str], total: int, endings: Sequence[str]) -> None:
    """Says how many of a folder's files are of no kind that is read, and which is the first."""
    if names:
        first = names[0] if names[0].isprintable() else ascii(names[0])
        are = "is" if len(names) == 1 else "are"
        what = f"{len(names)} of {total} files {are} left out"
        log.info(f"{folder}: {what}, {first} the first: only {', '.join(endings)} are read")
