"""A path is a folder with a file a split, or else a Hub data set; what is neither is told in one sentence."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

import datasets
from summpo.data_sources import read_hub, read_split
from summpo.errors import UserError
from summpo.jsonl_files import SourceRow, strictly

ROWS = [{"a": "one", "more": {"b": ["two"]}}, {"a": None, "more": {"b": []}}]


def rows_of(path: str, split: str, config: str | None = None) -> list[SourceRow]:
    return list(strictly(read_split(path, split, config)))


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"a": "one"}\n')
    assert [row.columns for row in rows_of(str(tmp_path), "train")] == [{"a": "one"}]
    with pytest.raises(
        UserError, match=re.escape(f"{tmp_path} has no file test.jsonl for the split test; it has train.jsonl") + "$"
    ):
        read_split(str(tmp_path), "test")


def test_a_folder_as_the_hub_has_it(tmp_path: Path) -> None:
    """Parquet whole or in parts, at the top, in data/ or in the configuration's folder; JSONL packed. Rows stay in order."""
    rows = [{"a": str(number), "more": {"b": [number]}} for number in range(5)]

    def put(name: str, part: list[dict[str, Any]]) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(part).to_parquet(tmp_path / name)

    put("whole/train.parquet", rows)
    put("parts/data/train-00000-of-00002.parquet", rows[:3])
    put("parts/data/train-00001-of-00002.parquet", rows[3:])
    put("parts/data/train_extra-00000-of-00001.parquet", rows)
    put("configs/some/train-00000-of-00001-abc.parquet", rows)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "train.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    for name, config in (("whole", None), ("parts", None), ("configs", "some"), ("packed", None)):
        found = rows_of(str(tmp_path / name), "train", config=config)
        assert [dict(row.columns) for row in found] == rows, name
    assert rows_of(str(tmp_path / "packed"), "train")[1].place.endswith("train.jsonl.gz, line 2")
    last = rows_of(str(tmp_path / "parts"), "train")[-1]
    assert (last.number, last.place) == (4, f"{tmp_path}/parts/data/train-00001-of-00002.parquet, row 1")
    (tmp_path / "packed" / "train.jsonl").write_text('{"a": "plain"}')
    assert [dict(row.columns) for row in rows_of(str(tmp_path / "packed"), "train")] == [{"a": "plain"}]


@pytest.mark.parametrize("name", ["train.parquet", "train.jsonl.gz"])
@pytest.mark.parametrize("content", [b"", b"no such thing", gzip.compress(b"{}" * 99)[:20]])
def test_a_spoilt_download(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / name))):
        rows_of(str(tmp_path), "train")


def test_what_is_neither_folder_nor_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "file.jsonl").write_text('{"a": "one"}\n')
    for path in ("missing", "no/such/folder", "elsewhere/missing.jsonl", "data/misspelt", str(tmp_path / "none")):
        sentence = f"nothing is at {path}, and it is no Hub id (owner/name) either (config key dataset.path)"
        with pytest.raises(UserError, match=re.escape(sentence) + "$"):
            read_split(path, "train")
    with pytest.raises(UserError, match=r"must be a folder or a Hub id, got the file file.jsonl"):
        read_split("file.jsonl", "train")


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []

    def load(name: str, config: str | None = None, **options: Any) -> datasets.Dataset:
        calls.append((name, config, options))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows = rows_of("owner/name", "validation", config="some")
    assert calls == [("owner/name", "some", {"split": "validation"})]
    assert [dict(row.columns) for row in rows] == ROWS
    assert (rows[0].number, rows[1].place) == (0, "owner/name, split validation, row 1")
    assert rows[0].text("more.b.0") == "two"


def test_hub_data_set_published_as_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, config: str | None = None, **options: Any) -> datasets.Dataset:
        if config is not None:
            raise RuntimeError("Dataset scripts are no longer supported, but found name.py")
        assert options == {"data_dir": "some", "split": "train", "revision": "refs/convert/parquet"}
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert len(list(read_hub("owner/name", "train", "some"))) == 2


@pytest.mark.parametrize(
    "error", [ConnectionError("offline\nagain"), ValueError("offline again"), RuntimeError("offline again")]
)
def test_hub_failures_are_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", load)
    sentence = "owner/name is no local folder, and the Hub gives no split train of it: offline again"
    with pytest.raises(UserError, match=f"^{sentence}$"):
        read_hub("owner/name", "train", None)
