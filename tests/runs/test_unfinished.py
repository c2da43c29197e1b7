"""Records that outlive a process: read again, never mixed with those of something else."""

import json
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.runs.unfinished import PartialResults

ONE, TWO = {"id": "a", "samples": ["x", "y"]}, {"id": "b", "samples": ["ü\u2028"]}
PART = {"id": "a", "part": "1.0", "summary": "z"}


def test_what_was_kept_is_there_in_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "new" / "samples.jsonl"
    kept = PartialResults(file, "these")
    assert kept.get("a") is None
    kept.keep([ONE])
    kept.keep([PART, TWO])
    again = PartialResults(file, "these")
    assert (again.get("a"), again.get("a", "1.0"), again.get("b"), again.get("b", "1.0")) == (ONE, PART, TWO, None)
    again.discard()
    again.discard()
    assert not file.exists()


def test_a_torn_last_line_is_left_out_from_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    PartialResults(file, "these").keep([ONE])
    whole = file.read_text("utf-8")
    file.write_text(whole + '{"id": "b", "sam', "utf-8")
    kept = PartialResults(file, "these")
    assert kept.get("a") == ONE and kept.get("b") is None
    assert file.read_text("utf-8") == whole
    kept.keep([TWO])
    assert PartialResults(file, "these").get("b") == TWO


def test_records_of_something_else_are_refused_and_stay(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    PartialResults(file, "of the SFT model").keep([ONE])
    before = file.read_bytes()
    with pytest.raises(UserError, match="holds samples of another model, other documents or settings"):
        PartialResults(file, "of another")
    assert file.read_bytes() == before


def test_a_process_that_kept_nothing_leaves_nothing(tmp_path: Path) -> None:
    """A run that fails while its model loads does not keep another with the right settings from starting."""
    file = tmp_path / "out" / "samples.jsonl"
    PartialResults(file, "wrong settings").keep([])
    assert not file.parent.exists()
    file.parent.mkdir()
    file.write_text(json.dumps({"samples_of": "wrong settings"}) + '\n{"id": "a"', "utf-8")
    kept = PartialResults(file, "right settings")
    kept.keep([ONE])
    assert PartialResults(file, "right settings").get("a") == ONE


@pytest.mark.parametrize("content", ["[1]\n", "not json\n", '{"id": "a"}\n', '{"samples_of": "x"}\n{"no": "id"}\n'])
def test_a_file_of_someone_elses(tmp_path: Path, content: str) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(content, "utf-8")
    with pytest.raises(UserError, match=r"samples\.jsonl is none that summpo left unfinished"):
        PartialResults(file, "x")
    assert file.read_text("utf-8") == content


def test_in_memory_alone() -> None:
    kept = PartialResults(None, "these")
    kept.keep([ONE])
    assert kept.get("a") == ONE
    kept.discard()
