"""Modes: from a document to its questions, and from the answers to a pair, whatever has been answered so far."""

import json
from collections.abc import Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from summpo.config.nodes import from_target
from summpo.config.tree import conf_dir
from summpo.errors import UserError
from summpo.synthesis.modes import INCONSISTENT, REASONS, Mode, longer_first
from summpo.synthesis.modes.self_judged import SelfJudged
from summpo.synthesis.modes.two_step import TwoStep
from summpo.synthesis.prompt_files import packaged_prompts
from summpo.synthesis.records import JudgedPair
from summpo.teacher.records import Answer, Request
from summpo.text.documents import Document, Rejected

DOCUMENT = Document("pep-1#0", "pep", "A {document} with {braces}, {first} and {}.")
FIRST, SECOND = "The port closed in 1931.", "Silt closed the port."
OPTIONS = sorted(file.stem for file in (conf_dir() / "mode").glob("*.yaml"))


def said(text: str, finish_reason: str = "stop") -> Answer:
    return Answer(text, finish_reason, "teacher", 100, 10)


def judged(scores: tuple[float, float], best: int) -> Answer:
    return said(
        f"Explanation 1: one.\nTotal score 1: {scores[0]}\nExplanation 2: two.\nTotal score 2: {scores[1]}\nBest summary: {best}"
    )


WRITTEN = said(f"Summary 1: {FIRST}\nSummary 2: {SECOND}")


def only(tasks: Any) -> Any:
    (task,) = tasks
    return task


def asked(outcome: Any) -> list[Request]:
    assert isinstance(outcome, Sequence), outcome
    return list(outcome)


def filled(schema: str, values: list[Any]) -> str:
    """An object with the properties of a schema, in their order."""
    properties = json.loads(schema)["properties"]
    return json.dumps(dict(zip(properties, values, strict=True)))


def test_reasons_are_told_once() -> None:
    assert len(set(REASONS)) == len(REASONS)
    assert INCONSISTENT in REASONS


class TestConfig:
    def test_there_is_an_option_for_every_mode(self) -> None:
        folder = Path(__file__).parents[2] / "src/summpo/synthesis/modes"
        assert sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__") == OPTIONS

    @pytest.mark.parametrize("name", OPTIONS)
    def test_a_yaml_builds_and_names_every_field_with_its_default(self, name: str) -> None:
        node = OmegaConf.load(conf_dir() / "mode" / f"{name}.yaml")
        mode = from_target(node, "mode", (Mode,))
        values = OmegaConf.to_container(node)
        assert isinstance(values, dict)
        assert values.pop("_target_") == f"{type(mode).__module__}.{type(mode).__name__}"
        defaults = {field.name: field.default for field in fields(mode)}
        assert MISSING not in defaults.values()
        assert {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()} == defaults
        assert mode == type(mode)()
        assert all(prompt.name in packaged_prompts() for prompt in mode.prompts().values())

    @pytest.mark.parametrize(
        ("mode", "sentence"),
        [
            (lambda: SelfJudged(long_words=(300, 200)), "long_words must be the fewest and the most words, as [100, 300], got (300, 200) (config key mode.long_words)"),
            (lambda: TwoStep(short_words=(0, 9)), "short_words must be the fewest and the most words, as [100, 300], got (0, 9) (config key mode.short_words)"),
            (lambda: SelfJudged(short_words=(1, 2, 3)), "got (1, 2, 3)"),  # type: ignore[arg-type]
            (lambda: TwoStep(short_words=(200, 500)), "short_words must be below long_words [200, 500], got [200, 500] (config key mode.short_words)"),
            (lambda: SelfJudged(short_words=(300, 400)), "got [300, 400]"),
            (lambda: SelfJudged(max_tokens=0), "max_tokens must be >= 1, got 0 (config key mode.max_tokens)"),
            (lambda: TwoStep(judge_max_tokens=0), "(config key mode.judge_max_tokens)"),
            (lambda: TwoStep(judge_temperature=2.5), "judge_temperature must be >= 0 and <= 2, got 2.5 (config key mode.judge_temperature)"),
            (lambda: SelfJudged(explanation_words=0), "(config key mode.explanation_words)"),
            (lambda: SelfJudged(prompt="nowhere").prompts(), "there is no prompt nowhere"),
            (lambda: TwoStep(judge_prompt="two_step_write").prompts(), "lacks the placeholder {first}, {second} (config key mode.judge_prompt)"),
            (lambda: SelfJudged(prompt="two_step_judge").tasks([]), "lacks the placeholder {first_low}"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_one_sentence(self, mode: Any, sentence: str) -> None:
        with pytest.raises(UserError) as caught:
            mode()
        assert sentence in str(caught.value)

    @pytest.mark.parametrize(
        "mode",
        [
            SelfJudged(prompt="self_judged_json", json_object=True),
            TwoStep(write_prompt="two_step_write_json", judge_prompt="two_step_judge_json", json_object=True),
        ],
    )
    def test_json_is_asked_for_in_the_request_too(self, mode: Mode) -> None:
        requests = mode.imagined(DOCUMENT)
        assert all(request.json_object and "JSON" in request.messages[0][1] for request in requests)

    @pytest.mark.parametrize("temperature", [None, 1.0])
    def test_a_temperature_may_be_left_out(self, temperature: float | None) -> None:
        written = only(SelfJudged(temperature=temperature).tasks([DOCUMENT])).proceed({})
        (write, *judge) = TwoStep(temperature=0.3, judge_temperature=temperature).imagined(DOCUMENT)
        assert [request.temperature for request in (*written, write, *judge)] == [temperature, 0.3, *[temperature] * 2]

    def test_json_by_schema_is_asked_for_and_read(self) -> None:
        """An answer with the properties of the schema, in its order, is one that is read: keys are in no language."""
        mode = SelfJudged(prompt="self_judged_json", json_schema=True)
        task = only(mode.tasks([DOCUMENT]))
        (request,) = task.proceed({})
        whole = {"text": FIRST, "total_score": 15, "explanation": "Gut."}
        pair = task.proceed(
            {request.step: said(filled(request.json_schema, [whole, whole | {"text": SECOND, "total_score": 12}, "1"]))}
        )
        assert isinstance(pair, JudgedPair) and (pair.chosen, pair.rejected) == (FIRST, SECOND)
        assert (pair.score_chosen, pair.score_rejected, pair.explanations) == (15, 12, ("Gut.", "Gut."))

    def test_json_by_schema_in_two_steps(self) -> None:
        mode = TwoStep(write_prompt="two_step_write_json", judge_prompt="two_step_judge_json", json_schema=True)
        task, answers = only(mode.tasks([DOCUMENT])), {}
        for values in ([FIRST, SECOND], ["Gut.", 15, "Kurz.", 12, "1"], ["Kurz.", 12, "Gut.", 15, "2"]):
            (request,) = task.proceed(answers)
            answers[request.step] = said(filled(request.json_schema, values))
        pair = task.proceed(answers)
        assert isinstance(pair, JudgedPair) and (pair.chosen, pair.score_chosen, pair.score_rejected) == (FIRST, 15, 12)

    @pytest.mark.parametrize("option", ["json_schema", "json_object"])
    def test_json_is_asked_for_by_our_prompt_of_it_or_by_one_that_says_so(self, option: str, tmp_path: Path) -> None:
        assert SelfJudged(**{option: True}).prompts() == SelfJudged(prompt="self_judged_json").prompts()
        in_json = TwoStep(write_prompt="two_step_write_json", judge_prompt="two_step_judge_json")
        assert TwoStep(**{option: True}).prompts() == in_json.prompts()
        own = tmp_path / "own.txt"
        own.write_text("{document} {first_low} {first_high} {second_low} {second_high}", "utf-8")
        with pytest.raises(UserError, match=rf"mode\.{option}=true needs a prompt that asks for JSON, and .*own.txt"):
            SelfJudged(prompt=str(own), **{option: True}).prompts()


class TestSelfJudged:
    def test_one_question_holds_the_document_and_the_limits(self) -> None:
        task = only(SelfJudged(long_words=(31, 62), short_words=(12, 24), explanation_words=77).tasks([DOCUMENT]))
        (request,) = asked(task.proceed({}))
        assert (request.task, request.step, request.max_tokens, request.temperature) == (
            "pep-1#0",
            "write_and_judge",
            2048,
            0.7,
        )
        ((role, text),) = request.messages
        assert role == "user"
        assert f"<document>\n{DOCUMENT.text}\n</document>" in text
        assert "Summary 1 has 31 to 62 words." in text and "Summary 2 has 12 to 24 words." in text
        assert text.count("at most 77 words") == 2

    def test_the_answer_becomes_a_pair(self) -> None:
        task = only(SelfJudged().tasks([DOCUMENT]))
        text = "Summary 1: {}\nTotal score: 12\nExplanation: one.\nSummary 2: {}\nTotal score: 15\nExplanation: two.\nBest summary: 2"
        pair = task.proceed({"write_and_judge": said(text.format(FIRST, SECOND))})
        assert pair == JudgedPair(DOCUMENT, SECOND, FIRST, 15, 12, False, ("two.", "one."))

    def test_or_is_rejected(self) -> None:
        task = only(SelfJudged().tasks([DOCUMENT]))
        assert task.proceed({"write_and_judge": said("Summary 1: x", "length")}) == Rejected(
            "truncated", "cut off after 10 tokens"
        )

    def test_the_packaged_prompts_form_is_no_answer(self) -> None:
        """A model that gives back what it was asked."""
        for name in ("self_judged", "self_judged_json"):
            task = only(SelfJudged(prompt=name).tasks([DOCUMENT]))
            (request,) = asked(task.proceed({}))
            assert isinstance(task.proceed({request.step: said(request.messages[0][1])}), Rejected)

    def test_documents_are_taken_one_at_a_time(self) -> None:
        tasks = SelfJudged().tasks(Document(str(n), "s", "t") for n in iter(int, 1))
        assert next(tasks).id == "0"


class TestTwoStep:
    def test_half_of_the_documents_have_the_longer_first(self) -> None:
        names = [f"document-{n}" for n in range(2000)]
        share = sum(map(longer_first, names)) / len(names)
        assert 0.45 < share < 0.55
        mode = TwoStep(long_words=(31, 62), short_words=(12, 24))
        for name in names[:40]:
            (request,) = asked(only(mode.tasks([Document(name, "s", "text")])).proceed({}))
            first, second = ("31 to 62", "12 to 24") if longer_first(name) else ("12 to 24", "31 to 62")
            text = request.messages[0][1]
            assert f"Summary 1 has {first} words." in text and f"Summary 2 has {second} words." in text

    def test_writes_then_judges_in_either_order(self) -> None:
        task = only(TwoStep().tasks([DOCUMENT]))
        (write,) = asked(task.proceed({}))
        assert (write.step, write.max_tokens, write.temperature) == ("write", 1536, 0.7)
        (one,) = asked(task.proceed({"write": WRITTEN}))
        (other,) = asked(task.proceed({"write": WRITTEN, "judge_12": judged((16, 12), 1)}))
        assert (one.step, one.max_tokens, one.temperature) == ("judge_12", 768, 0.0)
        assert other.step == "judge_21"
        shown = "<summary_1>\n{}\n</summary_1>\n\n<summary_2>\n{}\n</summary_2>"
        assert shown.format(FIRST, SECOND) in one.messages[0][1]
        assert shown.format(SECOND, FIRST) in other.messages[0][1]
        assert f"<document>\n{DOCUMENT.text}\n</document>" in one.messages[0][1]

    def test_scores_are_means_over_both_orders(self) -> None:
        """As written 16 and 12; turned round 13 for the one shown first, the second as written, and 15 for the other.

        The first has (16 + 15) / 2 = 15.5, the second (12 + 13) / 2 = 12.5.
        """
        task = only(TwoStep().tasks([DOCUMENT]))
        answers = {"write": WRITTEN, "judge_12": judged((16, 12), 1), "judge_21": judged((13, 15), 2)}
        assert task.proceed(answers) == JudgedPair(DOCUMENT, FIRST, SECOND, 15.5, 12.5, True, ("one.", "two."))

    def test_the_second_may_win(self) -> None:
        task = only(TwoStep().tasks([DOCUMENT]))
        answers = {"write": WRITTEN, "judge_12": judged((12, 16), 2), "judge_21": judged((15, 13), 1)}
        assert task.proceed(answers) == JudgedPair(DOCUMENT, SECOND, FIRST, 15.5, 12.5, False, ("two.", "one."))

    @pytest.mark.parametrize(("best", "place"), [(1, "first"), (2, "second")])
    def test_a_place_that_wins_twice_wins_nothing(self, best: int, place: str) -> None:
        task = only(TwoStep().tasks([DOCUMENT]))
        scores = (16, 12) if best == 1 else (12, 16)
        outcome = task.proceed({"write": WRITTEN, "judge_12": judged(scores, best), "judge_21": judged(scores, best)})
        assert outcome == Rejected(INCONSISTENT, f"the summary that was shown {place} won in both orders")

    def test_nothing_more_is_asked_once_it_has_failed(self) -> None:
        task = only(TwoStep().tasks([DOCUMENT]))
        assert task.proceed({"write": said("")}) == Rejected("empty_answer", "write: no text")
        bad = task.proceed({"write": WRITTEN, "judge_12": judged((16, 12), 2)})
        assert bad == Rejected("best_contradicts_scores", "judge_12: summary 2 with 12, the other with 16")
        bad = task.proceed({"write": WRITTEN, "judge_12": judged((16, 12), 1), "judge_21": said("Best summary: 3")})
        assert isinstance(bad, Rejected) and bad.reason == "best_not_1_or_2" and bad.detail.startswith("judge_21: ")

    def test_the_packaged_prompts_form_is_no_answer(self) -> None:
        for kind in ("", "_json"):
            mode = TwoStep(write_prompt=f"two_step_write{kind}", judge_prompt=f"two_step_judge{kind}")
            task = only(mode.tasks([DOCUMENT]))
            (write,) = asked(task.proceed({}))
            assert isinstance(task.proceed({"write": said(write.messages[0][1])}), Rejected)
            (judge,) = asked(task.proceed({"write": WRITTEN}))
            assert isinstance(task.proceed({"write": WRITTEN, "judge_12": said(judge.messages[0][1])}), Rejected)

    def test_json_answers_likewise(self) -> None:
        task = only(TwoStep().tasks([DOCUMENT]))
        answers = {
            "write": said(json.dumps({"summary_1": FIRST, "summary_2": SECOND})),
            "judge_12": said(json.dumps({"total_score_1": 16, "total_score_2": 12, "best_summary": 1})),
            "judge_21": said(json.dumps({"total_score_1": 12, "total_score_2": 16, "best_summary": 2})),
        }
        assert task.proceed(answers) == JudgedPair(DOCUMENT, FIRST, SECOND, 16, 12, True)


@pytest.mark.parametrize("mode", [SelfJudged(), TwoStep()])
def test_goes_on_from_whatever_is_answered_and_always_says_the_same(mode: Mode) -> None:
    """A kill between any two answers changes no question and no outcome."""
    by_step = {"write": WRITTEN, "judge_12": judged((16, 12), 1), "judge_21": judged((12, 16), 2)}
    whole = said(f"Summary 1: {FIRST}\nTotal score: 16\nSummary 2: {SECOND}\nTotal score: 12\nBest summary: 1")
    answers: dict[str, Answer] = {}
    keys: list[str] = []
    while isinstance(outcome := only(mode.tasks([DOCUMENT])).proceed(answers), Sequence):
        again = only(mode.tasks([DOCUMENT])).proceed(dict(answers))
        assert again == outcome
        for request in outcome:
            assert request.step not in answers
            keys.append(request.key("teacher"))
            answers[request.step] = by_step.get(request.step, whole)
    assert isinstance(outcome, JudgedPair)
    assert len(set(keys)) == len(keys) == len(mode.imagined(DOCUMENT))


def test_what_is_imagined_has_the_questions_that_are_asked() -> None:
    for mode in (SelfJudged(), TwoStep()):
        (asked_first, *_) = asked(only(mode.tasks([DOCUMENT])).proceed({}))
        imagined = mode.imagined(DOCUMENT)
        assert imagined[0] == asked_first
    write, one, other = TwoStep().imagined(DOCUMENT)
    assert [request.step for request in (write, one, other)] == ["write", "judge_12", "judge_21"]
    assert all(len(a.messages[0][1].split()) < len(b.messages[0][1].split()) for a, b in pairwise((write, one)))
    assert len(one.messages[0][1].split()) == len(other.messages[0][1].split()) > 800
