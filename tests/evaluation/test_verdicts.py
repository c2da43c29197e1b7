"""What a judge's answers decide: as models write them, and nothing where it is not plain."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.evaluation.verdicts import read_verdict
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

LABELS = ("better", "best", "preferred", "winner", "winning", "verdict", "answer", "decision", "choice", "preference")


def answer(text: str, finish_reason: str = "stop", thoughts: str = "") -> Answer:
    return Answer(text, finish_reason, "judge", 10, 5, thoughts)


AS_WRITTEN = pytest.mark.parametrize(
    ("text", "first_wins"),
    [
        ("It keeps the point.\nBetter: 1", 1.0),
        ("Better: 2", 0.0),
        ("Better: tie", 0.5),
        ("**Better:** 2", 0.0),
        ("**Better: Summary 1**", 1.0),
        ("## Better summary: 2.", 0.0),
        ("> better - second", 0.0),
        ("Better: neither", 0.5),
        ("Better: A", 1.0),
        ("Chosen: A", 1.0),
        ("Verdict: B", 0.0),
        ("The better summary is A.", 1.0),
        ("2) Better: 2", 0.0),
        ("```\nBetter: 2\n```", 0.0),
        ("Better: It is a tie", 0.5),
        ("Better: Summary 1 is better than Summary 2.", 1.0),
        ("Better: 1\n\nI hope this helps!", 1.0),
        ('Here is the JSON in the requested format:\n{"reason": "x", "better": "2"}', 0.0),
        ("The first names the year, Summary 2 does not.\nBetter: 1", 1.0),
        ("Better: 1\nBetter: 1", 1.0),
        ("Summary 1 is better written, Better: 2 would be wrong.\nBetter: 1", 1.0),
        ("better：summary_2", 0.0),
        ("`Better: 1`", 1.0),
        ("It names the boats. Better: 1", 1.0),
        ("Reason: it names the boats! **Better:** 2", 0.0),
        ("Summary 1 is the more fluent; better: 2", 0.0),
        ("(Both are short.) Better: tie", 0.5),
        ("Better: Summary 1 (more faithful)", 1.0),
        ("Better: 2 - it says what was decided", 0.0),
        ("Better: tie (both are faithful)", 0.5),
        ("Better: both summaries are equally good", 0.5),
        ("Better: [1]", 1.0),
        ("The better summary is Summary 2.", 0.0),
        ("Final verdict: Summary 1", 1.0),
        ("Winner: 2", 0.0),
        ("Better:\n\n2", 0.0),
        ('{"better": 1}', 1.0),
        ('```json\n{"reason": "It is brief.", "better": "Summary 2"}\n```', 0.0),
        ('Here it is: {"winner": "summary_1"}', 1.0),
        ('{"better": "tie"}', 0.5),
        ('{"verdict": {"better_summary": 2}}', 0.0),
        ('verdict={"better": "2"}', 0.0),
        ("It is close, and more could be said of it. " * 8 + '{"better": "1"}', 1.0),
        (
            "Summary 1 covers the main finding and the sample size, while Summary 2 adds a claim that the document does not support.\n\nBetter: 1",
            1.0,
        ),
        (
            "Both are accurate. Summary 2 is more concise, but it leaves out the date; Summary 1 includes it.\nBetter: 1",
            1.0,
        ),
        ('**Reasoning:** Summary 1 is faithful. Summary 2 hallucinates "2019".\n\n**Better: 1**', 1.0),
        ("| Summary | Score |\n|---|---|\n| 1 | 4 |\n| 2 | 3 |\n\nBetter: 1", 1.0),
        ('{"reason": "Summary 1 names the boats; Summary 2 is vague.", "better": "1"}', 1.0),
        (
            '```json\n{\n  "reason": "Summary 2 is better at naming the cause.",\n  "better": "2"\n}\n```\nI hope this helps.',
            0.0,
        ),
        ('{"better": "1", "reason": "It is better than Summary 2."}', 1.0),
        ("Summary 1 is better.\nBetter: 1", 1.0),
        ("I think Summary 2 is better. Better: 2", 0.0),
        ("The second summary is better overall.\n\nBetter: 2", 0.0),
        ("Overall, the better summary is summary 1.", 1.0),
        ("Coherence: Summary 2 is better.\nFaithfulness: Summary 1 is better.\nBetter: 1", 1.0),
        ('{"coherence": "Summary 2 is better.", "reason": "Faithfulness counts.", "better": "1"}', 1.0),
        ("Brevity: Summary 2 is better.\nBetter: 1", 1.0),
        ('{"better": "1"}\nIt names the boats.', 1.0),
        ("### Better\n1", 1.0),
        ("**Better**\n\nSummary 1", 1.0),
        ("Better: Summary No. 1", 1.0),
        ("Final answer: 2", 0.0),
        ("Better: same", 0.5),
        ("Better: equally good", 0.5),
        ("Better: they are equally good.", 0.5),
        ("Better: it's a draw", 0.5),
        ("## Verdict\n**Summary 2**", 0.0),
        ("**Final Answer**\n\n2", 0.0),
        ("Answer: 1", 1.0),
        ("Better: ②", 0.0),
        ('{"better": "same"}', 0.5),
        ('{"answer": "2"}', 0.0),
        ('{"final_answer": 1}', 1.0),
        ("Better: Summary 1 over Summary 2", 1.0),
        ("Better: Option 2", 0.0),
        ("Better: Summary number 2", 0.0),
        ("Better:\n- 2", 0.0),
        ("Decision: Summary 1", 1.0),
        ("Better summary: #2", 0.0),
        ("Better = 1", 1.0),
        ("On fluency Summary 2 is better. On the whole:\nBetter: 1", 1.0),
        ("Better: 1\nUnlike Summary 2, it names the year.", 1.0),
        ("Better: Summary 2!", 0.0),
        ("**Better: Summary 1**\n\nIt is better than Summary 2.", 1.0),
        ("Better: **1.**", 1.0),
        ("Better – 1", 1.0),
    ],
)
IN_OTHER_DRESS = pytest.mark.parametrize(
    ("text", "first_wins"),
    [
        ("It is close, so better: 1", 1.0),
        ("Better: 1, because Summary 2 invents a date", 1.0),
        ("Better: $\\boxed{2}$", 0.0),
        ("<answer>Better: 2</answer>", 0.0),
        ('{"reason": "At first sight. Better: 2. But it invents.", "better": "1"}', 1.0),
        ('{"better": 1,}', 1.0),
        ('{"coherence": {"better": "1"}, "relevance": {"better": "1"}, "overall": {"better": "2"}}', 0.0),
        ('{"coherence": {"winner": "1"}, "winner": "2"}', 0.0),
        (
            "Better: 1\n\nSummary 1 is better because it covers the main point. Summary 2 is shorter but misses the cause.",
            1.0,
        ),
        ("Better: 2\nSummary 1 has two errors.", 0.0),
        ("Better: 2\n\nExplanation: Summary 1 states that 3 of 12 died; the document says 2.", 0.0),
        ("Better: 1\nReason: Summary 1 mentions all 2 of the boats.", 1.0),
        ("Better: 1\n(Confidence: 2/5)", 1.0),
        ("Better: 1\nConfidence: 2", 1.0),
        ("Better: 1\nScore 1: 4\nScore 2: 2", 1.0),
        ("Better: 1 (score 4 vs 2)", 1.0),
        ("Better: 1 [4/5 vs. 2/5]", 1.0),
        ("Better: Summary 2.\nSummary 1: 3/5\nSummary 2: 4/5", 0.0),
        ("Better: 1\n\n| Summary | Score |\n|---|---|\n| 1 | 4 |\n| 2 | 3 |", 1.0),
        ('{"better": "1", "reason": "Summary 2 is better written, but it invents a date."}', 1.0),
        ('{"better": "Summary 1", "worse": "Summary 2"}', 1.0),
        ('{"reason":"x","better":"1"}\n\nNote: Summary 2 could be improved by adding the date.', 1.0),
        ("Better: №1", 1.0),
        ("Better: 1<|im_end|>", 1.0),
        ("Better → 1", 1.0),
        ("Better: 1\n\nKey differences:\n(1) faithfulness\n(2) brevity", 1.0),
        ("Better: 1\nSummary 2 is not better.", 1.0),
        ("Better: 1\nSummary 1 is better, not Summary 2.", 1.0),
        ("Better: 1\nSummary 1 > Summary 2", 1.0),
        ("### Faithfulness\nSummary 1 is better.\n### Brevity\nSummary 2 is better.\n\nBetter: 1", 1.0),
        ("Better: <summary_2>", 0.0),
        ("<better>1</better>", 1.0),
        ("<winner>Summary 2</winner>", 0.0),
        ("<reason>It is brief.</reason>\n<better>tie</better>", 0.5),
        ("Better: both are good", 0.5),
        ("Better: no difference", 0.5),
        ("Better: neither is better than the other", 0.5),
        ("Better: 1️⃣", 1.0),
        ("Better: 2️⃣ because it is short", 0.0),
        ("Better: Summary 1️⃣ (faithful)", 1.0),
        ("𝐁𝐞𝐭𝐭𝐞𝐫: 𝟏", 1.0),
        ('{"better": "1️⃣"}', 1.0),
        ("Better: 1\nWorse: Summary 2", 1.0),
        ("Better: 1\n\nReason:\n- Summary 1: accurate.\n- Summary 2: invents a date.", 1.0),
        ("Better: 1\n\nReasons:\n1. It is faithful.\n2. It is short.", 1.0),
        ("Better: 1\n\n### Summary 1\nGood.\n\n### Summary 2\nBad.", 1.0),
        ("Better: 1, because 2 invents a date.", 1.0),
        ("Better: 1 ✅", 1.0),
        ("Better: 👉 1", 1.0),
        ("Better: 1. Summary 2 omits the year.", 1.0),
        ("Better: → 2", 0.0),
        ("The better summary is <summary_1>.", 1.0),
        ("Better: tie (neither Summary 1 nor Summary 2 is better)", 0.5),
        ('"Better: 1"', 1.0),
        ("Better: 1.\nNo facts are invented.", 1.0),
        ("Better: <b>1</b>", 1.0),
        ("Better: {1}", 1.0),
        ("Better: 1 — no invented facts", 1.0),
    ],
)
"""What no prompt of ours asks for: read as meant, or not at all. Tags, pictures, boxes; and a verdict with more said
behind it than of the summary that it chooses."""


@AS_WRITTEN
def test_verdicts_as_models_write_them(text: str, first_wins: float) -> None:
    assert read_verdict(answer(text)) == first_wins


@IN_OTHER_DRESS
def test_verdicts_in_other_dress_are_read_as_meant_or_not_at_all(text: str, first_wins: float) -> None:
    found = read_verdict(answer(text))
    assert found == first_wins or (isinstance(found, Rejected) and found.detail == text)


OTHER = {"1": "2", "first": "second", "A": "B", "\u2460": "\u2461"}
OTHER |= {other: one for one, other in OTHER.items()} | {"\U0001d7cf": "2"}


@AS_WRITTEN
def test_no_place_is_read_better_than_the_other(text: str, first_wins: float) -> None:
    """What is read for one summary is read for the other where the same is said of it."""
    named = r"(?<![0-9.])[12](?![0-9])|\b(?:first|second|A|B)\b|[\u2460\u2461\U0001d7cf]"
    assert read_verdict(answer(re.sub(named, lambda name: OTHER[name[0]], text))) == 1 - first_wins


@IN_OTHER_DRESS
def test_nor_is_it_rejected_better_than_the_other(text: str, first_wins: float) -> None:
    named = r"(?<![0-9.])[12](?![0-9])|\b(?:first|second|A|B)\b|[\u2460\u2461\U0001d7cf]"
    found = read_verdict(answer(text)), read_verdict(answer(re.sub(named, lambda name: OTHER[name[0]], text)))
    assert found == (first_wins, 1 - first_wins) or all(isinstance(one, Rejected) for one in found)


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        ("The first is better.", "stop", "no_verdict"),
        ("Better: 3", "stop", "no_verdict"),
        ("Better: 12", "stop", "no_verdict"),
        ("Better: 1 or 2", "stop", "no_verdict"),
        ("It is close.\nBetter: 1 | 2 | tie", "stop", "no_verdict"),
        ('Better: "1", "2" or "tie"', "stop", "contradicts_itself"),
        ("Better: [1|2]", "stop", "no_verdict"),
        ("Better: 1 ... 2", "stop", "contradicts_itself"),
        ('{"better": "1|2|tie"}', "stop", "no_verdict"),
        ('Draft: {"reason": "x", "better": "1"}. Final: {"reason": "y", "better": "2"}', "stop", "no_verdict"),
        ('{"reason": "r", "better": "1"} {"reason": "r", "better": "2"}', "stop", "contradicts_itself"),
        ("Better: not 1", "stop", "no_verdict"),
        ('{"summary_1": 4, "summary_2": 5}', "stop", "no_verdict"),
        ("It is not better: 2 mistakes are in it.", "stop", "no_verdict"),
        ("The first one keeps the", "length", "truncated"),
        ("Better: 1", "length", "truncated"),
        ("Better: 1", "MAX_TOKENS", "truncated"),
        ("Better: 1\nBetter: 2", "stop", "contradicts_itself"),
        ('{"better": 2}\nBetter: 1', "stop", "contradicts_itself"),
        ("Better: 1\nActually, Summary 2 is better.", "stop", "contradicts_itself"),
        ("Better: 1", "content_filter", "content_filter"),
        ("Better: 1", "SAFETY", "content_filter"),
        ("Better: 1", "refusal", "refusal"),
        ("I'm sorry, but I can't help with that.", "stop", "refusal"),
    ],
)
def test_what_decides_nothing(text: str, finish_reason: str, reason: str) -> None:
    found = read_verdict(answer(text, finish_reason))
    assert isinstance(found, Rejected)
    assert (found.reason, found.detail) == (reason, text)


@pytest.mark.parametrize(
    "text",
    [
        '{"better": "1"}\nWait. Summary 2 is better.',
        'Summary 2 is better.\n{"better": "1"}',
        "Better: 1. Sorry, I meant 2.",
        "Better: -1",
        "Better: 1%",
        "Better: 1?",
        "Better: 1\nNo, 2.",
        "Better: 1\nWait.",
        "Better: 1\nScratch that.",
        "Better: 1\nActually it's a tie.",
        "Better: 1. Or maybe 2?",
        "Better: tie. But Summary 1 is better.",
        "Better: tie\nActually Summary 2 is better.",
        "Better: 1\n2",
        "Better: 1 → 2",
        "Better: 1 (2)",
        "Better:\n1. Faithful\n2. Short",
        "Better: +1",
        "Better: ≠1",
        "Better: !1",
        "Better: ~1",
        "Better: .1",
        "Better: 1°",
        "Better: 1/3",
        "Better: 1+",
        "Better: ½",
        "Better: 1²",
        "Better: no. 3",
        "Better: ❌ 1",
        "Better: 1 ❌",
        '{"better": "-1"}',
        '{"better": "1%"}',
        '{"better": "1"} No, 2.',
        '{"better": "1"}\nBetter: 2',
        '{"reason": "Summary 2 is better.", "better": "1"}',
        '{"better":"tie"}\nSummary 1 is better.',
        "<better>1</better>\n<better>2</better>",
        "<better>1</better> Sorry, I meant Summary 2.",
        "Better: 1\nFinal answer: undecided",
        "Better: 1\nOn second thought, the second one.",
        "Better: 1\nHmm, actually 2 wins.",
        "Better: 1 < Summary 2",
        "Better: 1 << 2",
        "Better: Summary 1\nCorrection: Summary 2",
        "Better: <summary_1><summary_2>",
        "Better: A. Sorry, B.",
        "Both are equally good.\nBetter: 1",
        'I prefer Summary 2.\n{"better": 1}',
        "Better: not the same",
        "Better: no tie",
        "Better: same as 1",
        "Better: 1️⃣2️⃣",
        "Better: 1️⃣ or 2️⃣",
        "### Better\n1\n2",
        "### Better\n1. Summary 1 is fluent.\n2. Summary 2 is short.",
        "Better: Summary 3",
        "Better: 0",
        "Better: 1.2",
        "Better: 1:2",
        "Better: 1 vs 2",
        "Better: 1\nI take that back.",
        "Better: 1. That is wrong.",
        "Better: 1\n\nActually, make that 2.",
        "Better: 2\nThe first one is better.",
        "Better: 1, no 2",
        "Better: 1; 2",
        "Better: 1 | 2",
        "Better: 1 2",
        "Better: maybe 1",
        "Better: 1, I mean 2.",
        "Better: 1\nEDIT: 2",
        "Better: 1 - wait, it should be Summary 2",
        "Better: equally 1 and 2",
        "Better: tie? 1",
        "Better: tie or 1",
        "Better: tie, 2",
        "Better: same. Summary 2 wins.",
        "Better: 1\nAlternatively, 2.",
        "Better: 1\nSummary 2 is preferable.",
        "Better: 1\nIt should have been 2.",
        "Better: 1\nOr 2?",
        "Better: 1 (or 2)",
        "Better: 1, possibly 2",
        "Better: 1\nPlease read this as 2.",
        "Better: 1\nI made an error: Summary 2.",
        "Better: 1\nSummary 2 is clearly better.",
        "Better: 1\nSummary 2 is the best.",
        "Better: 1\nSummary 2 should be preferred.",
        "Better: 1\nSummary 2 is the winner.",
        "Better: 1\nSummary 2 would be my choice.",
        "Better: 1\nThe answer is 2.",
        "Better: 1\nMy final answer is Summary 2.",
        "Better: 1\n**2**",
        "Better: 1\nI mean Summary B.",
        "Better: A\nI mean B.",
        "Better: 1\nFinal: 2",
        "Better: 1\n=> 2",
        "Better: 1\nSo: 2",
        "Better: 1\nTherefore Summary 2.",
        "Better: not Summary 2",
        "Better: neither 1 nor 2 but 3",
        "Better: it depends",
        "Better: unclear",
        "Better: 1 and 2",
        "Better: 1 & 2",
        "Better: [1, 2]",
        "Better: {1, 2}",
        "Better: 1/2",
        "Better: Summary 1/Summary 2",
        "Better: Summary 1 or Summary 2",
        "Better: 1 or tie",
        "Better: 1 (tie)",
        "Better: 1, tie",
        "Better: 1\nTie",
        "Better: tie\n1",
        "Better: tie (1)",
        "Better: equal, slight edge to 1",
        "Better: both, 2 more so",
        "Better: 1\nI retract this.",
        "Better: 1\nThe other one is better.",
        "Better: 1\nBoth are equally good.",
        "Better: 1\nThey are tied.",
        "Better: ~~1~~ 2",
        "Better: ~~1~~",
        "<del>Better: 1</del> 2",
        "Better: <s>1</s> 2",
        "Better: 1\nBetter: tie",
        "Better: 1 0",
        "Better: 1.5",
        "Better: 1,5",
        "Better: 1:1",
        "Better: 1st or 2nd",
        "Better: 10",
        "Better: 1e3",
        "Better: 1k",
        "Better: 1x",
        "Better: 1st place goes to 2",
        "Better: Summary 1 isn't better",
        "Better: Summary 1 is not better.",
        "Better: 1 is wrong",
        "Better: 1 is not the answer",
        "Better: 1 would be wrong",
        "Better: 1 is the worse",
        "Better: none of them",
        "Better: worse",
        "Better: ?",
        "Better: N/A",
        "Better: null",
        "Better: 1, but I am not sure",
        "Better: maybe Summary 1",
        "Better: 1 (?)",
        "Better: 1 ??",
        "Better: [Insert 1 or 2]",
        "Better: <1|2|tie>",
        "Better: X",
        "Better: Summary 12",
        "Better: Summary 1a",
        "Better: 1-2",
        "Better: 1–2",
        "Better: 1…2",
        "Better: 1 to 2",
        "Better: 1 < 2",
        "Better: 1 > 2",
        "Better: 2 > 1",
        '{"better": ["1","2"]}',
        '{"better": {"1": true, "2": true}}',
        '{"better": 3}',
        '{"better": "1 or 2"}',
        '{"better": ""}',
        '{"better": null}',
        '{"better": true}',
        '{"better": 1, "better": 2}',
        '{"better": 1.5}',
        '{"better": "1"} -> {"better": "2"}',
        '[{"better": 1}, {"better": 2}]',
        '{"better": "1", "final": {"better": "2"}}',
        '{"better": "1"}\nSummary 2 should win.',
        '{"better": "1"}\n\nCorrection: "better": "2"',
        '{"better": "1", "note": "Actually, Summary 2 is better."}',
        '{"better": "1"}\n{"better": "tie"}',
        "Do not answer Better: 1",
        'The format is "Better: 1".',
        "Example: Better: 1",
        "You asked for 'Better: 1' or 'Better: 2'.",
        '{"reason": "Overall Summary 2 is better.", "better": "1"}',
        "Overall, Summary 2 is better.\nBetter: 1",
        "Summary 1 is better.\nBetter: tie",
        # taken back, doubted, hypothetical, quoted
        "Better: 1\nScrap that.",
        "Better: 1\nErratum: 2",
        "Better: 1\nSummary 2 nails it.",
        "Better: 1\n2 it is.",
        "Better: 1\nMais non: la deuxième.",
        "Better: 1\nSummary II wins.",
        "Better: 1\n(B)",
        "If only brevity counted:\nBetter: 1",
        "One could say:\nBetter: 2",
        "> Better: 1\nis what a bad judge says",
        "The right answer is not\nBetter: 1",
        "The form is:\n```\nBetter: 1\n```",
        "Better: 1\nIt ties with 2",
        "Better: 1, if you like brevity",
        "Better: 1 unless facts matter",
        "Better: 1 for brevity, 2 for truth",
        "Worse: 1",
        "Not better: 1",
        "Hardly better: 1",
        "Better: the one that is shorter",
        "Better: first glance says 1",
        "Better: 1 in style",
        "Better: 1.\nThe same goes for Summary 2.",
        "Better: Summary 1 loses",
        "Better: a",
        "Better: A or B",
        "Better: AB",
        "Better: 1 Better: 2",
        "Better: 1\nBetter: II",
        '{"better": "1", "better ": "2"}',
        '{"better": "1"}{"worse": "1"}',
        '{"better": "A", "winner": "B"}',
        '{"better": {"summary": "1", "tie": true}}',
        '[{"better": "1"}, {"better": "tie"}]',
        '{"answer": "1 and 2"}',
        'Example output: {"better": "1"}',
        '{"better": "1" // no, "2"\n}',
        "Better: 1\nThe better summary is 2.",
        "The better summary is 2.\nBetter: 1",
        "I choose summary B.\nBetter: A",
        "I'd go with the second.\nBetter: 1",
        "Summary 2 wins.\nBetter: 1",
        "The winner is 2.\nBetter: 1",
        "It's a tie.\nBetter: 1",
        "They are equal.\nBetter: 2",
        "2 is better!\nBetter: 1",
        "My choice is the second summary.\nBetter: 1",
        "Better: 1\nHowever, 2",
        "Better: 1\nThe judge before said 2",
        "Better: 1 (just a guess)",
        "Better: 1\nSummary 1 is worse.",
        "Summary 1 is worse.\nBetter: 1",
        "Better: 1\n\n---\nBetter: 2",
        "Better: 1\n> 2",
        "Better: 1\nResult = 2",
        "Better: 1\n<better>2</better>",
        "Better: 1\n| 2 |",
        "Better: 1\n**Summary 2**",
        "Better: 1\nvs\n2",
        "Better: 1\n1 < 2",
        "Better: I",
        "Better: 1 but",
        "Better: 1, probably",
        "Better: 1\nOr rather not.",
        "Better: 1\nThat was hard; I would not swear to it.",
        "Better: 1\nIt is what I would have said, had I not read on.",
        "Better: 1. It is the one to drop.",
        "Better: 1\nIt is a lie.",
        "Better: 1\nIt isn't.",
    ],
)
def test_what_contradicts_itself_or_is_no_plain_choice_decides_nothing(text: str) -> None:
    found = read_verdict(answer(text))
    assert isinstance(found, Rejected) and found.reason in ("contradicts_itself", "no_verdict")


@pytest.mark.parametrize(
    "thought",
    [
        "<think>Better: 2?</think>\n",
        "<think>\nBetter: 2\n</think>\n\n",
        "Better: 2 at first sight.\n</think>\n",  # opened in the prompt
        "[THINK]Better: 2[/THINK]",
        "<thought>Better: 2</thought>",
        "<reasoning>\nBetter: 2\n</reasoning>\n",
        "<|channel|>analysis<|message|>Better: 2<|end|><|start|>assistant<|channel|>final<|message|>",
    ],
)
def test_a_draft_in_a_thought_is_no_verdict(thought: str) -> None:
    assert read_verdict(answer(f"{thought}Better: 1")) == 1.0


@pytest.mark.parametrize("finish_reason", ["length", "stop", ""])
@pytest.mark.parametrize("mark", ["<think>", "[THINK]", "<thought>", "<|channel|>analysis<|message|>"])
def test_a_draft_in_a_thought_without_an_end_is_none_either(mark: str, finish_reason: str) -> None:
    found = read_verdict(answer(f"{mark}\nAt first sight:\nBetter: 2\nHowever the other one says", finish_reason))
    assert isinstance(found, Rejected) and found.reason == (
        "truncated" if finish_reason == "length" else "empty_answer"
    )


def test_an_answer_of_thoughts_alone_says_so() -> None:
    found = read_verdict(answer("", thoughts="The first names the boats.\nBetter: 1"))
    assert isinstance(found, Rejected) and found.reason == "empty_answer"
    assert (
        found.detail
        == "no text: all of it stands in thoughts beside it (reasoning_content or its like), which end 'The first names the boats.\\nBetter: 1'"
    )
    assert read_verdict(answer("", "length", "Hm")) == Rejected(
        "truncated", "cut off after 5 tokens, within its thoughts"
    )
    assert read_verdict(answer("Better: 2", thoughts="Better: 1")) == 0.0
    assert read_verdict(answer("")) == Rejected("empty_answer", "no text")


@given(st.text(max_size=300))
def test_no_answer_is_too_odd(text: str) -> None:
    found = read_verdict(answer(text))
    assert found in (0, 0.5, 1) or isinstance(found, Rejected)
    if not isinstance(found, Rejected):
        assert any(word in text.lower() for word in LABELS)
