"""Answers of a teacher as our prompts ask for them, in the light dress that models put on; and what is not taken.

Not taken is whatever is not plainly said: each is the answer of `BASE` with one thing changed, or one of another make.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.synthesis.answer_schemas import JudgedSummary, SelfJudgedAnswer
from summpo.synthesis.answers import REASONS, read_judged
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

FIRST, SECOND = "The port closed in 1931 after the river silted up.", "Silt closed the port."
BASE = f"""Summary 1: {FIRST}
Total score: 16
Explanation: Good.
Summary 2: {SECOND}
Total score: 12
Explanation: Fair.
Best summary: 1"""


def answer_of(text: str) -> Answer:
    return Answer(text, "stop", "teacher", 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        BASE.replace("Best summary: 1", "The best summary is Summary 1."),
        BASE.replace("Best summary: 1", "Chosen: A"),
        BASE.replace("Best summary: 1", "Verdict: Summary 1"),
        BASE.replace("Best summary: 1", "Preferred summary: first"),
        BASE.replace(f"Summary 1: {FIRST}", f"Here is my answer.\n\nSummary 1: {FIRST}"),
        "```\n" + BASE + "\n```",
        "```text\n" + BASE + "\n```\nHope it helps",
        BASE.replace("Best summary: 1", "Best summary: 1\n\nLet me know if you want another one!"),
        f"- Summary 1: {FIRST}\n- Total score: 16\n- Explanation: Good.\n- Summary 2: {SECOND}\n- Total score: 12\n- Explanation: Fair.\n- Best summary: 1",
        f"1. Summary 1: {FIRST}\n2. Total score: 16\n3. Explanation: Good.\n4. Summary 2: {SECOND}\n5. Total score: 12\n6. Explanation: Fair.\n7. Best summary: 1",
        f"**Summary 1:** {FIRST}\n**Total score:** 16\n**Explanation:** Good.\n**Summary 2:** {SECOND}\n**Total score:** 12\n**Explanation:** Fair.\n**Best summary:** 1",
        f"### Summary 1\n{FIRST}\n\n### Total score\n16\n\n### Explanation\nGood.\n\n### Summary 2\n{SECOND}\n\n### Total score\n12\n\n### Explanation\nFair.\n\n### Best summary\n1",
        f"Summary 1 - {FIRST}\nTotal score - 16\nExplanation - Good.\nSummary 2 - {SECOND}\nTotal score - 12\nExplanation - Fair.\nBest summary - 1",
        f"SUMMARY 1: {FIRST}\nTOTAL SCORE: 16\nEXPLANATION: Good.\nSUMMARY 2: {SECOND}\nTOTAL SCORE: 12\nEXPLANATION: Fair.\nBEST SUMMARY: 1",
        BASE.replace(f"Summary 1: {FIRST}", f"<think>Summary 1: x\nBest summary: 2</think>\nSummary 1: {FIRST}"),
        f"Summary 1: {FIRST}\nTotal score: 16/18\nExplanation: Good.\nSummary 2: {SECOND}\nTotal score: 12/18\nExplanation: Fair.\nBest summary: 1",
        BASE.replace("Total score: 16", "Total score: **16**"),
        f"Summary 1: {FIRST}\nTotal score: 16\nExplanation 1: Good.\nSummary 2: {SECOND}\nTotal score: 12\nExplanation 2: Fair.\nBest summary: 1",
        BASE.replace("Total score: 16", "Total score 1: 16"),
        BASE.replace("Total score: 16", "Score: 16"),
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16, "explanation": "Good."}}, "summary_2": {{"text": "{SECOND}", "total_score": 12, "explanation": "Fair."}}, "best_summary": "1"}}',
        f'Sure:\n```json\n{{"summary_1": {{"text": "{FIRST}", "total_score": 16.0, "explanation": "Good."}},\n "summary_2": {{"text": "{SECOND}", "total_score": 12, "explanation": "Fair."}}, "best_summary": 1}}\n```\nLet me know if you need more.',
        f'{{"Summary 1": "{FIRST}", "Total score 1": "16", "Explanation 1": "Good.", "Summary 2": "{SECOND}", "Total score 2": "12/18", "Explanation 2": "Fair.", "Best summary": "Summary 1"}}',
        f"Summary 1: {FIRST}\r\nTotal score: 16\r\nExplanation: Good.\r\nSummary 2: {SECOND}\r\nTotal score: 12\r\nExplanation: Fair.\r\nBest summary: 1",
        f"Summary 1: {FIRST}\n\nTotal score: 16\n\nExplanation: Good.\n\nSummary 2: {SECOND}\n\nTotal score: 12\n\nExplanation: Fair.\n\nBest summary: 1",
        f"Summary 1：{FIRST}\nTotal score：16\nExplanation：Good.\nSummary 2：{SECOND}\nTotal score：12\nExplanation：Fair.\nBest summary：1",
        BASE.replace("Best summary: 1", "Best summary: **1**"),
        BASE.replace("Best summary: 1", "Best summary: 1."),
        BASE.replace("Best summary: 1", "Best summary: [1]"),
        BASE.replace("Best summary: 1", "Best: 1"),
        BASE.replace("Best summary: 1", "Better summary: Summary 1"),
        BASE.replace("Best summary: 1", "Final verdict: 1"),
        BASE.replace("Best summary: 1", "Best summary: Summary 1 is better."),
        BASE.replace("Best summary: 1", "Best summary: 1, because it has the year"),
        BASE.replace(
            "Explanation: Good.",
            "Explanation:\n- Coherence: well ordered\n- Fluency: fine, but the order of parts is not the best",
        ),
        BASE.replace("Explanation: Good.", "Explanation: I would have liked the cause, but no fact is wrong."),
        BASE.replace("Explanation: Good.", "Explanation:\n- It has the year.\n- I would have liked the cause."),
        BASE.replace("Explanation: Good.", "Explanation: Good.\nNote: it has <the> year."),
        BASE.replace(
            f"Summary 1: {FIRST}", f"Summary 1: {FIRST}\nCoherence: 5\nConsistency: 5\nRelevance: 4\nFluency: 2"
        ),
        BASE.replace("Total score: 16", "Total score: 16 (5 + 5 + 4 + 2)"),
        BASE.replace("Total score: 16", "Total score (4-18): 16"),
        f"*Summary 1: {FIRST}*\n*Total score: 16*\n*Explanation: Good.*\n*Summary 2: {SECOND}*\n*Total score: 12*\n*Explanation: Fair.*\n*Best summary: 1*",
    ],
)
def test_light_dress_is_read(text: str) -> None:
    read = read_judged(answer_of(text))
    assert not isinstance(read, Rejected), read
    assert read[0].summaries == (FIRST, SECOND)
    assert (read[1].scores, read[1].best) == ((16, 12), 1)


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("Best summary: 1", "Best summary: 1\nOn second reading I prefer the other."),
        ("Best summary: 1", "Best summary: 1 or 2"),
        ("Best summary: 1", "Best summary: both"),
        ("Best summary: 1", "Best summary:"),
        ("Best summary: 1", "Best summary: not 2"),
        ("Best summary: 1", "If brevity counted, Best summary: 2"),
        ("Explanation: Fair.", "Explanation: Fair.\nYou might answer:"),
        ("Best summary: 1", "> Best summary: 1"),
        ("Best summary: 1", '"Best summary: 1"'),
        ("Explanation: Fair.", "Explanation: Fair.\nThe format is:"),
        ("Best summary: 1", "Best summary: 1\nScrap that."),
        ("Best summary: 1", "Best summary: 1\nErratum: 2"),
        ("Best summary: 1", "Best summary: 1\nSummary 2 nails it."),
        ("Best summary: 1", "Best summary: 1\n2 it is."),
        ("Best summary: 1", "Best summary: 1\nNein, die zweite."),
        ("Best summary: 1", "Best summary: 1\nSummary II wins."),
        ("Best summary: 1", "Best summary: 1\n(B)"),
        ("Best summary: 1", "Best summary: 1 Best summary: 2"),
        ("Best summary: 1", "Best summary: 1; well, the latter"),
        ("Best summary: 1", "Best summary: 1 ²"),
        ("Best summary: 1", "Worst summary: 1"),
        ("Best summary: 1", "Second best summary: 1"),
        ("Best summary: 1", "Not the best summary: 1"),
        ("Best summary: 1", "Best summary: 1st or 2nd"),
        ("Best summary: 1", "Best summary: one of them"),
        ("Best summary: 1", "Best summary: 1-ish"),
        ("Best summary: 1", "Best summary: ≠1"),
        ("Best summary: 1", "Best summary: #12"),
        ("Best summary: 1", "Best summary: 1/2"),
        ("Best summary: 1", "Best summary: 1 = 2"),
        ("Total score: 16", "Total score: 16 → 9"),
        ("Total score: 16", "Total score: <16"),
        ("Total score: 16", "Total score: ~16"),
        ("Total score: 16", "Total score: sixteen"),
        ("Total score: 16", "Total score: 16 or 17"),
        ("Total score: 16", "Total score: 16?"),
        ("Total score: 16", "Total score: 16\nCorrection: 9"),
        ("Total score: 16", "Total score: 16, minus four"),
        ("Total score: 16", "Total score: 1 6"),
        ("Total score: 16", "Total score: 160%"),
        ("Total score: 16", "Total score: 4/5"),
        (f"Summary 1: {FIRST}", f"Summary 1: {FIRST}\nTotal score: 9"),
        ("Total score: 16", "Total score: 16 (wrongly; it should be nine)"),
        ("Total score: 16", "Score: 16\nScore: 15"),
        (f"Summary 1: {FIRST}", f"Summary 1: {FIRST}\nCoherence: 5\nConsistency: 5\nRelevance: 4\nFluency: 3"),
        (f"Summary 1: {FIRST}", f"Summary 1: {FIRST}\nCoherence: 5"),
        (f"Summary 2: {SECOND}", "Summary 2: I cannot summarize this any further."),
        (f"Summary 2: {SECOND}", "Summary 2: As an AI, I can't."),
        (f"Summary 2: {SECOND}", "Summary 2: Summary 1, but shorter."),
        (f"Summary 2: {SECOND}", "Summary 2: [second summary here]"),
        (f"Summary 2: {SECOND}", "Summary 2: ..."),
        (f"Summary 2: {SECOND}", "Summary 2: N/A"),
        (f"Summary 2: {SECOND}", "Summary 2: Same as above."),
        (f"Summary 2: {SECOND}", "Summary 2: Sorry, no."),
        (f"Summary 2: {SECOND}", "Summary 2: See summary 1."),
        (f"Summary 2: {SECOND}", "Summary 2: (see above)"),
        (f"Summary 2: {SECOND}", "Summary 2: TBD"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nSummary 3: third"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nSummary III: third"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nZusammenfassung 3: third"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n\nNote: I kept this one short."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n\nThis summary has 4 words."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND} (Total score: 12)"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n**Rating**: 12"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND} Best summary: 2"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}</summary_2>"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n<summary_2>"),
        (f"Summary 2: {SECOND}", "Summary 2 is missing."),
        (f"Summary 2: {SECOND}", f"Summary two point five: {SECOND}"),
        (f"Summary 1: {FIRST}", f"Summary 1: {FIRST}\nTotal score: 16\nMore of the text."),
        (f"Summary 1: {FIRST}", f"Summary: {FIRST}"),
        (f"Summary 2: {SECOND}", f"Summary 1: {SECOND}"),
        (f"Summary 1: {FIRST}", f"<think>Summary 1: {FIRST}"),
        (
            f"Summary 2: {SECOND}",
            f"Summary 2: {SECOND}\nTotal score: 12\nExplanation: Fair.\nBest summary: 1\n\nSummary 1: {FIRST}\nTotal score: 16\nExplanation: Good.\nSummary 2: Other.",
        ),
        ("Best summary: 1", "Best summary: 1\nFinal: the second."),
        ("Best summary: 1", "Best summary: 1\n\nP.S. I mixed them up."),
        ("Total score: 16", "Total score: 16 (out of 20)"),
        ("Total score: 16", "Total score: 16 (8/10)"),
        ("Total score: 16", "Total score: 16 (89%)"),
        ("Total score: 16", "Total score: 16 (4/5)"),
        ("Best summary: 1", "Best summary (for brevity): 1"),
        ("Best summary: 1", "Best summary for a lawyer: 1"),
        ("Best summary: 1", "❌ Best summary: 1"),
        ("Best summary: 1", "🚫 **Best summary:** 1"),
        ("Best summary: 1", "✗ Best summary: 1"),
        ("Best summary: 1", "~~Best summary: 1~~"),
        ("Best summary: 1", "¬Best summary: 1"),
        ("Best summary: 1", "Best summary (not yet decided): 1"),
        ("Best summary: 1", "Best summary (if forced): 1"),
        ("Best summary: 1", "Best summary: 1 for brevity"),
        ("Best summary: 1", "Best summary: 1 with reservations"),
        ("Best summary: 1", "Best summary: Summary 1 is better in style"),
        ("Best summary: 1", "Best summary: 1 if you like it short"),
        (f"Summary 1: {FIRST}", f"Summary 1 (rejected draft): {FIRST}"),
        (f"Summary 2: {SECOND}", f"Summary 2 (see below): {SECOND}"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND} Unfortunately, I cannot continue."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nAs an AI model, I may err."),
        (f"Summary 2: {SECOND}", "Summary 2: The port closed [insert date]."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n\nI have kept it short."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n\n**Note:** it is short."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n- Coherence: 5/5\n- Consistency: 4"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n| Coherence | 5 |"),
        (f"Summary 2: {SECOND}", f"Summary 2: <p>{SECOND}</p>\n<total_score>12</total_score>"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nTotal: 12"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nScore - 12"),
        (f"Summary 2: {SECOND}", f"Summary 2: ```\n{SECOND}\n```\nmore\n```"),
        (f"Summary 1: {FIRST}", f"Here is how it would look:\nSummary 1: {FIRST}"),
        (f"Summary 1: {FIRST}", f"This is only a template:\n\nSummary 1: {FIRST}"),
        (f"Summary 1: {FIRST}", f"I will not do this. A bad model would write:\n\nSummary 1: {FIRST}"),
        ("Best summary: 1", "Best summary: 1\n\nThis was an example."),
        ("Best summary: 1", "Which is the best summary: 1?"),
        ("Total score: 16", "Total score: 16e0"),
        ("Total score: 16", "Total score: 0x10"),
        ("Total score: 16", "Total score: 16:2"),
        ("Total score: 16", "Total score: 16 / 17"),
        ("Total score: 16", "Total score: 16!!! Just kidding."),
        ("Total score: 16", "Total score: XVI"),
        ("Total score: 16", "Total score: 1⁄6"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n📝 **Summary 3** 📝"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nSummary 3️⃣: It closed."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n<h3>Summary 3</h3>"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n<b>Total score</b>: 16"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nTotal :score: 12"),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nThe total score >is 12."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\n**Total Explanation:** Fair."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nSummary 1 is better."),
        (f"Summary 2: {SECOND}", f"Summary 2: {SECOND}\nWords: 4\nMore of it."),
        (f"Summary 2: {SECOND}", f'Summary 2: {SECOND}\n{{"summary": "It closed.", "total_score": 12}}'),
        (f"Summary 2: {SECOND}", f"Summary 2:: {SECOND}"),
        (f"Summary 2: {SECOND}", f"Summary 2:> {SECOND}"),
        (f"Summary 2: {SECOND}", "Summary 2: <html><body><h1>502</h1></body></html>"),
        ("Total score: 16", "Total score: 16\nSummary III: It closed."),
        ("Explanation: Good.", "Explanation: Good.\nSummary III: It closed."),
        ("Best summary: 1", "Best summary: 1\nExplanation: It has the year.\nSorry, I meant 2."),
        ("Total score: 16", "Total score: 16\nThe river had silted up."),
        (f"Summary 1: {FIRST}", f"Summary I: It closed.\nSummary 1: {FIRST}"),
        ("Best summary: 1", "<better>2</better>\nBest summary: 1"),
        ("Best summary: 1", "Not Best: 2, though.\nBest summary: 1"),
    ],
)
def test_what_is_not_plainly_said_is_not_taken(line: str, changed: str) -> None:
    assert line in BASE
    read = read_judged(answer_of(BASE.replace(line, changed)))
    assert isinstance(read, Rejected) and read.reason in REASONS and read.detail


@pytest.mark.parametrize(
    "text",
    [
        f"Summary 1: {FIRST}\nTotal score: 16\nExplanation: Good.\nSummary 2: {SECOND}\nTotal score: 12\nBest summary: 1",
        f'{{"summary_1": "{FIRST}", "total_score_1": 16, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "2"}}',
        f'{{"summary_1": "{FIRST}", "total_score_1": 16, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "1", "best": 2}}',
        f'{{"summary_1": "{FIRST}", "total_score_1": 16, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": ["1"]}}',
        f'{{"summary_1": "{FIRST}", "total_score_1": true, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "1"}}',
        f'{{"summary_1": "{FIRST}", "total_score_1": 16, "summary_2": null, "total_score_2": 12, "best_summary": "1"}}',
        f'{{"summary_1": ["{FIRST}"], "total_score_1": 16, "summary_2": ["{SECOND}"], "total_score_2": 12, "best_summary": "1"}}',
        f'{{summary_1: "{FIRST}",\ntotal_score_1: 16,\nsummary_2: "{SECOND}",\ntotal_score_2: 12,\nbest_summary: 1}}',
        f'For example: {{"summary_1": "{FIRST}", "total_score_1": 16, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "1"}}',
        f'{{"summary_1": "{FIRST}", "total_score_1": 16, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "1"}}\nThe reverse is true.',
        f'{{"summary_1": "{FIRST}", "total_score_1": "16 or 9", "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "1"}}',
        f'{{"summary_1": "{FIRST}", "total_score_1": 1.6e1, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "1", "worst_summary": "1"}}',
        f"Summary 1: {FIRST}\nSummary 2: {SECOND}\nTotal score: 16 and 12\nBest summary: 1",
        f"Summary 1 (draft): {FIRST}\nTotal score: 16\nExplanation: Good.\nSummary 2: {SECOND}\nTotal score: 12\nExplanation: Fair.\nBest summary (draft): 1",
        f'{{"example": {{"summary_1": "{FIRST}", "total_score_1": 16, "summary_2": "{SECOND}", "total_score_2": 12, "best_summary": "1"}}}}',
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16}}, "summary_2": {{"text": "{SECOND}", "total_score": 12}}, "best_summary": {{"1": true}}}}',
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16}}, "summary_2": {{"text": "{SECOND}", "total_score": "n/a"}}, "best_summary": "1"}}',
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16}}, "summary_2": {{"text": "", "total_score": 12}}, "best_summary": "1"}}',
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16, "total_score": 12}}, "summary_2": {{"text": "{SECOND}", "total_score": 12}}, "best_summary": "1"}}',
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16}}, "summary_2": {{"text": "{SECOND}", "total_score": 12}}, "best_summary": "1", "winner_index": 2}}',
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16}}, "summary_2": {{"text": "{SECOND}", "total_score": 12}}, "best_summary": "1"}}, "best_summary": "2"',
        f'{{"summary_1": {{"text": "{FIRST}", "total_score": 16}}, "summary_2": {{"text": "{SECOND}", "total_score": 12}}, "best_summary": "1"',
        f'{{"summary_1": {{"text": "I\'m sorry, but I can\'t help.", "total_score": 16}}, "summary_2": {{"text": "{SECOND}", "total_score": 12}}, "best_summary": "1"}}',
        '{"summary_1": {"text": "string", "total_score": 16}, "summary_2": {"text": "string", "total_score": 12}, "best_summary": "1"}',
        '{"summary_1": {"text": "...", "total_score": 0, "explanation": "..."}, "summary_2": {"text": "...", "total_score": 0, "explanation": "..."}, "best_summary": 0}',
        f"Summary 1:\nSummary 2: {SECOND}\nTotal score 1: 16\nTotal score 2: 12\nBest summary: 1",
        f"> Summary 1: {FIRST}\n> Total score: 16\n> Explanation: Good.\n> Summary 2: {SECOND}\n> Total score: 12\n> Explanation: Fair.\n> Best summary: 1\n\nis what the other model said.",
        f"Text 1: {FIRST}\nTotal score: 16\nExplanation: Good.\nText 2: {SECOND}\nTotal score: 12\nExplanation: Fair.\nBest summary: 1",
        f"1. {FIRST}\n2. {SECOND}\nTotal score 1: 16\nTotal score 2: 12\nBest summary: 1",
        f"Summary 1: {FIRST}\nTotal errors: 16\nExplanation: Good.\nSummary 2: {SECOND}\nTotal errors: 12\nExplanation: Fair.\nBest summary: 1",
    ],
)
def test_nor_is_an_answer_of_another_make(text: str) -> None:
    read = read_judged(answer_of(text))
    assert isinstance(read, Rejected) and read.reason in REASONS and read.detail


words = st.lists(
    st.sampled_from(
        [
            *[
                "the",
                "port",
                "of",
                "Alder",
                "closed",
                '"quoted"',
                "(1931)",
                "river:",
                "it",
                "said",
                "{x}",
                '"1"',
                "-",
                "é",
                "港",
                "\\",
                "/",
            ]
        ]
    ),
    min_size=1,
)
sentences = words.map(lambda some: "It says " + " ".join(some) + ".")


@given(
    sentences, sentences, sentences, st.integers(4, 18), st.integers(4, 18), st.sampled_from(["{}", "```json\n{}\n```"])
)
def test_json_of_the_schema_is_read(first: str, second: str, why: str, one: int, other: int, around: str) -> None:
    """Whatever stands in the texts, with escapes and with indents."""
    shape = SelfJudgedAnswer(
        summary_1=JudgedSummary(text=first, total_score=one, explanation=why),
        summary_2=JudgedSummary(text=second, total_score=other, explanation=why),
        best_summary="1" if one >= other else "2",
    )
    for text in (shape.model_dump_json(), shape.model_dump_json(indent=2)):
        read = read_judged(answer_of(around.replace("{}", text)))
        assert not isinstance(read, Rejected), read
        assert read[0].summaries == (first, second)
        assert (read[1].scores, read[1].explanations) == ((one, other), (why, why))
