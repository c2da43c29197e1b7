"""Thoughts in the dress of each family, told from what a sentence says of them."""

import pytest

from summpo.thoughts import closing_of, is_mark, without_thoughts

HARMONY = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Words."

DRESSES = [
    ("<think>Hm</think>", "Words."),
    ("<think>\nHm\n</think>\n\n", "Words."),
    ("\n<Thinking>Hm</Thinking>\n", "Words."),
    ("<thought>Hm</thought>", "Words."),
    ("<seed:think>Hm</seed:think>", "Words."),
    ("<reasoning>\nHm\n</reasoning>\n", "Words."),
    ("<|think|>Hm<|/think|>", "Words."),
    ("[THINK]Hm[/THINK]", "Words."),
    ("\u25c1think\u25b7Hm\u25c1/think\u25b7", "Words."),
    ("<|START_THINKING|>Hm<|END_THINKING|>", "<|START_RESPONSE|>Words.<|END_RESPONSE|>"),
    ("<|begin_of_thought|>Hm<|end_of_thought|>", "<|begin_of_solution|>Words.<|end_of_solution|>"),
    ("<|inner_prefix|>Hm<|inner_suffix|>", "Words."),
    ("<|channel>thought\nHm\n<channel|>", "Words."),
    ("<unused94>thought\nHm<unused95>", "Words."),
    ("Here is my thought process:\nHm\nHere is my response:\n", "Words."),
    ("<think>Hm</think>\n", "<answer>\nWords.\n</answer>"),
    ("<think>Hm</think>", "<answer>Words."),
    ("<think></think>", "Words."),
    ("analysisHm, short.assistantfinal", "Words."),
    ("<think>It says <think> twice.</think>", "Words."),
    ("<think>First </think>, no, on.</think>", "Words."),
    ("<think>Then `</think>` and so on.</think>", "Words."),
    ("Hm, no opening mark.\n</think>\n\n", "Words."),
    ("<think>One.</think><think>Two.</think>", "Words."),
    ("<think>[THINK]Hm</think>", "Words."),
]


@pytest.mark.parametrize(("thoughts", "answer"), DRESSES)
def test_every_dress(thoughts: str, answer: str) -> None:
    said = without_thoughts(thoughts + answer)
    assert (said.text.strip(), said.thoughts, said.cut) == ("Words.", thoughts.lstrip(), False)


@pytest.mark.parametrize(
    ("written", "text", "thoughts"),
    [
        (HARMONY, "Words.", "<|channel|>analysis<|message|>Hm.<|end|>"),
        (HARMONY + "<|return|>", "Words.", "<|channel|>analysis<|message|>Hm.<|end|>"),
        ("<|channel|>final<|message|>Words.", "Words.", ""),
        ("<|channel|>analysis<|message|>Hm.<|end|>", "", "<|channel|>analysis<|message|>Hm.<|end|>"),
        (
            "<|start|>assistant<|channel|>final <|constrain|>json<|message|>{}<|return|>",
            "{}",
            "",
        ),
        ("Rain.\n<think>Hm</think>\nWords.", "Rain.\nWords.", "<think>Hm</think>\n"),
        ("Rain. <think>Hm</think>Words.", "Rain. Words.", "<think>Hm</think>"),
        ("Rain <think>hm</think>fell.", "Rain fell.", "<think>hm</think>"),
    ],
)
def test_messages_and_thoughts_between(written: str, text: str, thoughts: str) -> None:
    said = without_thoughts(written)
    assert (said.text, said.thoughts, said.cut) == (text, thoughts, False)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("<think>\nAt first sight:\nBetter: 2\nHowever", ""),
        ("[THINK]Hm", ""),
        ("Words.\n<think>Hm", "Words.\n"),
        ("<think>One.</think>Words.<think>Two", "Words."),
        ("<|channel|>analysis<|message|>Hm. Better: 2", ""),
        ("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>So", ""),
        ("Here is my thought process:\nHm", ""),
        ("<|channel|>analysis", ""),
        ("<think>", ""),
    ],
)
def test_cut_within_a_thought(written: str, text: str) -> None:
    said = without_thoughts(written)
    assert (said.text, said.cut) == (text, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Words.",
        " Words, with space around. \n",
        "We add the token <think> to the vocabulary.",
        "The marks <think> and </think> stand around it.",
        'It is put between "<think>" and "</think>".',
        "`</think>` ends a thought.",
        "analysis shows that the final assistant wins.",
        "analysis of my assistant final exam",
        "analysis of the assistant finalised. More.",
        "<answer>Words.</answer>",
        "a < b, and <p>tags</p>, [1] and [think tank]",
        "A paper on thinking: thoughts count.",
        "[thinking] Amanda waits. [/thinking]",
        "Here is my response: words.",
    ],
)
def test_text_about_thoughts_stays(text: str) -> None:
    said = without_thoughts(text)
    assert (said.text, said.thoughts, said.cut) == (text, "", False)


def test_a_thought_that_the_prompt_has_opened() -> None:
    """As generation prompts that end in <think> have it."""
    said = without_thoughts("Hm.\n</think>\n\nWords.", opened=True)
    assert (said.text, said.thoughts, said.cut) == ("Words.", "Hm.\n</think>\n\n", False)
    said = without_thoughts("Hm, the words", opened=True)
    assert (said.text, said.thoughts, said.cut) == ("", "Hm, the words", True)


@pytest.mark.parametrize(
    ("prompt", "closing"),
    [
        ("<|im_start|>assistant\n<think>\n", "</think>"),
        ("<assistant>[THINK]", "[/THINK]"),
        ("<|assistant|><|think|>", "<|/think|>"),
        ("<|CHATBOT_TOKEN|><|START_THINKING|>", "<|END_THINKING|>"),
        ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", None),
        ("<|im_start|>assistant\n", None),
        ("<think>\nHm, wo", "</think>"),
        ("assistant\n<think>\nHm, wo", "</think>"),
        ("assistant\n<think>\nHm.\n</think>\nWo", None),
        ("We add <think>\nto the words", None),
        ("", None),
    ],
)
def test_prompts_that_open_a_thought(prompt: str, closing: str | None) -> None:
    assert closing_of(prompt) == closing


def test_marks() -> None:
    marks = [
        "<think>",
        "</think>",
        "[THINK]",
        "[/THINK]",
        "<|channel|>",
        "<|message|>",
        "<|end_of_thought|>",
        "<|channel>",
    ]
    assert all(map(is_mark, marks))
    assert not any(map(is_mark, ["<|im_end|>", "</s>", "<eos>", "think", "<|user|>"]))
