"""Whether a finished file is of these settings and inputs: its record, torn, foreign or of before, and what lies beside."""

import json
from pathlib import Path
from typing import Any

import pytest

from summpo.errors import UserError
from summpo.files.provenance import Provenance
from summpo.runs.finished import is_finished, require_same_documents

CONFIG = {"input": None, "split": "test", "dataset": {"path": "a", "limit": 4}, "lora": None, "seed": 0}
MADE_FROM = {"documents": "a" * 64, "adapter": None}
MADE = Provenance({"config": CONFIG, "made_from": MADE_FROM})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of a finished data set of two files."""
    for name in ("train.jsonl", "README.md"):
        (tmp_path / name).write_text("")
    record = {"documents": 4, **MADE.inputs, "files": ["train.jsonl", "README.md"], "wall_time_s": 1.5}
    (tmp_path / "record.json").write_text(json.dumps(record, indent=1), "utf-8")
    return tmp_path / "record.json"


def changed(config: dict[str, Any], made_from: dict[str, Any]) -> Provenance:
    return Provenance({"config": CONFIG | config, "made_from": MADE_FROM | made_from})


def test_what_was_made_from_the_same_is_finished(file: Path) -> None:
    assert is_finished(file, MADE) and is_finished(file, MADE, "train.jsonl")
    assert is_finished(file, changed({"a_later_setting": None}, {"a_later_input": None})), "off, as it was before"


@pytest.mark.parametrize(
    ("config", "made_from"),
    [
        ({"seed": 1}, {}),
        ({"dataset": {"path": "a", "limit": 5}}, {}),
        ({"dataset": {"path": "a"}}, {}),
        ({"lora": {"r": 8}}, {}),
        ({}, {"documents": "b" * 64}),
        ({}, {"adapter": "a" * 64}),
    ],
)
def test_of_another_setting_or_input_it_is_not(file: Path, config: dict[str, Any], made_from: dict[str, Any]) -> None:
    assert not is_finished(file, changed(config, made_from))


def test_nor_where_a_file_is_gone(file: Path) -> None:
    assert not is_finished(file, MADE, "samples.jsonl")
    file.with_name("README.md").unlink()
    assert not is_finished(file, MADE)


@pytest.mark.parametrize("content", [b"", b'{"config": {', b"[]", b"{}", b'{"config": "none"}', b"\xff", None])
def test_nor_where_its_record_is_torn_or_foreign(file: Path, content: bytes | None) -> None:
    file.unlink() if content is None else file.write_bytes(content)
    assert not is_finished(file, MADE)
    require_same_documents(file, CONFIG)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"split": "train"}, "split=test, not train"),
        ({"dataset": {"path": "b", "limit": 4}}, "dataset.path=a, not b"),
        ({"input": "paper.txt"}, None),
    ],
)
def test_other_documents_are_refused(file: Path, config: dict[str, Any], told: str | None) -> None:
    require_same_documents(file, CONFIG | {"seed": 1, "dataset": {"path": "a", "limit": 9}})
    with pytest.raises(UserError, match=f"is of {told or '.*'}: choose another output_dir"):
        require_same_documents(file, CONFIG | config)
