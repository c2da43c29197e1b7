"""Rows in the shapes that people have are read by what their columns are; what is not read is one sentence."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from summpo.datasets.jsonl import Jsonl
from summpo.errors import UserError
from summpo.text.prompts import Prompt
from summpo.text.rows import Message, PairRow, SummaryRow
from summpo.text.tokens import Limits, tokenize

ASK = "Summarise: The council bought two boats."
SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": ASK}
GOOD, BAD = {"role": "assistant", "content": "Two boats."}, {"role": "assistant", "content": "They met."}
EARLIER = [{"role": "assistant", "content": "Boats."}, {"role": "user", "content": "Longer."}]


def turns(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return tuple(Message(message["role"], message["content"]) for message in messages)


def data(folder: Path, *rows: dict[str, Any], **settings: Any) -> Jsonl:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Jsonl(path=str(file), validation_fraction=0, test_fraction=0, **settings)


PAIRS: dict[str, tuple[dict[str, Any], tuple[Message, ...]]] = {
    "prompt and answers": ({"prompt": [SYSTEM, USER], "chosen": [GOOD], "rejected": [BAD]}, turns(SYSTEM, USER)),
    "answers as text": ({"prompt": [USER], "chosen": "Two boats.", "rejected": "They met."}, turns(USER)),
    "whole conversations": (
        {"chosen": [USER, *EARLIER, GOOD], "rejected": [USER, *EARLIER, BAD]},
        turns(USER, *EARLIER),
    ),
    "prompt as text beside whole ones": ({"prompt": ASK, "chosen": [USER, GOOD], "rejected": [USER, BAD]}, turns(USER)),
    "prompt as text before answers": ({"prompt": ASK, "chosen": [GOOD], "rejected": [BAD]}, turns(USER)),
    "prompt as messages beside whole ones": (
        {"prompt": [USER], "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        turns(USER),
    ),
    "system and question": (
        {"system": "Be brief.", "question": ASK, "chosen": "Two boats.", "rejected": "They met."},
        turns(SYSTEM, USER),
    ),
    "system and input": (
        {"system": "Be brief.", "input": ASK, "chosen": "Two boats.", "rejected": "They met."},
        turns(SYSTEM, USER),
    ),
    "instruction": ({"instruction": ASK, "chosen": [GOOD], "rejected": [BAD]}, turns(USER)),
    "parts": (
        {
            "prompt": [{"role": "user", "content": [{"type": "text", "text": "Summarise: "}, {"type": "text", "text": ASK[11:]}]}],
            "chosen": [GOOD],
            "rejected": [BAD],
        },
        turns(USER),
    ),
    "other names": (
        {
            "chosen": [{"from": "human", "value": ASK}, {"from": "gpt", "value": "Two boats."}],
            "rejected": [{"from": "human", "value": ASK}, {"from": "gpt", "value": "They met."}],
        },
        turns(USER),
    ),
    "conversations before answers": (
        {
            "conversations": [{"from": "human", "value": ASK}, {"from": "gpt", "value": "Boats."}, {"from": "human", "value": "Longer."}],
            "chosen": {"from": "gpt", "value": "Two boats."},
            "rejected": {"from": "gpt", "value": "They met."},
        },
        turns(USER, *EARLIER),
    ),
    "system beside conversations": (
        {"system": "Be brief.", "conversations": [USER], "chosen": GOOD, "rejected": BAD},
        turns(SYSTEM, USER),
    ),
    "messages before text": ({"messages": [USER, *EARLIER], "chosen": "Two boats.", "rejected": "They met."}, turns(USER, *EARLIER)),
    "messages before a message": ({"messages": [SYSTEM, USER], "chosen": GOOD, "rejected": BAD}, turns(SYSTEM, USER)),
    "messages before messages": ({"messages": [SYSTEM, USER], "chosen": [GOOD], "rejected": [BAD]}, turns(SYSTEM, USER)),
    "messages that end with the chosen": ({"messages": [USER, GOOD], "chosen": "Two boats.", "rejected": "They met."}, turns(USER)),
    "prompt as text before a message": ({"prompt": ASK, "chosen": GOOD, "rejected": BAD}, turns(USER)),
    "prompt as a message": ({"prompt": USER, "chosen": GOOD, "rejected": BAD}, turns(USER)),
    "prompt that is the last question of conversations": (
        {"prompt": [EARLIER[1]], "chosen": [USER, *EARLIER, GOOD], "rejected": [USER, *EARLIER, BAD]},
        turns(USER, *EARLIER),
    ),
    "system line in the conversations alone": (
        {"prompt": [USER], "chosen": [SYSTEM, USER, GOOD], "rejected": [SYSTEM, USER, BAD]},
        turns(SYSTEM, USER),
    ),
    "roles by other names": (
        {"prompt": [SYSTEM | {"role": "developer"}, USER | {"role": " Human"}], "chosen": GOOD | {"role": "Assistant"}, "rejected": BAD | {"role": "MODEL"}},
        turns(SYSTEM, USER),
    ),
    "gemini": (
        {
            "messages": [{"role": "user", "parts": [{"text": ASK}]}],
            "chosen": {"role": "model", "parts": [{"text": "Two "}, {"text": "boats."}]},
            "rejected": {"role": "model", "parts": ["They met."]},
        },
        turns(USER),
    ),
    "keys that a table fills with nulls": (
        {"prompt": [USER | {"from": None, "value": None}], "chosen": {"from": "bot", "value": "Two boats.", "role": None, "content": None}, "rejected": BAD},
        turns(USER),
    ),
    "history": (
        {"instruction": "Longer.", "history": [[ASK, "Boats."]], "chosen": "Two boats.", "rejected": "They met."},
        turns(USER, *EARLIER),
    ),
    "history before a prompt": (
        {"system": "Be brief.", "prompt": "Longer.", "history": [USER, EARLIER[0]], "chosen": GOOD, "rejected": BAD},
        turns(SYSTEM, USER, *EARLIER),
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", PAIRS)
def test_pairs(shape: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row, asked = PAIRS[shape]
    dataset = data(tmp_path, row, row | {"chosen_rating": 8, "rejected_rating": 5.5})
    first, second = dataset.pairs("train")
    assert (first.messages, first.prompt, first.chosen, first.rejected) == (asked, None, "Two boats.", "They met.")
    spoken = [turn.content for turn in asked if turn.role != "system"]
    assert first.document == "\n\n".join(spoken)
    assert (second.score_chosen, second.score_rejected) == (8.0, 5.5)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and said[0].startswith(f"{tmp_path}/rows.jsonl: ")
    (summary,) = dataset.summaries("train")
    assert (summary.messages, summary.summary, summary.references) == (asked, "Two boats.", ("Two boats.",))


SUMMARIES: dict[str, tuple[dict[str, Any], tuple[Message, ...]]] = {
    "messages": ({"messages": [SYSTEM, USER, GOOD]}, turns(SYSTEM, USER)),
    "several turns": ({"messages": [USER, *EARLIER, GOOD]}, turns(USER, *EARLIER)),
    "conversations": (
        {"conversations": [{"from": "human", "value": ASK}, {"from": "gpt", "value": "Two boats."}]},
        turns(USER),
    ),
    "prompt and completion": ({"prompt": [SYSTEM, USER], "completion": [GOOD]}, turns(SYSTEM, USER)),
    "completion as text": ({"prompt": [SYSTEM, USER], "completion": "Two boats."}, turns(SYSTEM, USER)),
    "alpaca": (
        {"instruction": "Summarise.", "input": "A text.", "output": "Two boats."},
        turns({"role": "user", "content": "Summarise.\n\nA text."}),
    ),
    "alpaca without input": ({"instruction": ASK, "input": "", "output": "Two boats."}, turns(USER)),
    "alpaca with history": (
        {"instruction": "Longer.", "input": "", "output": "Two boats.", "history": [[ASK, "Boats."]], "system": ""},
        turns(USER, *EARLIER),
    ),
    "alpaca that asks in its input alone": (
        {"instruction": " ", "input": "", "context": ASK, "output": "Two boats."},
        turns(USER),
    ),
    "question and answer": ({"question": ASK, "answer": "Two boats."}, turns(USER)),
    "question, context and answer": (
        {"question": "Summarise.", "context": "A text.", "answer": "Two boats."},
        turns({"role": "user", "content": "Summarise.\n\nA text."}),
    ),
    "instruction, context and response": ({"instruction": ASK, "context": "", "response": "Two boats."}, turns(USER)),
    "system_prompt, question and response": (
        {"system_prompt": "Be brief.", "question": ASK, "response": "Two boats."},
        turns(SYSTEM, USER),
    ),
    "messages and completion": ({"messages": [SYSTEM, USER], "completion": "Two boats."}, turns(SYSTEM, USER)),
    "prompt as text and completion as a message": ({"prompt": ASK, "completion": GOOD}, turns(USER)),
    "completion as a whole conversation": ({"prompt": [SYSTEM, USER], "completion": [USER, GOOD]}, turns(SYSTEM, USER)),
    "output as a message": ({"instruction": ASK, "output": GOOD}, turns(USER)),
}


@pytest.mark.parametrize("shape", SUMMARIES)
def test_summaries(shape: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row, asked = SUMMARIES[shape]
    (found,) = data(tmp_path, row).summaries("train")
    assert (found.messages, found.prompt, found.summary) == (asked, None, "Two boats.")
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("answer", ["completion", "response", "answer"])
def test_a_ready_prompt_and_its_completion(answer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"prompt": "Summarise: x\n", answer: "y"}
    assert data(tmp_path, row).summaries("train") == [
        SummaryRow("row-1", "Summarise: x\n", "y", ("y",), "Summarise: x\n")
    ]
    said = f"{tmp_path}/rows.jsonl: prompt is read as a ready prompt, {answer} as the summary\n"
    assert capsys.readouterr().out == said
    named = data(tmp_path, row, columns={"question": "prompt", "prompt": None}).summaries("train")
    assert named[0].messages == turns({"role": "user", "content": "Summarise: x\n"}) and named[0].prompt is None


def test_an_answer_that_is_a_message_to_a_document(tmp_path: Path) -> None:
    """The template goes around the document, as it does where the answers are text."""
    row = {"document": "d", "chosen": GOOD, "rejected": [BAD]}
    assert data(tmp_path, row).pairs("train") == [PairRow("row-1", "d", "Two boats.", "They met.")]
    assert data(tmp_path, {"document": "d", "summary": GOOD}).summaries("train")[0].summary == "Two boats."


class TestWhatIsNotRead:
    def test_is_said_in_the_line_that_says_how_columns_were_read(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An instruction beside a document, a prompt beside messages: no column with something in it goes unsaid."""
        for row, line in (
            ({"document": "d", "summary": "s", "instruction": "Be brief.", "url": "u", "note": None}, "not read: instruction, url"),
            ({"document": "d", "summary": "s", "history": [["a", "b"]], "system": "x"}, "not read: history, system"),
            ({"messages": [USER, GOOD], "tools": "[]", "history": []}, "messages is read as a conversation, its last turn as the summary; not read: tools"),
            ({"conversations": [USER], "prompt": ASK, "output": "o"}, "conversations is read as a conversation; not read: prompt"),
        ):  # fmt: skip
            data(tmp_path, row, row).summaries("train")
            assert capsys.readouterr().out == f"{tmp_path}/rows.jsonl: {line}\n"
        data(tmp_path, {"prompt": "other", "chosen": [USER, GOOD], "rejected": [USER, BAD], "system": "x"}).pairs(
            "train"
        )
        shared = "chosen and rejected are read as conversations, the turns that they share as the prompt"
        assert capsys.readouterr().out == f"{tmp_path}/rows.jsonl: {shared}; not read: prompt\n"

    def test_is_not_said_of_what_is_read(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        row = {
            "text": "d",
            "short": {"one": "s"},
            "id": 1,
            "source": "x",
            "references": ["r"],
            "label": True,
            "score_chosen": 1,
        }
        data(tmp_path, row, columns={"document": "text", "summary": "short.one"}).summaries("train")
        assert capsys.readouterr().out == ""

    def test_names_a_dozen(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        data(tmp_path, {"document": "d", "summary": "s", **{f"c{n}": n + 1 for n in range(20)}}).summaries("train")
        assert capsys.readouterr().out.endswith("c10, c11 and 8 more\n")


def test_a_whole_table_in_one_object_is_named_by_its_kind(tmp_path: Path) -> None:
    rows = [{"document": f"d{n}", "summary": "s"} for n in range(3)]
    under = "(are the rows those under data? then give that list alone, as a JSON array)"
    by_columns = "(a table by columns: give one object a row)"
    for whole, sentence in (
        ({"data": rows}, under),
        ({"version": "1.0", "data": rows}, under),
        ({"document": ["d", "e"], "summary": ["s", "t"]}, by_columns),
        ({"document": {"0": "d", "1": "e"}, "summary": {"0": "s", "1": "t"}}, by_columns),
    ):
        for method in ("summaries", "pairs"):
            with pytest.raises(UserError) as caught:
                getattr(data(tmp_path, whole), method)("train")
            assert sentence in str(caught.value) and str(caught.value).startswith(f"{tmp_path}/rows.jsonl, line 1: ")
        (tmp_path / "wide.json").write_text(json.dumps(whole, indent=2))
        with pytest.raises(UserError) as caught:
            Jsonl(path=str(tmp_path / "wide.json")).summaries("train")
        assert f"{tmp_path}/wide.json is one JSON object over several lines" in str(caught.value)
        assert sentence in str(caught.value)


def test_scores_that_are_spelt_are_numbers(tmp_path: Path) -> None:
    row = {"prompt": ASK, "chosen": "a", "rejected": "b", "score_chosen": "8.0", "score_rejected": "-1"}
    (pair,) = data(tmp_path, row).pairs("train")
    assert (pair.score_chosen, pair.score_rejected) == (8.0, -1.0)
    for wrong in ("eight", "nan", "inf", [8], True):
        with pytest.raises(UserError, match=r"line 1: column score_chosen must be a finite number, got"):
            data(tmp_path, row | {"score_chosen": wrong}).pairs("train")


def test_unpaired_rows_labelled_false_are_not_imitated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"document": f"d{n}", "summary": f"s{n}", "label": label}
        for n, label in enumerate((True, False, 1, 0, -1, 0.0, "False", None, ""))
    ]
    assert [row.summary for row in data(tmp_path, *rows).summaries("train")] == ["s0", "s2", "s7", "s8"]
    assert "5 of 9 rows are left out: labelled false" in capsys.readouterr().out
    assert len(data(tmp_path, *rows, sft_on="both").summaries("train")) == 9


def test_labels_in_words_are_read(tmp_path: Path) -> None:
    good = ("desirable", "good", "Yes", "chosen", "thumbs_up", "Thumbs up", "1.0", "positive")
    bad = ("undesirable", "bad", "NO", "rejected", "thumbs_down", "thumbs-down", "-1.0", "negative")
    rows = [{"document": f"d{n}", "summary": label, "label": label} for n, label in enumerate((*good, *bad))]
    assert [row.summary for row in data(tmp_path, *rows).summaries("train")] == [*good]


@pytest.mark.parametrize("label", ["news", 2, 0.5, ["good"], "not sure"])
@pytest.mark.parametrize("column", ["label", "kto_tag"])
def test_a_label_that_says_neither_good_nor_bad_is_a_fault(tmp_path: Path, column: str, label: Any) -> None:
    rows = [{"document": "d0", "summary": "s0"}, {"document": "d1", "summary": "s1", column: label}]
    skips = f"dataset.columns={{{column}: null}} leaves it unread"
    with pytest.raises(UserError) as caught:
        data(tmp_path, *rows).summaries("train")
    place = f"{tmp_path}/rows.jsonl, line 2"
    assert str(caught.value) == f"{place}: column {column} says neither good nor bad, got {label!r}; {skips}"
    assert len(data(tmp_path, *rows, columns={column: None}).summaries("train")) == 2
    assert len(data(tmp_path, *rows, bad_rows="drop").summaries("train")) == 1
    assert len(data(tmp_path, *rows, sft_on="both").summaries("train")) == 2


@pytest.mark.parametrize("mark", [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"loss": False}])
def test_an_answer_marked_as_none_to_learn_from_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mark: dict[str, Any]
) -> None:
    """Only the turn that would be taught counts; a rejected answer is to be learnt to avoid."""
    earlier = [{"messages": [USER, {**GOOD, **mark}, USER, {**GOOD, "content": "s1", "weight": 1, "train": True}]}]
    for marked in (
        {"messages": [USER, {**GOOD, **mark}]},
        {"prompt": [USER], "completion": [{**GOOD, **mark}]},
        {"prompt": [USER], "completion": {**GOOD, **mark}},
        {"chosen": [USER, {**GOOD, **mark}], "rejected": [USER, BAD]},
    ):
        assert [row.summary for row in data(tmp_path, *earlier, marked).summaries("train")] == ["s1"]
    said = capsys.readouterr().out
    for column in ("messages", "completion", "chosen"):
        assert f"1 of 2 rows are left out: the last turn of {column} is marked as none to learn from" in said
    assert "not read" not in said
    (pair,) = data(tmp_path, {"chosen": [USER, GOOD], "rejected": [USER, {**BAD, **mark}]}).pairs("train")
    assert pair.rejected == BAD["content"]


def test_what_of_a_message_is_not_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thought = {**GOOD, "reasoning_content": "Hm.", "weight": 0.5, "name": None}
    data(tmp_path, {"messages": [USER, thought], "x": 1}).summaries("train")
    assert capsys.readouterr().out.endswith("; not read: x, messages.reasoning_content, messages.weight\n")
    data(tmp_path, {"chat": [USER, thought]}, columns={"messages": "chat"}).summaries("train")
    assert capsys.readouterr().out.endswith("; not read: messages.reasoning_content, messages.weight\n")
    data(tmp_path, {"chosen": [USER, thought], "rejected": [USER, BAD]}).pairs("train")
    assert capsys.readouterr().out.endswith("; not read: chosen.reasoning_content, chosen.weight\n")


def test_labels_go_by_either_name(tmp_path: Path) -> None:
    rows = [{"messages": [USER, {**GOOD, "content": f"s{n}"}], "kto_tag": bool(n)} for n in range(2)]
    assert [row.summary for row in data(tmp_path, *rows).summaries("train")] == ["s1"]


def test_a_system_line_beside_a_text_prompt_is_read(tmp_path: Path) -> None:
    rows = [
        {"system": "Be brief.", "prompt": f"Summarise {n}.", "chosen": "Yes.", "rejected": "No, no."} for n in range(3)
    ]
    turns = data(tmp_path, *rows).pairs("train")[0].messages
    assert turns is not None and [turn.role for turn in turns] == ["system", "user"] and turns[0].content == "Be brief."


ASKED = [{"role": "user", "content": "Summarise."}]
SYSTEM = {"role": "system", "content": "Be brief."}


def answered_by(text: str) -> list[dict[str, str]]:
    return [*ASKED, {"role": "assistant", "content": text}]


def test_a_system_line_of_the_prompt_alone_goes_before_whole_conversations(tmp_path: Path) -> None:
    row = {"prompt": [SYSTEM, *ASKED], "chosen": answered_by("Yes."), "rejected": answered_by("No.")}
    pair = data(tmp_path, *[row] * 3).pairs("train")[0]
    assert pair.messages is not None and [turn.role for turn in pair.messages] == ["system", "user"]
    assert (pair.chosen, pair.rejected) == ("Yes.", "No.")


def test_messages_as_json_text_are_messages(tmp_path: Path) -> None:
    """As JSON, and as pandas writes lists and arrays of NumPy; a history and single messages, too."""
    for spell in (json.dumps, partial(json.dumps, indent=1), repr, lambda turns: repr(turns).replace("}, {", "}\n {")):
        row = {side: spell(answered_by(said)) for side, said in (("chosen", "Yes."), ("rejected", "No."))}
        pair = data(tmp_path, *[row] * 3).pairs("train")[0]
        assert (pair.chosen, pair.rejected) == ("Yes.", "No.") and pair.messages == (Message("user", "Summarise."),)
        row = {
            "instruction": "Longer.",
            "chosen": spell(GOOD),
            "rejected": spell(BAD),
            "history": spell([[ASK, "Boats."]]),
        }
        pair = data(tmp_path, row).pairs("train")[0]
        assert (pair.chosen, pair.rejected, pair.messages) == ("Two boats.", "They met.", turns(USER, *EARLIER))
    none = {"instruction": "Longer.", "output": "x", "history": "[]"}
    assert data(tmp_path, none).summaries("train")[0].messages == (Message("user", "Longer."),)


def test_a_document_that_is_a_chat_log_as_json_stays_text(tmp_path: Path) -> None:
    text = {"document": json.dumps(ASKED), "summary": '[{"', "chosen": '[{"a": 1}] it is', "rejected": "No."}
    rows = data(tmp_path, *[text] * 3)
    assert rows.summaries("train")[0].document == text["document"]
    assert rows.pairs("train")[0].chosen == text["chosen"]


TOOL = {"role": "tool", "content": "42"}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}
IMAGE = {"role": "user", "content": [{"type": "image", "image": "x.png"}]}


@pytest.mark.parametrize(
    ("method", "row", "sentence"),
    [
        ("summaries", {"messages": [USER, TOOL, GOOD]}, "column messages.1 must be of the system, the user or the assistant, got 'tool'"),
        ("summaries", {"messages": [USER, CALL, GOOD]}, "column messages.1 calls a tool, which is not read"),
        ("summaries", {"messages": [IMAGE, GOOD]}, "column messages.0.content.0 must be a part of type text, got 'image'"),
        ("summaries", {"messages": [USER]}, "column messages must end with a turn of the assistant, got one of the user"),
        ("summaries", {"messages": [GOOD]}, "column messages must have a turn of the user before the answer, got none"),
        ("summaries", {"messages": [SYSTEM, GOOD]}, "column messages must have a turn of the user before the answer, got one of the system"),
        ("summaries", {"messages": []}, "column messages must be a list of messages, got []"),
        ("summaries", {"messages": ["hi"]}, "column messages.0 must be a message {role, content}, got 'hi'"),
        ("summaries", {"messages": [{"content": "hi"}]}, "column messages.0 must be of the system, the user or the assistant, got None"),
        ("summaries", {"messages": [USER, {"role": "assistant", "content": None}]}, "column messages.1.content is missing or null"),
        ("summaries", {"text": "only"}, "columns document and prompt are both missing or null, got text; dataset.columns={document: ...} reads another"),
        ("pairs", {"prompt": [USER, GOOD], "chosen": "a", "rejected": "b"}, "column prompt must have a turn of the user before the answer, got one of the assistant"),
        ("pairs", {"prompt": [USER, GOOD], "chosen": [GOOD], "rejected": [BAD]}, "column prompt must have a turn of the user before the answer, got one of the assistant"),
        ("pairs", {"chosen": [USER, GOOD], "rejected": [IMAGE | {"content": "x"}, BAD]}, "columns chosen and rejected share no prompt"),
        ("pairs", {"chosen": [GOOD], "rejected": [BAD]}, "columns document and prompt are both missing or null, got chosen, rejected; dataset.columns={document: ...} reads another"),
        ("pairs", {"chosen": USER, "rejected": BAD, "prompt": ASK}, "column chosen must end with a turn of the assistant, got one of the user"),
        ("pairs", {"messages": [USER, GOOD], "chosen": "a", "rejected": "b"}, "column messages must have a turn of the user before the answer, got one of the assistant"),
        ("summaries", {"instruction": "i", "history": "before", "output": "o"}, "column history must be pairs [user, assistant], got 'before'; dataset.columns={history: null} leaves it unread"),
        ("summaries", {"instruction": "i", "history": [["a", "b"], ["a"]], "output": "o"}, "column history must be pairs [user, assistant], got [['a', 'b'], ['a']]"),
        ("summaries", {"article": "a", "highlights": "h"}, "columns document and prompt are both missing or null, got article, highlights; dataset.columns={document: ...}"),
        ("summaries", {"prompt": "a", "reply": "h"}, "column summary is missing or null, got prompt, reply; dataset.columns={summary: ...} reads another"),
        ("summaries", {"document": "d", "data": [{"document": "d"}]}, "column summary is missing or null, got document, data; dataset.columns={summary: ...} reads another (are the rows those under data?"),
        ("pairs", {"chosen": [USER, GOOD, USER, BAD], "rejected": [USER, BAD, USER, BAD]}, "columns chosen and rejected part before their last message"),
        ("pairs", {"chosen": [USER, GOOD], "rejected": [USER, GOOD, USER, BAD]}, "columns chosen and rejected part before their last message"),
        ("pairs", {"chosen": [USER, GOOD], "rejected": "text"}, "column rejected must be a list of messages, got 'text'"),
        ("pairs", {"prompt": ASK, "chosen": "text", "rejected": [BAD]}, "column rejected must be text, got [{"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_one_sentence(method: str, row: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    good = {"prompt": ASK, "summary": "s"} if method == "summaries" else {"prompt": ASK, "chosen": "c", "rejected": "r"}
    with pytest.raises(UserError) as caught:
        getattr(data(tmp_path, good, row), method)("train")
    assert str(caught.value).startswith(f"{tmp_path}/rows.jsonl, line 2: {sentence}")
    dropping = data(tmp_path, good, row, row, bad_rows="drop")
    assert len(getattr(dropping, method)("train")) == 1


def test_an_empty_turn_is_an_empty_row(tmp_path: Path, tiny_tokenizer: Any) -> None:
    """An answer without text is an empty completion, a last question without text an empty document."""
    empty = {"role": "user", "content": " "}
    rows = [
        {"instruction": "", "input": "", "output": "o"},
        {"messages": [USER, {**GOOD, "content": ""}]},
        {"messages": [USER, EARLIER[0], empty, GOOD]},
        {"messages": [USER, GOOD]},
    ]
    found = data(tmp_path, *rows).summaries("train")
    counts = tokenize(found, tiny_tokenizer, Prompt(chat=True), Limits(empty="drop")).counts
    assert counts == {"dropped_empty_completion": 1, "dropped_empty_document": 2, "kept": 1}
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2 \(row row-2\): column summary is empty"):
        tokenize(found[1:], tiny_tokenizer, Prompt(chat=True), Limits())


def test_the_turns_of_a_row_are_what_the_chat_template_makes_of_them(tmp_path: Path, tiny_tokenizer: Any) -> None:
    row = {"prompt": [SYSTEM, USER, *EARLIER], "chosen": [GOOD], "rejected": [BAD]}
    pairs = data(tmp_path, row).pairs("train")
    tokens = tokenize(pairs, tiny_tokenizer, Prompt(chat=True), Limits()).rows
    whole = tiny_tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
    assert tokens.prompts[0].tolist() == tiny_tokenizer(whole, add_special_tokens=False)["input_ids"]
    with pytest.raises(UserError, match=r"line 1 \(row row-1\): is a conversation of 4 turns.* set prompt\.chat=true"):
        tokenize(pairs, tiny_tokenizer, Prompt(), Limits())


@pytest.fixture(scope="module")
def tiny_tokenizer(tiny_model_path: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_path)


class TestNames:
    def test_of_columns(self, tmp_path: Path) -> None:
        row = {"article": "A", "info": {"short": "S"}, "prompt": "not meant", "n": 5}
        names = {"document": "article", "summary": "info.short", "id": "n", "prompt": None}
        assert data(tmp_path, row, columns=names).summaries("train") == [SummaryRow("5", "A", "S", ("S",))]
        named = {"document": "query", "chosen": "best", "rejected": "worst"}
        (pair,) = data(tmp_path, {"query": "Q", "best": "b", "worst": "w"}, columns=named).pairs("train")
        assert pair == PairRow("row-1", "Q", "b", "w")

    def test_of_a_column_that_is_not_there(self, tmp_path: Path) -> None:
        dataset = data(tmp_path, {"article": "A", "highlights": "H"}, columns={"document": "text"})
        sentence = r"line 1: there is no column text, only article, highlights \(config key dataset\.columns\)"
        with pytest.raises(UserError, match=sentence):
            dataset.summaries("train")

    def test_of_splits(self, tmp_path: Path) -> None:
        for name in ("train_prefs", "test_prefs", "test_sft"):
            row = {"document": name, "chosen": "c", "rejected": "r"}
            (tmp_path / f"{name}-00000-of-00001.jsonl").write_text(json.dumps(row))
        names = {"train": "train_prefs", "validation": "test_prefs", "test": "test_sft"}
        dataset = Jsonl(path=str(tmp_path), splits=names)
        assert [dataset.pairs(split)[0].document for split in ("train", "validation", "test")] == list(names.values())  # type: ignore[arg-type]
        with pytest.raises(UserError, match=r"has no file train\.jsonl for the split train; it has test_prefs-00000"):
            Jsonl(path=str(tmp_path)).pairs("train")
        with pytest.raises(UserError, match="has no splits to name"):
            Jsonl(path=str(tmp_path / "test_sft-00000-of-00001.jsonl"), splits=names).pairs("train")

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"columns": {"article": "document"}}, "columns gives names to document, prompt, .* not to article"),
            ({"columns": {"document": 5}}, r"columns must give document a name, got 5 \(config key dataset.columns.document"),
            ({"columns": "article"}, r"columns must be null or names such as {document: a name}, got 'article'"),
            ({"splits": {"training": "train"}}, "splits gives names to train, validation, test, not to training"),
            ({"splits": {"train": None}}, "splits must give train a name, got None"),
            ({"bad_rows": "skip"}, "bad_rows must be one of error, drop, got skip"),
        ],
    )  # fmt: skip
    def test_that_are_none(self, fields: dict[str, Any], sentence: str) -> None:
        with pytest.raises(UserError, match=sentence):
            Jsonl(path="rows.jsonl", **fields)
