"""Where a data set lies: a local folder with files for each split, as they are or as the Hub has them, or the Hub."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require
from summpo.jsonl_files import SourceRow, read_jsonl

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


def read_split(path: str, split: str, config: str | None = None, folder_on_hub: str | None = None) -> list[SourceRow]:
    """The rows of one split: of its files (`split_files`) where `path` is a folder, else of the Hub data set `path`.

    `config` is the configuration of the Hub data set, `folder_on_hub` a folder inside it; a local folder may have them.

    Raises:
        UserError: nothing is at `path`, the folder has no file for the split, or a row cannot be read.
    """
    folder = Path(path).expanduser()
    if folder.is_dir():
        files = split_files(folder, split, folder_on_hub or config)
        require(bool(files), f"folder {path} has no file {split}.jsonl for the split {split}")
        return read_parquet(files) if files[0].suffix == ".parquet" else read_jsonl(files[0])
    require(not folder.exists(), f"path must be a folder or a Hub id, got the file {path} (config key dataset.path)")
    # A name inside a folder that exists is a misspelt path: no waiting for the Hub to find that out.
    is_hub_id = (
        HUB_ID.fullmatch(path) is not None and not folder.suffix.startswith(".json") and not folder.parent.is_dir()
    )
    require(is_hub_id, f"nothing is at {path}, and it is no Hub id (owner/name) either (config key dataset.path)")
    return read_hub(path, split, config, folder_on_hub)


def split_files(folder: Path, split: str, inside: str | None = None) -> list[Path]:
    """The files of one split: <split>.jsonl, or as a download from the Hub has it: .jsonl.gz, .parquet, its parts.

    They are looked for in the folder itself, in its folder `inside`, and in data/; none where there is none.
    """
    places = [folder, *([] if inside is None else [folder / inside]), folder / "data"]
    patterns = [f"{split}.jsonl", f"{split}.jsonl.gz", f"{split}.parquet", f"{split}-*-of-*.parquet"]
    found = (sorted(place.glob(pattern)) for place in places for pattern in patterns)
    return next(filter(None, found), [])


def read_parquet(files: list[Path]) -> list[SourceRow]:
    """The rows of Parquet files, one after the other.

    Raises:
        UserError: a file cannot be read, or they hold no row.
    """
    import datasets

    rows = []
    for file in files:
        try:
            table = datasets.Dataset.from_parquet(str(file))
        except Exception as error:  # the library's errors and those below it share no narrower class
            raise UserError(f"{file} cannot be read as Parquet: {' '.join(str(error).split())}") from error
        found = table.to_list()  # type: ignore[union-attr]
        rows += [SourceRow(f"{file}, row {number}", len(rows) + number, row) for number, row in enumerate(found)]
    require(bool(rows), f"{files[0]} is empty")
    return rows


def read_hub(name: str, split: str, config: str | None, folder: str | None = None) -> list[SourceRow]:
    """The rows of one split of a data set on the Hub (or in its local cache).

    Raises:
        UserError: the Hub cannot be reached, or has no such data set, configuration or split.
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
        raise UserError(f"{name} is no local folder, and the Hub gives no split {split} of it: {reason}") from error
    rows = enumerate(table.to_list())
    return [SourceRow(f"{name}, split {split}, row {number}", number, columns) for number, columns in rows]


def files_left_out(folder: str, names: Sequence[str], total: int, endings: Sequence[str]) -> None:
    """Says how many of a folder's files are of no kind that is read, and which is the first."""
    if names:
        first = names[0] if names[0].isprintable() else ascii(names[0])
        are = "is" if len(names) == 1 else "are"
        what = f"{len(names)} of {total} files {are} left out"
        print(f"{folder}: {what}, {first} the first: only {', '.join(endings)} are read")
