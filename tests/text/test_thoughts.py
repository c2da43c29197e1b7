"""Thoughts in the dress of each family, told from what a sentence says of them."""

import pytest

from summpo.text.thoughts import closing_of, is_mark, without_thoughts

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
        (" to=user<|message|>Words.<|eot|>", "Words.", ""),
        (
            " to=self<|message|>Hm.<|eom|><|start|>assistant to=user<|message|>Words.",
            "Words.",
            " to=self<|message|>Hm.<|eom|>",
        ),
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
        (" to=self<|message|>Hm. Better: 2", ""),
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


ABOUT = [
    "The tag </think> closes a thought.",
    "The paper studies the tag </think>, which closes a thought.",
    "A thought is closed by </think>. The answer follows.",
    "A thought is opened by <think> and closed by </think> again.",
    "The tags (</think>) and [</think>] are marks.",
    "Models emit <think>reasoning</think> before they answer.",
    "It has three parts: one, </think> two, and the answer.",
    "\u6807\u8bb0</think>\u7528\u4e8e\u7ed3\u675f\u601d\u8003\u3002",
    "The channel mark <|channel|> is followed by a name.",
    "A message to=user<|message|> is its answer.",
    "They write <|channel|> and <|message|> around it.",
    "- <think>: opens a thought\n- </think>: closes it",
    "Tags of its kind: <reflection>, <think>. And more.",
    "The end mark (</think>, as Qwen writes it) is one token.",
    "Its end is marked: </think> stands there.",
    "The end mark **</think>** is one token.",
    "The mark [/THINK] ends it, as <|END_THINKING|> does elsewhere.",
    "First line.\nThe tag </think> closes a thought.\nLast line.",
]


@pytest.mark.parametrize("text", ABOUT)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_summary_that_speaks_of_marks(text: str, is_known: bool) -> None:
    """A student's, whose prompt is known, and an endpoint's; with a thought before it that was opened, or without."""
    not_open = False if is_known else None
    said = without_thoughts(text, not_open)
    assert (said.text, said.thoughts, said.cut) == (text, "", False)
    for thought in ("<think>\nHm.\n</think>\n\n", "<think>\n\n</think>\n\n", "[THINK]Hm.[/THINK]"):
        said = without_thoughts(thought + text, not_open)
        assert (said.text, said.thoughts, said.cut) == (text, thought, False)
    said = without_thoughts(f"Hm.\n</think>\n\n{text}", opened=True)
    assert (said.text, said.thoughts, said.cut) == (text, "Hm.\n</think>\n\n", False)


@pytest.mark.parametrize("text", ABOUT)
def test_a_thought_that_speaks_of_marks(text: str) -> None:
    """It ends at its own closing mark, whoever opened it."""
    if "<|message|>" in text:
        return
    for opening, opened in (("<think>\n", None), ("<think>\n", False), ("", True)):
        thought = f"{opening}{text}\n</think>\n\n"
        said = without_thoughts(f"{thought}Words.", opened)
        assert (said.text, said.thoughts, said.cut) == ("Words.", thought, False)


@pytest.mark.parametrize("opened", [False, None])
@pytest.mark.parametrize(
    "thought",
    [
        "Okay, so I need a summary.\n</think>\n\n",
        "Hm.</think>\n",
        "\n</think>\n\n",
        "</think>",
        "So it is. </think>\n\n",
    ],
)
def test_a_thought_that_nothing_has_opened(thought: str, opened: bool | None) -> None:
    """As a model has it that was taught with a prompt that opens one, and is asked by another."""
    said = without_thoughts(f"{thought}Words.", opened)
    assert (said.text, said.thoughts, said.cut) == ("Words.", thought, False)


def test_a_sentence_that_runs_up_to_a_closing_mark() -> None:
    """Where the prompt is known it is a summary's; an endpoint's prompt may have opened the thought."""
    first = "</think> is the mark that closes a thought."
    assert without_thoughts(first, opened=False).text == first
    text = "So I choose the first </think>\n\nBetter: 1"
    assert without_thoughts(text, opened=False).text == text
    assert without_thoughts(text, opened=True).text == without_thoughts(text).text == "Better: 1"


def test_a_closing_mark_behind_all_that_is_said() -> None:
    """Of a student that has no thought open it is the summary; an endpoint's answer is then none."""
    assert without_thoughts("Words.\n</think>\n", opened=False).text.strip() == "Words."
    assert without_thoughts("Words.\n</think>\n").text == ""
    assert without_thoughts("Words.\n</think>\n", opened=True).text == ""


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
