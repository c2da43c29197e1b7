"""Records that outlive a process: read again, never mixed with those of something else."""

import json
from pathlib import Path
from typing import Any

import pytest

from summpo.errors import UserError
from summpo.files.provenance import Provenance
from summpo.runs.unfinished import PartialResults

ONE, TWO = {"id": "a", "samples": ["x", "y"]}, {"id": "b", "samples": ["ü\u2028"]}
THESE = Provenance({"generation": {"temperature": 0.7}, "made_from": {"adapter": "a" * 64}})
PART = {"id": "a", "part": "1.0", "summary": "z"}


def test_what_was_kept_is_there_in_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "new" / "samples.jsonl"
    kept = PartialResults(file, THESE)
    assert kept.get("a") is None
    kept.keep([ONE])
    kept.keep([PART, TWO])
    again = PartialResults(file, THESE)
    assert (again.get("a"), again.get("a", "1.0"), again.get("b"), again.get("b", "1.0")) == (ONE, PART, TWO, None)
    again.discard()
    again.discard()
    assert not file.exists()


def test_a_torn_last_line_is_left_out_from_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    PartialResults(file, THESE).keep([ONE])
    whole = file.read_text("utf-8")
    file.write_text(whole + '{"id": "b", "sam', "utf-8")
    kept = PartialResults(file, THESE)
    assert kept.get("a") == ONE and kept.get("b") is None
    assert file.read_text("utf-8") == whole
    kept.keep([TWO])
    assert PartialResults(file, THESE).get("b") == TWO


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"generation": {"temperature": 1.0}}, "generation.temperature=0.7, not 1"),
        ({"generation": {"temperature": 0.7, "top_p": 0.9}}, "generation.top_p=None, not 0.9"),
        ({"made_from": {"adapter": "b" * 64}}, "adapter other than now"),
        ({"made_from": {}}, "adapter other than now"),
    ],
)
def test_records_of_something_else_are_refused_by_name_and_stay(
    tmp_path: Path, other: dict[str, Any], told: str
) -> None:
    file = tmp_path / "samples.jsonl"
    PartialResults(file, THESE).keep([ONE])
    before = file.read_bytes()
    with pytest.raises(UserError) as refusal:
        PartialResults(file, Provenance({**THESE.inputs, **other}))
    assert str(refusal.value) == (
        f"{file} holds samples of {told}; choose another output_dir, give those settings once more, or delete the file"
    )
    assert file.read_bytes() == before


def test_the_first_line_says_what_they_are_made_from(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    PartialResults(file, THESE).keep([ONE])
    assert json.loads(file.read_text("utf-8").splitlines()[0]) == {"samples_of": THESE.inputs}
    turned = Provenance(dict(reversed(THESE.inputs.items())) | {"limit": None})
    assert PartialResults(file, turned).get("a") == ONE, "the order of names, and what is off, play no part"


def test_what_an_earlier_summpo_left_is_refused_in_a_sentence_and_stays(tmp_path: Path) -> None:
    """Its first line was a digest."""
    file = tmp_path / "samples.jsonl"
    file.write_text(json.dumps({"samples_of": "0" * 64}) + "\n" + json.dumps(ONE) + "\n", "utf-8")
    before = file.read_bytes()
    with pytest.raises(UserError, match="is none that this summpo left unfinished: move it away"):
        PartialResults(file, THESE)
    assert file.read_bytes() == before


def test_a_process_that_kept_nothing_leaves_nothing(tmp_path: Path) -> None:
    """A run that fails while its model loads does not keep another with the right settings from starting."""
    file = tmp_path / "out" / "samples.jsonl"
    PartialResults(file, Provenance({"settings": "wrong"})).keep([])
    assert not file.parent.exists()
    file.parent.mkdir()
    file.write_text(json.dumps({"samples_of": {"settings": "wrong"}}) + '\n{"id": "a"', "utf-8")
    kept = PartialResults(file, THESE)
    kept.keep([ONE])
    assert PartialResults(file, THESE).get("a") == ONE


@pytest.mark.parametrize("content", ["[1]\n", "not json\n", '{"id": "a"}\n', '{"samples_of": "x"}\n{"no": "id"}\n'])
def test_a_file_of_someone_elses(tmp_path: Path, content: str) -> None:
    file = tmp_path / "samples.jsonl"
    file.write_text(content, "utf-8")
    with pytest.raises(UserError, match=r"samples\.jsonl is none that this summpo left unfinished"):
        PartialResults(file, THESE)
    assert file.read_text("utf-8") == content


def test_in_memory_alone() -> None:
    kept = PartialResults(None, THESE)
    kept.keep([ONE])
    assert kept.get("a") == ONE
    kept.discard()
