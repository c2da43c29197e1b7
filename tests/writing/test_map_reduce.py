"""Documents in parts, on a tiny random model: parts that fit, summaries of summaries, nothing left out unsaid."""

from dataclasses import replace
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.files.provenance import Provenance
from summpo.models import Model
from summpo.runs.unfinished import PartialResults
from summpo.text.encoding import count_tokens
from summpo.text.prompts import Prompt
from summpo.text.rows import SummaryRow
from summpo.text.tokens import Limits
from summpo.writing.decoding import Decoding
from summpo.writing.long_documents import LongDocuments
from summpo.writing.map_reduce import check_room, fitting_parts, joined_summaries, summarise_in_parts
from summpo.writing.writer import Writer, load_writer

SENTENCE = "The cat sat on the mat, and the dog sat on the cat. "
THESE = Provenance({"samples": "these"})
PART, JOIN = Prompt("Part: {document}\nTL;DR:"), Prompt("Parts:\n{document}\nTL;DR:")


@pytest.fixture(scope="module")
def writer(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """96 tokens of prompt and summary, 8 of them written."""
    model = Model(path=str(tiny_model_path))
    limits, decoding = Limits(max_length=96), Decoding(max_new_tokens=8, batch_size=4)
    return load_writer(model, Prompt(), limits, decoding, tmp_path_factory.mktemp("cache"), "cpu")


def long(part_max_new_tokens: int = 8) -> LongDocuments:
    return LongDocuments("map_reduce", PART, JOIN, part_max_new_tokens)


def test_parts_fit_their_prompt_and_are_the_document(writer: Writer) -> None:
    document = (SENTENCE * 3 + "\n\n") * 5 + "<|im_end|> " * 20
    parts = fitting_parts(writer, document)
    _, left_out = writer.prompts([SummaryRow("", part, "") for part in parts])
    assert not any(left_out) and len(parts) > 3
    assert "".join("".join(parts).split()) == "".join(document.split())
    (tokens,) = count_tokens([document], writer.tokenizer)
    assert len(parts) <= 2 * tokens / writer.room() + 1


def test_the_summary_is_that_of_the_summaries_of_the_parts(writer: Writer) -> None:
    """Worked by hand with plain prompts: each part under its template, their summaries a paragraph each under the other."""
    row = SummaryRow("a", SENTENCE * 12, "", ("a reference",))
    kept = PartialResults(None, THESE)
    summarise_in_parts(writer, [row], long(), kept, seed=0)
    parts = fitting_parts(replace(writer, prompt=PART), row.document)
    of_parts = [writer.text(one) for one in replace(writer, prompt=PART).write(
        [writer.tokenizer(f"Part: {part}\nTL;DR:")["input_ids"] for part in parts])]  # fmt: skip
    assert [kept.get("a", f"1.{n}") for n in range(len(parts))] == [
        {"id": "a", "part": f"1.{n}", "summary": text} for n, text in enumerate(of_parts)
    ]
    joined = "\n\n".join(filter(None, of_parts))
    (last,) = writer.write([writer.tokenizer(f"Parts:\n{joined}\nTL;DR:")["input_ids"]])
    sample = kept.get("a")
    assert sample is not None
    assert (sample["summary"], sample["parts"], sample["tokens_left_out"]) == (writer.text(last), len(parts), 0)
    assert (sample["document"], sample["references"]) == (row.document, ["a reference"])


def test_summaries_that_do_not_fit_together_are_summarised_in_turn(writer: Writer) -> None:
    row = SummaryRow("a", SENTENCE * 150, "")
    kept = PartialResults(None, THESE)
    summarise_in_parts(writer, [row, SummaryRow("b", SENTENCE * 12, "")], long(4), kept, seed=0)
    sample = kept.get("a")
    assert sample is not None and sample["parts"] > 20
    joined = joined_summaries(kept, "a", 1, sample["parts"])
    below = fitting_parts(replace(writer, prompt=JOIN, decoding=replace(writer.decoding, max_new_tokens=4)), joined)
    assert 1 < len(below) < sample["parts"]
    assert kept.get("a", f"2.{len(below) - 1}") is not None and kept.get("a", f"2.{len(below)}") is None
    assert kept.get("b") is not None and kept.get("b", "3.0") is None
    assert sample["tokens_left_out"] == 0


def test_a_model_that_says_nothing_of_any_part_says_nothing(writer: Writer) -> None:
    row = SummaryRow("a", SENTENCE * 12, "")
    kept = PartialResults(None, THESE)
    count = len(fitting_parts(replace(writer, prompt=PART), row.document))
    kept.keep([{"id": "a", "part": f"1.{n}", "summary": ""} for n in range(count)])
    summarise_in_parts(writer, [row], long(), kept, seed=0)
    sample = kept.get("a")
    assert sample is not None and (sample["summary"], sample["ended"], sample["length_tokens"]) == ("", True, 0)


def test_no_room_for_the_summaries_of_two_parts(writer: Writer) -> None:
    room = writer.room()
    check_room([writer], (room - 1) // 2)
    with pytest.raises(
        UserError, match=rf"summaries of two parts, {2 * room} tokens, and tokens.max_length=96 leaves {room}"
    ):
        check_room([writer], room)
    with pytest.raises(UserError, match="map_reduce needs room"):
        summarise_in_parts(writer, [SummaryRow("a", SENTENCE * 12, "")], long(60), PartialResults(None, THESE), seed=0)


def test_room_by_hand(writer: Writer) -> None:
    """96 tokens less 8 to write and those of the template."""
    template = writer.tokenizer(Prompt().around(""))["input_ids"]
    assert writer.room() == 96 - 8 - len(template)


def test_what_does_not_get_shorter_is_cut_and_the_cut_is_said(writer: Writer) -> None:
    """The model writes bytes that are no text: each becomes a character of three tokens, and 16 new tokens 48."""
    kept = PartialResults(None, THESE)
    summarise_in_parts(writer, [SummaryRow("a", SENTENCE * 40, "")], long(16), kept, seed=0)
    sample = kept.get("a")
    assert sample is not None and sample["tokens_left_out"] > 0
