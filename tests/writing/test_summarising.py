"""Summaries kept one by one: what is written is not written again, in whatever batches, and none is mixed up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from summpo.files.provenance import Provenance
from summpo.models import Model
from summpo.runs.unfinished import PartialResults
from summpo.text.prompts import Prompt
from summpo.text.rows import SummaryRow
from summpo.text.tokens import Limits
from summpo.writing.decoding import Decoding
from summpo.writing.long_documents import LongDocuments
from summpo.writing.summarising import groups_of, side_by_side, summarise
from summpo.writing.writer import Writer, load_writer

ROWS = [
    SummaryRow(f"row-{n}", f"Text {n}: " + "a cat and a dog sat on a mat. " * (1 + 5 * n % 7 * 3), "s")
    for n in range(7)
]
THESE = Provenance({"samples": "these"})
MAP_REDUCE = LongDocuments("map_reduce", part_max_new_tokens=8)


class Killed(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def writer(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Writer:
    decoding = Decoding(max_new_tokens=8, batch_size=2)
    model = Model(path=str(tiny_model_path))
    return load_writer(model, Prompt(), Limits(max_length=110), decoding, tmp_path_factory.mktemp("cache"), "cpu")


def killed_after(kept: PartialResults, batches: int) -> PartialResults:
    """The same file, in a process that is killed once so many batches are in it."""
    keep, left = kept.keep, batches

    def until(records: Any) -> None:
        nonlocal left
        if not left:
            raise Killed
        left -= 1
        keep(records)

    kept.keep = until  # type: ignore[method-assign]
    return kept


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("long", [LongDocuments(), MAP_REDUCE], ids=["truncate", "map_reduce"])
def test_a_killed_process_goes_on_to_the_same_samples(
    writer: Writer, tmp_path: Path, temperature: float, long: LongDocuments
) -> None:
    writer = replace(writer, decoding=replace(writer.decoding, temperature=temperature))
    expected = summarise(writer, ROWS, long, PartialResults(None, THESE), seed=3)
    assert [sample["id"] for sample in expected] == [row.id for row in ROWS]
    assert max(sample["parts"] for sample in expected) == (1 if long.how == "truncate" else 3)
    for batches in range(1, 30):
        file = tmp_path / str(batches)
        try:
            samples = summarise(writer, ROWS, long, killed_after(PartialResults(file, THESE), batches), seed=3)
        except Killed:
            before = file.read_text("utf-8")
            samples = summarise(writer, ROWS, long, PartialResults(file, THESE), seed=3)
            assert file.read_text("utf-8").startswith(before)
            names = [line.split('"document"')[0] for line in file.read_text("utf-8").splitlines()]
            assert len(names) == len(set(names)), "nothing is written twice"
            assert samples == expected
        else:
            assert samples == expected and batches > 3
            break
    else:
        pytest.fail("no process came to its end")


def test_greedy_goes_on_in_smaller_batches(writer: Writer, tmp_path: Path) -> None:
    """As after a process that ran out of memory: of a batch that is half done, only the other half is written."""
    expected = summarise(writer, ROWS, LongDocuments(), PartialResults(None, THESE), seed=0)
    with pytest.raises(Killed):
        summarise(writer, ROWS, LongDocuments(), killed_after(PartialResults(tmp_path / "kept", THESE), 1), seed=0)
    alone = replace(writer, decoding=replace(writer.decoding, batch_size=3))
    assert summarise(alone, ROWS, LongDocuments(), PartialResults(tmp_path / "kept", THESE), seed=0) == expected


def test_what_was_left_out_is_said(writer: Writer) -> None:
    samples = summarise(writer, ROWS, LongDocuments(), PartialResults(None, THESE), seed=0)
    prompts, left_out = writer.prompts(ROWS)
    assert [sample["tokens_left_out"] for sample in samples] == left_out and 0 < sum(map(bool, left_out)) < len(ROWS)
    assert all(len(prompt) + 8 <= 110 for prompt in prompts)
    roomy = replace(writer, limits=Limits(max_length=500))
    whole, _ = roomy.prompts(ROWS)
    assert [len(all_of) - len(cut) for all_of, cut in zip(whole, prompts, strict=True)] == left_out


def test_groups_fill_a_batch_with_their_parts() -> None:
    """Documents of 100 tokens over a room of 50 have 3 parts, of 10 over it 2: 3 + 2 >= 4, 2 + 3 >= 4, 2 is left."""
    assert list(groups_of({"a": 100, "b": 10, "c": 10, "d": 100, "e": 1}, 50, 4)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(groups_of({}, 50, 4)) == []


def test_side_by_side_by_hand(writer: Writer) -> None:
    """Two prompts of 4 tokens and 8 to write are 24 tokens of 512 bytes: 12,288."""
    assert side_by_side(writer, [4, 3, 1]) == ("side by side: at most 2 of 3, 24 tokens, 1.2e-05 GB of keys and values")
