"""Laws of reading answers: it never fails, takes nothing that it cannot justify, and reads what was written.

An answer is justified where, by rules that know nothing of the parser:

- each summary's letters and digits are a run of the answer's letters and digits (JSON's escapes undone);
- each score is a number of the answer, or the sum of four of them, from 4 to 18;
- the best is named in the answer, and its score is not the lower one.
"""

import itertools
import re
import unicodedata
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from summpo.synthesis.answers import REASONS, TOTAL, Verdict, Written, read_judged, read_verdict, read_written
from summpo.teacher.records import Answer
from summpo.text.documents import Rejected

SHAPES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("answer_shapes.yaml").read_text("utf-8"))
ANSWERS = [shape["answer"] for shape in SHAPES]
LINES = sorted({line for answer in ANSWERS for line in answer.splitlines()})


def answer_of(text: str, finish_reason: str = "stop") -> Answer:
    return Answer(text, finish_reason, "teacher", 1, 1)


def letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def unescaped(text: str) -> str:
    """The text with JSON's escapes undone."""
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return re.sub(r"\\([nrtbf\"/\\])", lambda found: found[1] if found[1] in '"/\\' else " ", text)


def numbers(text: str) -> set[float]:
    usual = unicodedata.normalize("NFKC", text).replace("\u2044", "/")
    return {float(number) for number in re.findall(r"[0-9]{1,4}(?:\.[0-9]+)?", usual)}


def assert_summaries(text: str, written: Written) -> None:
    for summary in written.summaries:
        assert letters(summary)
        assert summary == summary.strip()
        assert letters(summary) in letters(text) or letters(summary) in letters(unescaped(text))


def assert_verdict(text: str, verdict: Verdict) -> None:
    said = numbers(unescaped(text))
    low, high = TOTAL
    for score in verdict.scores:
        assert low <= score <= high
        small = [number for number in said if number <= 5]
        assert score in said or any(
            sum(four) == score for four in itertools.combinations_with_replacement(sorted(small), 4)
        )
    assert verdict.best in (1, 2)
    assert verdict.scores[verdict.best - 1] == max(verdict.scores)
    assert re.search(r"best|better|prefer|winn|verdict|choice|chosen|decision|answer", text, re.IGNORECASE)
    assert re.search(
        r"1|one|first|\ba\b" if verdict.best == 1 else r"2|two|second|\bb\b", unicodedata.normalize("NFKC", text), re.I
    )


def assert_justified(text: str) -> None:
    answer = answer_of(text)
    judged, written, verdict = read_judged(answer), read_written(answer), read_verdict(answer)
    if isinstance(judged, Rejected):
        assert judged.reason in REASONS and judged.detail
    else:
        assert_summaries(text, judged[0])
        assert_verdict(text, judged[1])
        assert isinstance(written, Rejected) or written == judged[0]
    if not isinstance(written, Rejected):
        assert_summaries(text, written)
    if not isinstance(verdict, Rejected):
        assert_verdict(text, verdict)
    cut_off = read_judged(answer_of(text, "length"))
    assert isinstance(cut_off, Rejected) and cut_off.reason == "truncated"


@settings(max_examples=300)
@given(
    st.text()
    | st.text(alphabet='Summary 12:*#-|\n{}[]"\\best totalscre.')
    | st.binary().map(
        lambda b: b.decode("utf-16", "surrogatepass") if len(b) % 2 == 0 and _decodes(b) else b.decode("latin-1")
    )
)
def test_any_text(text: str) -> None:
    assert_justified(text)


def _decodes(content: bytes) -> bool:
    try:
        content.decode("utf-16", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=500)
@given(st.lists(st.sampled_from(LINES) | st.text(max_size=20), max_size=14), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_any_lines_of_answers(lines: list[str], end: str) -> None:
    assert_justified(end.join(lines))


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """An answer of the table with pieces cut out, doubled, swapped or put in."""
    text = draw(st.sampled_from(ANSWERS))
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = text[start:end]
        text = draw(
            st.sampled_from(
                [
                    text[:start] + text[end:],
                    text[:end] + piece + text[end:],
                    piece + text[:start] + text[end:],
                    text[:start] + draw(st.text(max_size=5)) + text[start:],
                    text[:start]
                    + draw(st.sampled_from([*'123456789:*#-\n{}"\\</>|', "\ud83d", "\udc00"]))
                    + text[start:],
                ]
            )
        )
    return text


@settings(max_examples=600)
@given(spoilt())
def test_any_spoilt_answer(text: str) -> None:
    assert_justified(text)


WORDS = """
the port of Alder closed silt 16 4/5 (1931) river Summary 1 2 total score best better explanation is was: - he said "no"
it's first second — ** 3) evaluation | coherence consistency
"""
sentences = st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=12).map(
    lambda words: "It says " + " ".join(words) + "."
)
texts = st.lists(sentences, min_size=1, max_size=4).map(" ".join)
paragraphs = st.lists(texts, min_size=1, max_size=3).map("\n\n".join)
LABELS = [
    "{}:",
    "**{}:**",
    "**{}**:",
    "{} -",
    "{} –",
    "## {}\n",
    "**{}**\n",
    "- {}:",
    "3. **{}:**",
    "{}：",
    "*{}:*",
    "__{}__:",
]
MARKS = ["{}", "{}/18", "**{}**", "{} out of 18", "{}.", "**{}/18**", "{} points"]
BESTS = [
    "{}",
    "Summary {}",
    "**{}**",
    "Summary {}.",
    "{}.",
    "Summary {}, because it is shorter.",
    "summary {} is better.",
]


@st.composite
def written_answers(draw: st.DrawFn) -> tuple[str, tuple[str, str], tuple[int, int], int]:
    """An answer in one of the styles, with what it says."""
    summaries = draw(paragraphs), draw(paragraphs)
    scores = draw(st.integers(4, 18)), draw(st.integers(4, 18))
    best = 1 if scores[0] >= scores[1] else 2
    label, mark, verdict = draw(st.sampled_from(LABELS)), draw(st.sampled_from(MARKS)), draw(st.sampled_from(BESTS))
    numbered, explained = draw(st.booleans()), draw(st.booleans())

    def part(name: str, text: str) -> str:
        return f"{label.format(name)} {text}"

    def of(name: str, number: int) -> str:
        return f"{name} {number}" if numbered else name

    blocks = []
    for number, (summary, score) in enumerate(zip(summaries, scores, strict=True), start=1):
        explanation = [part(of("Explanation", number), draw(texts))] if explained else []
        scored = part(of("Total score", number), mark.format(score))
        judged = draw(st.permutations([scored, *explanation]))
        blocks.append([part(f"Summary {number}", summary), *judged])
    if draw(st.booleans()):
        blocks.reverse()
    parts = [one for block in blocks for one in block] + [part("Best summary", verdict.format(best))]
    before, after = (
        draw(st.sampled_from(["", "Sure, here you are.\n\n"])),
        draw(st.sampled_from(["", "\n\nI hope it helps."])),
    )
    gap = draw(st.sampled_from(["\n", "\n\n", "\n\n---\n\n"]))
    text = before + gap.join(parts) + after
    return draw(st.sampled_from([text, text.replace("\n", "\r\n"), f"```\n{text}\n```"])), summaries, scores, best


@settings(max_examples=200)
@given(written_answers())
def test_what_was_written_is_read(case: tuple[str, tuple[str, str], tuple[int, int], int]) -> None:
    text, summaries, scores, best = case
    read = read_judged(answer_of(text))
    assert not isinstance(read, Rejected), read
    assert read[0].summaries == summaries
    assert read[1].scores == scores
    assert read[1].best == best


@settings(max_examples=100)
@given(
    written_answers(),
    st.sampled_from(
        [
            "Actually, Summary {other} is better.",
            "Correction: Best: {other}",
            "Best summary: {other}",
            "Summary 1: Quite another text about the port, and a longer one than it was before, " + "by far " * 300,
            "Total score of summary 1: {another}",
            '{{"best": {other}, "score_1": {another}}}',
        ]
    ),
)
def test_what_is_taken_back_is_not_read(
    case: tuple[str, tuple[str, str], tuple[int, int], int], taken_back: str
) -> None:
    """Whatever stands last, the answer says two things."""
    text, _, scores, best = case
    more = taken_back.format(other=3 - best, another=scores[0] + 1 if scores[0] < 18 else 4)
    assert isinstance(read_judged(answer_of(f"{text}\n\n{more}\n")), Rejected)


def test_long_lines_of_markup_take_no_time_to_speak_of() -> None:
    """Forty thousand characters of each kind: a pattern that went back and forth would not end."""
    for piece in (
        "*",
        "-",
        " ",
        "_",
        "|",
        "#",
        "`",
        "(",
        "[",
        "{",
        "<",
        "\n",
        "a ",
        "1.",
        "</",
        "Summary 1 ",
        "total ",
        "- |",
        '{"',
    ):
        run = piece * (40_000 // len(piece))
        for text in (
            run,
            f"Summary 1: {run}",
            f"Summary 1: x\nTotal score: 16{run}\n",
            f"Best summary: 1{run}x",
            f"|a|b|\n{run}x",
        ):
            assert_no_crash(text)


def assert_no_crash(text: str) -> None:
    assert isinstance(read_judged(answer_of(text)), Rejected)
