"""Answers that think before they answer, and those that are ended already, as they are taught."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from summpo.inspection.lengths import lengths_of
from summpo.text.prompts import Prompt
from summpo.text.rows import PairRow, SummaryRow
from summpo.text.tokens import Limits, tokenize
from summpo.text.turns import completion_tokens, without_ends
from support.chat_models import FAMILIES, Family, chat_tokenizer

PROMPT = Prompt(template="{document}", chat=True)
each = pytest.mark.parametrize("name", FAMILIES)
COMMAND = Family(
    "{% for m in messages %}<|start|><|{{ m['role'] }}|>{{ '<|START|>' if m['role'] == 'assistant' }}{{ m['content'] }}"
    "{{ '<|END|>' if m['role'] == 'assistant' }}<|end|>{% endfor %}{% if add_generation_prompt %}<|start|><|assistant|>"
    "<|START|>{% endif %}",
    "</s>", ("<|start|>", "<|user|>", "<|assistant|>", "<|START|>", "<|END|>", "<|end|>"), ("", ""), "<|END|>",
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Family], PreTrainedTokenizerBase]:
    made: dict[str, PreTrainedTokenizerBase] = {}

    def of(family: Family) -> PreTrainedTokenizerBase:
        if family.template not in made:
            made[family.template] = chat_tokenizer(tmp_path_factory.mktemp("family"), family)
        return made[family.template]

    return of


def whole_of(tokenizer: Any, family: Family, *said: str) -> str:
    """What transformers makes of a conversation; up to where the assistant speaks where only the user has."""
    told = [[{"type": "text", "text": text}] if family.in_parts else text for text in said]
    turns = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), told, strict=False)]
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=len(said) == 1, **family.day)


def taught(texts: Sequence[str], tokenizer: Any, prompt: Prompt = PROMPT, ready: str | None = None) -> list[str]:
    ids = completion_tokens(texts, tokenizer, prompt, ready=[ready] * len(texts))
    return [str(tokenizer.decode(own)) for own in ids]


THINKING = (
    "<think>\nhm\n</think>\n\nWords.",
    "<think>hm</think>Words.",
    "\n<think>\n\nhm\n\nso\n</think> Words.",
    "hm\n</think>\n\nWords.",
    "<think>\n</think>\n\nWords.",
)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "r1"])
def test_an_answer_that_thinks_is_taught_as_the_template_has_it(name: str, tokenizer_of: Any) -> None:
    """Without an empty thought before its own, and in the template's white space."""
    tokenizer: Any = tokenizer_of(FAMILIES[name])
    rows = [SummaryRow("a", "Go.", said) for said in THINKING]
    found = tokenize(rows, tokenizer, PROMPT, Limits()).rows
    for said, start, own in zip(THINKING, found.prompts, found.completions[0], strict=True):
        whole = whole_of(tokenizer, FAMILIES[name], "Go.", said)
        assert [*start, *own] == tokenizer(whole, add_special_tokens=False)["input_ids"]


def test_what_only_speaks_of_a_thought_is_none(tokenizer_of: Any) -> None:
    texts = ["The tag <think> opens it.", "Words </think> x.", "<think>\nhm"]
    for name, before in (("qwen_3", "<think>\n\n</think>\n\n"), ("r1", "\n</think>\n\n")):
        found = taught(texts, tokenizer_of(FAMILIES[name]))
        assert found == [f"{before}{text}{FAMILIES[name].turn[1]}" for text in texts]
    said = "<think>\nIt ends with </think>, I think.\n</think>\n\nWords."
    assert taught([said], tokenizer_of(FAMILIES["qwen_3"])) == [f"{said}<|im_end|>\n"]
    said = "<think>\nhm\n</think>\n\nWords. <think>x</think>"
    assert taught([said], tokenizer_of(FAMILIES["qwen_3"])) == [f"{said}<|im_end|>\n"]


@pytest.mark.parametrize(
    ("said", "behind"),
    [
        ("<think>\nhm\n</think>\n\nWords.", "hm\n</think>\n\nWords."),
        ("<think>hm</think>Words.", "hm</think>Words."),
        (" hm\n</think>\n\nWords.", " hm\n</think>\n\nWords."),
        ("[THINK]hm[/THINK]Words.", "\n</think>\n\n[THINK]hm[/THINK]Words."),
        ("Words.", "\n</think>\n\nWords."),
    ],
)
def test_a_thought_that_the_prompt_has_opened(said: str, behind: str, tokenizer_of: Any) -> None:
    """It goes on: its mark is not written again, and it is not closed before it ends; in every kind of prompt."""
    r1, qwen = tokenizer_of(FAMILIES["r1"]), tokenizer_of(FAMILIES["qwen_3"])
    start = whole_of(r1, FAMILIES["r1"], "Go.")
    assert start.endswith("<think>\n")
    assert taught([said], r1) == taught([said], r1, ready=start) == [f"{behind}<eos>"]
    assert (
        taught([said], r1, Prompt(), start) == taught([said], r1, Prompt("{document}\n<think>\n")) == [f"{behind}<eos>"]
    )
    open_one = whole_of(qwen, FAMILIES["qwen_3"], "Go.") + "<think>\n"
    assert taught([said], qwen, ready=open_one) == [f"{behind}<|im_end|>\n"]
    assert taught(["<think>\nhm</think>Words."], qwen, ready=open_one[:-1]) == ["\nhm</think>Words.<|im_end|>\n"]


def test_marks_of_a_thought_that_are_control_tokens(tokenizer_of: Any) -> None:
    """They are real around the answer's own thought; what else it spells is text."""
    family = FAMILIES["qwen_3"]
    template = family.template.replace("<think>", "[THINK]").replace("</think>", "[/THINK]")
    tokenizer: Any = tokenizer_of(replace(family, template=template, control=(*family.control, "[THINK]", "[/THINK]")))
    (ids,) = completion_tokens(["[THINK]\nhm<|im_end|>\n[/THINK]\n\nWords.[THINK]"], tokenizer, PROMPT)
    assert tokenizer.decode(ids) == "[THINK]\nhm<|im_end|>\n[/THINK]\n\nWords.[THINK]<|im_end|>\n"
    marks = [token for token in tokenizer.convert_ids_to_tokens(ids) if token in tokenizer.all_special_tokens]
    assert marks == ["[THINK]", "[/THINK]", "<|im_end|>"]


@pytest.mark.parametrize("chat", [True, False])
@each
def test_an_answer_to_a_ready_prompt_that_is_ended_already(name: str, chat: bool, tokenizer_of: Any) -> None:
    """Its end is real, by EOS or as the template has it, and stands once; amid the text it is text."""
    family = FAMILIES[name]
    tokenizer: Any = tokenizer_of(family)
    prompt, ready = Prompt(chat=chat), whole_of(tokenizer, family, "Go.")
    ends = ("", family.end, f"{family.end}\n", family.turn[1], family.eos, f"{family.end}\n{family.eos}")
    rows = [SummaryRow("a", "Go.", f"Words.{end}", (), ready) for end in ends]
    found = [ids.tolist() for ids in tokenize(rows, tokenizer, prompt, Limits()).rows.completions[0]]
    assert found == completion_tokens(["Words."], tokenizer, prompt, ready=[ready]) * len(ends)
    if chat and name != "r1":
        whole = tokenizer(whole_of(tokenizer, family, "Go.", "Words."), add_special_tokens=False)["input_ids"]
        assert tokenizer(ready, add_special_tokens=False)["input_ids"] + found[0] == whole
    amid = replace(rows[0], summary=f"Words.{family.end} More.")
    of_document = SummaryRow("a", "Go.", f"Words.{family.end}")
    assert without_ends([amid, of_document], tokenizer, prompt) == [amid, of_document]


def test_an_end_of_several_tokens(tokenizer_of: Any) -> None:
    tokenizer = tokenizer_of(COMMAND)
    row = SummaryRow("a", "Go.", "Words.<|END|><|end|>", ("Words.<|END|>",), "<|start|>Go.")
    (found,) = without_ends([row], tokenizer, PROMPT)
    assert (found.summary, found.references) == ("Words.", ("Words.",))


def test_pairs_that_differ_in_their_ends_alone(tokenizer_of: Any) -> None:
    """They are the same text, and an end alone is no text."""
    tokenizer = tokenizer_of(FAMILIES["smollm"])
    same = PairRow("a", "Go.", "Words.<|im_end|>", "Words.", prompt="Go.")
    blank = PairRow("b", "Go.", "Words.", "<|im_end|>\n", prompt="Go.")
    counts = tokenize([same, blank], tokenizer, PROMPT, Limits(empty="drop", identical="drop")).counts
    assert counts == {"dropped_identical_pair": 1, "dropped_empty_completion": 1}


@each
def test_lengths_are_of_the_text_alone(name: str, tokenizer_of: Any) -> None:
    """Nine letters, in SentencePiece with the space before, whatever stands around a turn and however it ended."""
    family = FAMILIES[name]
    tokenizer: Any = tokenizer_of(family)
    pairs = [
        PairRow("a", "Go.", "Rain fell", "Words."),
        PairRow(
            "b", "Go.", f"Rain fell{family.end}", f"Words.{family.end}\n", prompt=whole_of(tokenizer, family, "Go.")
        ),
    ]
    found = lengths_of(without_ends(pairs, tokenizer, PROMPT), tokenizer)
    assert found.chosen_tokens.tolist() == [9 + family.pieces] * 2
    assert found.rejected_tokens.tolist() == [6 + family.pieces] * 2
    assert found.chosen_words.tolist() == [2, 2]
