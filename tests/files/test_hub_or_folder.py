"""A path is a folder with a file a split, or else a Hub data set; what is neither is told in one sentence."""

import gzip
import json
import lzma
import re
from pathlib import Path
from typing import Any

import pytest

import datasets
from summpo.errors import UserError
from summpo.files.hub_or_folder import has_split, read_hub, read_split, read_whole
from summpo.files.jsonl import SourceRow, strictly

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
@pytest.mark.parametrize("content", [b"", b"no such thing", gzip.compress(b"{}" * 99, mtime=0)[:20]])
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


def test_a_file_is_train(tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.write_text("a\none\n")
    assert [row.columns for row in rows_of(str(file), "train")] == [{"a": "one"}]
    sentence = f"{file} is one file, read as train: it has no validation; give a folder with a file for each split"
    with pytest.raises(UserError, match=re.escape(sentence) + "$"):
        read_split(str(file), "validation")


@pytest.mark.parametrize("name", ["valid.jsonl", "val.csv", "dev.json", "data/val-00000-of-00001.jsonl.gz"])
def test_validation_by_its_other_names(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    content = b"a\none\n" if name.endswith("csv") else b'{"a": "one"}\n'
    file.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert [row.columns for row in rows_of(str(tmp_path), "validation")] == [{"a": "one"}]
    (tmp_path / "validation.jsonl").write_text('{"a": "own name"}')
    assert [row.columns for row in rows_of(str(tmp_path), "validation")] == [{"a": "own name"}]


def test_the_folders_of_a_data_set_of_several_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As PKU-SafeRLHF and SHP lie on the Hub; numbers go on from file to file, places are each file's own."""
    for folder, count in (("data/B", 1), ("data/A", 2), (".cache/C", 5)):
        (tmp_path / folder).mkdir(parents=True)
        lines = "".join(json.dumps({"a": f"{folder} {n}"}) + "\n" for n in range(count))
        (tmp_path / folder / "train.jsonl.xz").write_bytes(lzma.compress(lines.encode()))
    rows = rows_of(str(tmp_path), "train")
    assert [row.columns["a"] for row in rows] == ["data/A 0", "data/A 1", "data/B 0"]
    assert len({row.number for row in rows}) == 3
    assert rows[-1].place == f"{tmp_path}/data/B/train.jsonl.xz, line 1"
    assert "data/A/train.jsonl.xz and 1 more such files are read as one" in capsys.readouterr().out


def test_what_save_to_disk_leaves(tmp_path: Path) -> None:
    table = datasets.Dataset.from_list(ROWS)
    table.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=table, test_prefs=table.select([1])).save_to_disk(tmp_path / "several")
    whole = read_whole(tmp_path / "one")
    assert whole is not None and [dict(row.columns) for row in strictly(whole)] == ROWS
    rows = rows_of(str(tmp_path / "several"), "test_prefs")
    assert [(dict(row.columns), row.place) for row in rows] == [
        (ROWS[1], f"{tmp_path}/several, split test_prefs, row 0")
    ]
    assert not has_split(str(tmp_path / "several"), "validation")
    (tmp_path / "one" / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match=re.escape(f"{tmp_path}/one cannot be read as a saved data set")):
        read_whole(tmp_path / "one")


def test_a_split_that_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, config: str | None = None, split: str = "") -> datasets.Dataset:
        table = datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS))
        if split not in table:
            raise ValueError(f'Unknown split "{split}". Should be one of {list(table)}.')
        return table[split]

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert has_split("owner/name", "train") and not has_split("owner/name", "validation")
    with pytest.raises(
        UserError, match=r"the Hub gives no split validation of it: Unknown split .* one of \['train'\]"
    ):
        read_split("owner/name", "validation")


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
