"""Answers that only write, and answers that only judge."""

import pytest

from summpo.synthesis.answers import Verdict, Written, read_verdict, read_written
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

FIRST, SECOND = "The port closed in 1931.", "Silt closed the port."


def answer_of(text: str, finish_reason: str = "stop") -> Answer:
    return Answer(text, finish_reason, "teacher", 100, 10)


@pytest.mark.parametrize(
    "text",
    [
        f"Summary 1: {FIRST}\nSummary 2: {SECOND}",
        f"Here they are.\n\n**Summary 1** (5 words):\n\n{FIRST}\n\n---\n\n**Summary 2** (4 words):\n\n{SECOND}\n\n---\nLet me know if I should go on.",
        f"## Summary 2\n{SECOND}\n## Summary 1\n{FIRST}\n(5 words)",
        f'{{"summary_1": "{FIRST}", "summary_2": "{SECOND}"}}',
        f'```json\n{{"summary_1": {{"text": "{FIRST}"}}, "summary_2": {{"text": "{SECOND}"}}}}\n```',
        f"Summary 1: {FIRST}\nTotal score: 99\nSummary 2: {SECOND}\nBest summary: both",
    ],
)  # fmt: skip
def test_two_summaries(text: str) -> None:
    assert read_written(answer_of(text)) == Written((FIRST, SECOND))


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        (f"Summary 1: {FIRST}", "stop", "missing_part"),
        (f"Summary 1: {FIRST}\nSummary 2:", "stop", "empty_summary"),
        (f"Summary 1: {FIRST}\nSummary 2: Silt", "length", "truncated"),
        ("Summary 1: [the first summary]\nSummary 2: [the second summary]", "stop", "placeholder"),
        (f"Summary 1: {FIRST}\nSummary 2: {SECOND}\nSummary 3: It closed.", "stop", "unexpected_part"),
        (f"1. {FIRST}\n2. {SECOND}", "stop", "missing_part"),
        (f"<summary_1>\n{FIRST}\n</summary_1>\n<summary_2>\n{SECOND}\n</summary_2>", "stop", "missing_part"),
        (
            f"Summary 1: {FIRST}\nScore: 3-2 at half time.\nIt ended 4-2.\nSummary 2: {SECOND}",
            "stop",
            "unexpected_part",
        ),
        (f"Summary 1: {FIRST}\nExplanation: it silted up.\nSummary 2: {SECOND}", "stop", "unexpected_part"),
        (f"Summary 1: {FIRST}\nAnswer: 2, said the clerk.\nSummary 2: {SECOND}", "stop", "unexpected_part"),
        (f"Summary 1: {FIRST}\nSummary 2: {SECOND}\nRating: 12", "stop", "unexpected_part"),
        (f"Summary 1: {FIRST}\nSummary 2: {SECOND}\n\nBoth summaries are short.", "stop", "unexpected_part"),
        *[
            (f"Summary 1: {FIRST}\nSummary 2: {SECOND}{more}", "stop", "unexpected_part")
            for more in (
                "\nVerdict: the first.",
                '\n{"summary": "It closed.", "total": 12}],',
                " I cannot continue.",
                "\nSummary II: It closed.",
                "\nRésumé 3: Le port.",
                "\n| Summary 3 | It closed. |",
                "\n\n(I can also write a longer one.)",
                "\n\nWord counts: 10 and 4",
                "\n\n---\nBoth stay within the limits.",
                "\n\nThese summaries differ.",
                "\n<|im_end|>",
                "\n- Coherence: 5",
                " Total score: 12",
            )
        ],
        (f"{{\nsummary_1: {FIRST!r},\nsummary_2: {SECOND!r}\n}}", "stop", "broken_json"),
        (f'{{"summary_1": ["{FIRST}"], "summary_2": "{SECOND}"}}', "stop", "unexpected_part"),
        (f'{{"summary_1": "{FIRST}", "summary_2": null}}', "stop", "empty_summary"),
        ("I cannot help with that.", "stop", "refusal"),
        ("", "content_filter", "content_filter"),
    ],
)
def test_or_none(text: str, finish_reason: str, reason: str) -> None:
    read = read_written(answer_of(text, finish_reason))
    assert isinstance(read, Rejected) and read.reason == reason


@pytest.mark.parametrize(
    "text",
    [
        "Explanation 1: one.\nTotal score 1: 16\nExplanation 2: two.\nTotal score 2: 12\nBest summary: 1",
        "**Summary 1**\nTotal score: 16/18\nExplanation: one.\n\n**Summary 2**\nTotal score: 12/18\nExplanation: two.\n\n**Best summary:** Summary 1",
        "### Summary 1\n- Coherence: 5\n- Consistency: 5\n- Relevance: 4\n- Fluency: 2\n- Explanation: one.\n### Summary 2\n- Coherence: 3\n- Consistency: 4\n- Relevance: 3\n- Fluency: 2\n- Explanation: two.\n### Verdict\nSummary 1",
        '{"explanation_1": "one.", "total_score_1": 16, "explanation_2": "two.", "total_score_2": 12, "best_summary": 1}',
        "Summary 1: one.\nSummary 2: two.\nTotal score 1: 16\nTotal score 2: 12\nBest summary: the first",
    ],
)  # fmt: skip
def test_a_verdict(text: str) -> None:
    assert read_verdict(answer_of(text)) == Verdict((16, 12), ("one.", "two."), 1)


def test_a_remark_that_begins_with_a_number_is_no_score() -> None:
    text = "Summary 1: 5 facts are missing.\nSummary 2: 9 are.\nTotal score 1: 16\nTotal score 2: 12\nBest summary: 1"
    assert read_verdict(answer_of(text)) == Verdict((16, 12), ("5 facts are missing.", "9 are."), 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Best summary: 1", "missing_part"),
        ("Total score 1: 16\nTotal score 2: 12", "missing_part"),
        ("Total score 1: 16\nTotal score 2: 12\nBest summary: 2", "best_contradicts_scores"),
        ("Total score 1: 16\nTotal score 2: 21\nBest summary: 2", "score_out_of_range"),
        ("Total score: 16\nTotal score: 12\nBest summary: 1", "missing_part"),
        ("Total score 1: 16\nTotal score 2: 16\nBest summary: neither", "best_not_1_or_2"),
    ],
)
def test_or_no_verdict(text: str, reason: str) -> None:
    read = read_verdict(answer_of(text))
    assert isinstance(read, Rejected) and read.reason == reason
