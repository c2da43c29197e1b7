"""Asking a real server on loopback: whatever goes wrong, nothing is lost and nothing is paid twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.teacher.attempts import delay
from summpo.teacher.budget import Tokens
from summpo.teacher.estimate import estimate
from summpo.teacher.faults import Fault
from summpo.teacher.journal import open_journal
from summpo.teacher.records import Answer, Request
from summpo.text.documents import Rejected
from support.asked import MADE_FROM, Question, Runs, WriteAndJudge, asked, teacher
from support.fault_server import (
    BROKEN_JSON,
    CHOICES_EMPTY,
    CHOICES_NULL,
    CLOSE,
    CONTENT_NULL,
    CUT,
    CUT_WITHOUT_LENGTH,
    HTML,
    LENGTH,
    MODEL,
    NO_USAGE,
    OTHER_MODEL,
    SAME_ID,
    Act,
    Call,
    FaultServer,
    drip,
    hang,
    in_turn,
    ordinary,
    status,
)

KEY = "sk-very-secret-0123456789"
TESTS = Path(__file__).resolve().parents[1]
QUESTIONS = [Question(f"q{number}") for number in range(6)]
ANSWERS = {question.id: f"answer to {question.id}" for question in QUESTIONS}

FREE = {
    "429": status(429),
    "429_retry_after": status(429, {"Retry-After": "0.05"}),
    "500": status(500),
    "503": status(503),
    "409": status(409),
}
"""What is refused at the door: by name, what the server does."""
MAYBE_PAID = {
    "cut": CUT,
    "cut_without_length": CUT_WITHOUT_LENGTH,
    "closed": CLOSE,
    "broken_json": BROKEN_JSON,
    "html": HTML,
    "choices_null": CHOICES_NULL,
    "choices_empty": CHOICES_EMPTY,
    "timeout": hang(30),
    "slow_drip": drip(0.2),
    "gateway_timeout": status(504),
}
"""What brings no answer and may have been paid."""


def seconds(name: str) -> float:
    """A timeout that only the slow ones reach."""
    return 1.0 if name in ("timeout", "slow_drip") else 10.0


def rows(folder: Path) -> Counter[tuple[str, str | None]]:
    """Status and reason of the journal's attempts."""
    with open_journal(folder / "journal.sqlite", MADE_FROM) as journal:
        return Counter(journal.connection.execute("SELECT status, reason FROM attempts").fetchall())


class TestFaults:
    @pytest.mark.parametrize("name", FREE)
    def test_that_cost_nothing_are_retried(self, name: str, tmp_path: Path) -> None:
        with FaultServer(script=in_turn(FREE[name], FREE[name])) as server:
            found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
        assert outcomes == ANSWERS
        assert set(server.billed.values()) == {1} and len(server.calls) == 18
        assert (found.spent.answers, found.spent.maybe_paid, sum(found.retries.values())) == (6, 0, 12)
        assert (found.outcomes, found.rejected, found.unfinished, found.stopped) == (6, {}, 0, None)

    @pytest.mark.parametrize("name", MAYBE_PAID)
    def test_that_may_have_cost_are_counted_and_retried_once(self, name: str, tmp_path: Path) -> None:
        """100 + 10 tokens an answer; what may have been paid is counted with its bound, 64 + 16 + 2 and 50."""
        with FaultServer(script=in_turn(MAYBE_PAID[name])) as server:
            found, outcomes = asked(QUESTIONS, teacher(server.url, timeout=seconds(name)), tmp_path)
        assert outcomes == ANSWERS
        assert found.spent.paid == Tokens(600, 60) and found.spent.maybe == Tokens(6 * 82, 6 * 50)
        assert sum(server.billed.values()) <= found.spent.answers + found.spent.maybe_paid == 12

    @pytest.mark.parametrize("name", MAYBE_PAID)
    def test_that_may_have_cost_are_not_retried_more_often_than_allowed(self, name: str, tmp_path: Path) -> None:
        """Once more, or not at all; and another run does not begin to count anew, but where it may retry more often."""
        act = MAYBE_PAID[name]
        with FaultServer() as server:
            settings: dict[str, Any] = {"timeout": seconds(name), "max_in_flight": 6}
            server.script = lambda call: None if call.content == "first" else in_turn(act, act)(call)
            asked([Question("first")], teacher(server.url), tmp_path)
            for most, lost in ((0, 6), (0, 6), (1, 12), (1, 12)):
                found, outcomes = asked(QUESTIONS, teacher(server.url, max_paid_retries=most, **settings), tmp_path)
                assert found.spent.maybe_paid == lost and found.rejected == {"answer_lost": 6}
                assert all(isinstance(outcome, Rejected) for outcome in outcomes.values())
            found, outcomes = asked(QUESTIONS, teacher(server.url, max_paid_retries=2, **settings), tmp_path)
            assert outcomes == ANSWERS and sum(server.billed.values()) <= 7 + found.spent.maybe_paid == 19

    @pytest.mark.parametrize(
        ("act", "outcome"),
        [(CONTENT_NULL, "empty"), (LENGTH, "truncated"), (SAME_ID, None), (OTHER_MODEL, None), (NO_USAGE, None)],
        ids=["content_null", "length", "duplicate_completion_ids", "other_model", "no_usage"],
    )
    def test_that_are_whole_answers_are_kept_and_never_paid_again(
        self, act: Act, outcome: str | None, tmp_path: Path
    ) -> None:
        with FaultServer(script=lambda call: act) as server:
            for _ in range(2):
                found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
                assert len(server.calls) == 6 and set(server.billed.values()) == {1}
                assert found.spent.answers == 6 and found.spent.maybe_paid == 0
                if outcome is None:
                    assert outcomes == ANSWERS
                else:
                    assert found.rejected == {outcome: 6}
                assert found.other_models == (6 if act is OTHER_MODEL else 0)

    def test_a_400_rejects_its_task_alone(self, tmp_path: Path) -> None:
        """It is not asked again in this run; in another one it is, for nobody paid, and it may be taken by then."""
        with FaultServer(script=lambda call: status(400) if call.content == "q3" else None) as server:
            for calls in (6, 7):
                found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
                assert outcomes == ANSWERS | {"q3": Rejected("bad_request", "400: as the script says")}
                assert found.rejected == {"bad_request": 1} and len(server.calls) == calls
            server.script = ordinary
            assert asked(QUESTIONS, teacher(server.url), tmp_path)[1] == ANSWERS
        assert set(server.billed.values()) == {1}

    def test_all_at_once_at_random(self, tmp_path: Path) -> None:
        """Each request meets two of all faults, drawn by chance; what comes out is what comes out without any."""
        acts = [act for name, act in (FREE | MAYBE_PAID).items() if name not in ("timeout", "slow_drip")]
        rng = random.Random(0)
        drawn = {name: [rng.choice(acts) for _ in range(2)] for name in map(str, range(40))}
        tasks = [Question(name) for name in drawn]
        with FaultServer(script=lambda call: in_turn(*drawn[call.content])(call)) as server:
            found, outcomes = asked(tasks, teacher(server.url, max_paid_retries=2), tmp_path)
        assert outcomes == {name: f"answer to {name}" for name in drawn}
        maybe = sum(act in MAYBE_PAID.values() for acts in drawn.values() for act in acts)
        assert (found.spent.answers, found.spent.maybe_paid) == (40, maybe)
        assert sum(server.billed.values()) <= 40 + maybe


@given(st.integers(0, 2000), st.none() | st.floats(0, 1e9), st.integers())
def test_how_long_a_retry_waits(retries: int, retry_after: float | None, seed: int) -> None:
    """At a backoff of 0.5 s the nth retry waits 0.5 * 2^n s, down to half of it; Retry-After holds instead; 60 s at most."""
    who = teacher("http://localhost/v1", backoff=0.5)
    seconds = delay(Fault("server_error", "", retry_after=retry_after), retries, who, random.Random(seed))
    full = min(60.0, 0.5 * 2.0 ** min(retries, 100))
    low, high = (full / 2, full) if retry_after is None else (min(retry_after, 60.0), min(retry_after, 60.0) + 0.5)
    assert low <= seconds <= high


class TestRetryAfter:
    def waits(self, header: str, tmp_path: Path, **settings: Any) -> float:
        """Seconds between a 429 with this header and the retry."""
        with FaultServer(script=in_turn(status(429, {"Retry-After": header}))) as server:
            _, outcomes = asked(QUESTIONS[:1], teacher(server.url, **settings), tmp_path)
        assert outcomes == {"q0": "answer to q0"}
        first, second = server.calls
        return second.at - first.at

    def test_in_seconds_is_waited_for(self, tmp_path: Path) -> None:
        assert self.waits("0.4", tmp_path) >= 0.4

    def test_as_a_date_is_waited_for(self, tmp_path: Path) -> None:
        """The date says whole seconds, and is up to one nearer than 2 s from now."""
        assert self.waits(formatdate(time.time() + 2, usegmt=True), tmp_path) >= 0.8

    def test_is_honoured_up_to_a_cap(self, tmp_path: Path) -> None:
        """An hour, of which 0.3 s are waited: else this test would not end."""
        assert self.waits("3600", tmp_path, max_retry_after=0.3) >= 0.3

    def test_said_to_one_holds_for_all(self, tmp_path: Path) -> None:
        """Of four at once one is told to wait; the requests that come after wait too."""
        script = in_turn(status(429, {"Retry-After": "0.5"}))
        with FaultServer(script=lambda call: script(call) if call.content == "q0" else None, latency=0.1) as server:
            asked(QUESTIONS, teacher(server.url, max_in_flight=2), tmp_path)
        told, *_ = server.calls
        late = [call for call in server.calls if call.content not in ("q0", "q1")]
        assert len(late) == 4 and all(call.at - told.at >= 0.5 for call in late)


class TestStops:
    def refused(self, server: FaultServer, tmp_path: Path, **settings: Any) -> str:
        with pytest.raises(UserError) as refusal:
            asked(QUESTIONS, teacher(server.url, **settings), tmp_path)
        return str(refusal.value)

    def test_without_a_key_before_anything_is_sent(self, tmp_path: Path) -> None:
        with FaultServer() as server:
            sentence = self.refused(server, tmp_path, key_env="SUMMPO_TEST_ABSENT_KEY")
            assert server.calls == []
        assert "set the environment variable SUMMPO_TEST_ABSENT_KEY (config key teacher.key_env)" in sentence

    def test_at_a_refused_key(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUMMPO_TEST_KEY", KEY)
        with FaultServer(key="another") as server:
            sentence = self.refused(server, tmp_path, key_env="SUMMPO_TEST_KEY")
            assert sentence == f"{server.url} refuses the key in SUMMPO_TEST_KEY (config key teacher.key_env)"
            assert len(server.calls) <= 6 and not server.billed
            server.key = KEY
            _, outcomes = asked(QUESTIONS, teacher(server.url, key_env="SUMMPO_TEST_KEY"), tmp_path)
        assert outcomes == ANSWERS

    def test_at_an_endpoint_that_asks_for_a_key(self, tmp_path: Path) -> None:
        with FaultServer(key=KEY) as server:
            assert "asks for a key: name its environment variable" in self.refused(server, tmp_path)

    def test_at_an_unknown_model(self, tmp_path: Path) -> None:
        with FaultServer() as server:
            sentence = self.refused(server, tmp_path, model="no-such")
            assert sentence == (
                f"{server.url} has no model 'no-such', 404: The model `no-such` does not exist (config key teacher.model)"
            )
            assert not server.billed

    def test_at_a_path_that_is_no_api(self, tmp_path: Path) -> None:
        with FaultServer() as server, pytest.raises(UserError) as refusal:
            asked(QUESTIONS, teacher(server.url.replace("/v1", "/v2")), tmp_path)
        assert "/v2 is no base of an OpenAI-compatible API, it says 404: Not Found (config key teacher.url)" in str(
            refusal.value
        )

    def test_at_a_redirect_which_is_not_followed_with_the_key(self, tmp_path: Path) -> None:
        with FaultServer() as other, FaultServer(script=lambda call: status(307, {"Location": other.url})) as server:
            assert "it says 307" in self.refused(server, tmp_path)
            assert other.calls == []

    def test_where_nobody_listens(self, tmp_path: Path) -> None:
        with FaultServer() as gone:
            url = gone.url
        with pytest.raises(UserError, match=f"{url} cannot be reached, .*config key teacher.url") as refusal:
            asked(QUESTIONS, teacher(url), tmp_path)
        assert "\n" not in str(refusal.value)
        assert {row[0] for row in rows(tmp_path)} == {"unpaid"}

    def test_at_used_up_credit(self, tmp_path: Path) -> None:
        with FaultServer(script=lambda call: status(429, code="insufficient_quota")) as server:
            assert "has no credit left" in self.refused(server, tmp_path)

    def test_where_all_is_refused(self, tmp_path: Path) -> None:
        """A wrong setting: the first ten say so. Then it is put right, and nothing stands in the way."""
        tasks = [Question(str(number)) for number in range(40)]
        with FaultServer(script=lambda call: status(400)) as server:
            with pytest.raises(
                UserError, match=r"refused each of the first 1\d requests, it says 400: as the script says"
            ):
                asked(tasks, teacher(server.url, max_in_flight=4), tmp_path)
            assert 10 <= len(server.calls) <= 13
            server.script = ordinary
            found, _ = asked(tasks, teacher(server.url), tmp_path)
        assert found.outcomes == 40

    def test_but_not_where_one_that_is_under_way_is_answered_later(self, tmp_path: Path) -> None:
        """Twelve are refused at once, the thirteenth is answered after a while: it is not the settings."""
        tasks = [Question(str(number)) for number in range(40)]

        def script(call: Call) -> Act | None:
            if call.content == "12":
                return hang(0.5)
            return status(400) if int(call.content) < 12 else None

        with FaultServer(script=script) as server:
            found, outcomes = asked(tasks, teacher(server.url, max_in_flight=20), tmp_path)
        assert found.rejected == {"bad_request": 12} and found.outcomes == 28 and outcomes["12"] == "answer to 12"

    def test_where_nothing_is_answered_any_more(self, tmp_path: Path) -> None:
        """The first 5 of 200 are answered, then only 500s come: 20 in a row are enough. Another run goes on with all."""
        tasks = [Question(str(number)) for number in range(200)]
        with FaultServer() as server:
            server.script = lambda call: status(500) if len(server.calls) > 5 else None
            settings = {"max_retries": 1, "max_in_flight": 4}
            with pytest.raises(UserError, match=r"answered none of the last 20 requests .*server_error, 500"):
                asked(tasks, teacher(server.url, **settings), tmp_path)
            assert len(server.calls) <= 5 + 2 * (20 + 4)
            server.script = lambda call: None
            found, outcomes = asked(tasks, teacher(server.url, **settings), tmp_path)
        assert len(outcomes) == found.outcomes == 200 and set(server.billed.values()) == {1}

    def test_where_nothing_was_ever_answered(self, tmp_path: Path) -> None:
        """As some endpoints say that they have no such model."""
        with FaultServer(script=lambda call: status(500)) as server:
            sentence = self.refused(server, tmp_path, max_retries=1, max_in_flight=2)
        assert "answered none of the last 3 requests (the last: server_error, 500: as the script says)" in sentence

    def test_what_is_under_way_comes_back_first(self, tmp_path: Path) -> None:
        """The last of four is refused at once; the other three take longer, are paid, and are kept."""
        with FaultServer() as server:
            server.script = lambda call: status(402) if len(server.calls) == 4 else hang(0.4)
            assert "has no credit left, it says 402" in self.refused(server, tmp_path, max_in_flight=4)
            assert len(server.calls) == 4
        assert rows(tmp_path) == {("answered", None): 3, ("unpaid", "out_of_credit"): 1}

    @pytest.mark.parametrize("where", ["on_outcome", "proceed", "tasks"])
    def test_a_bug_of_the_caller_loses_nothing_either(self, where: str, tmp_path: Path) -> None:
        class Broken(Question):
            def proceed(self, answers: Any) -> Any:
                if answers:
                    raise ZeroDivisionError
                return super().proceed(answers)

        def tasks() -> Iterator[Question]:
            yield from QUESTIONS[:3]
            yield Broken("q3") if where == "proceed" else QUESTIONS[3]
            if where == "tasks":
                raise ZeroDivisionError

        def on_outcome(task: Any, outcome: Any) -> None:
            if where == "on_outcome":
                raise ZeroDivisionError

        from summpo.teacher.asking import ask

        with FaultServer(latency=0.1) as server:
            with pytest.raises(ZeroDivisionError), open_journal(tmp_path / "journal.sqlite", MADE_FROM) as journal:
                ask(tasks(), teacher(server.url), journal, on_outcome, shows_progress=False)
            _, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
        assert outcomes == ANSWERS and set(server.billed.values()) == {1}


class TestTasks:
    def test_of_several_steps(self, tmp_path: Path) -> None:
        tasks = [WriteAndJudge(str(number)) for number in range(5)]
        with FaultServer() as server:
            for _ in range(2):
                found, outcomes = asked(tasks, teacher(server.url), tmp_path)
                assert outcomes["3"] == (
                    "answer to judge_12 of answer to write 3 / answer to judge_21 of answer to write 3"
                )
                assert len(outcomes) == 5 and len(server.calls) == 15
            found, _ = asked(tasks, teacher(server.url), tmp_path)
        assert found.sent == 0
        bodies = [call.body for call in server.calls if call.content == "write 3"]
        assert bodies == [
            {"model": MODEL, "messages": [{"role": "user", "content": "write 3"}], "max_tokens": 50, "temperature": 0.7}
        ]

    def test_a_json_object_is_asked_for_and_the_limit_has_the_endpoints_name(self, tmp_path: Path) -> None:
        class Json(Question):
            def proceed(self, answers: Any) -> Any:
                return answers["j"].text if answers else [Request("j", "j", (("user", "j \ud800"),), 9, 0.0, True)]

        with FaultServer() as server:
            _, outcomes = asked([Json("j")], teacher(server.url, max_tokens_name="max_completion_tokens"), tmp_path)
        assert outcomes == {"j": "answer to j \ufffd"}
        (call,) = server.calls
        assert call.body["response_format"] == {"type": "json_object"}
        assert call.body["max_completion_tokens"] == 9 and "max_tokens" not in call.body

    def test_of_an_id_that_was_there_are_rejected(self, tmp_path: Path) -> None:
        tasks = [Question("a"), Question("b"), Question("a"), Question("a", text="something else")]
        ends: list[tuple[str, Any]] = []
        from summpo.teacher.asking import ask

        with FaultServer() as server, open_journal(tmp_path / "journal.sqlite", MADE_FROM) as journal:
            found = ask(
                tasks, teacher(server.url), journal, lambda task, outcome: ends.append((task.id, outcome)),
                shows_progress=False,
            )  # fmt: skip
        assert found.rejected == {"duplicate_id": 2} and found.outcomes == 2
        assert sorted(id for id, _ in ends) == ["a", "a", "a", "b"]
        assert server.billed == {"a": 1, "b": 1}

    def test_no_more_are_asked_at_once_than_allowed(self, tmp_path: Path) -> None:
        tasks: Sequence[Any] = [WriteAndJudge(str(number)) for number in range(12)]
        with FaultServer(latency=0.02) as server:
            asked(tasks, teacher(server.url, max_in_flight=3), tmp_path)
        assert server.most_in_flight == 3

    def test_no_more_are_asked_a_minute_than_allowed(self, tmp_path: Path) -> None:
        """600 a minute: 0.1 s from one to the next. The clocks of two threads differ by less than half of that."""
        with FaultServer() as server:
            asked(QUESTIONS, teacher(server.url, requests_per_minute=600), tmp_path)
        assert server.calls[-1].at - server.calls[0].at >= 0.45


class TestBudget:
    PRICES = {"price_per_million_prompt": 1.0, "price_per_million_completion": 1.0}  # noqa: RUF012

    def test_stops_cleanly_and_another_run_goes_on(self, tmp_path: Path) -> None:
        """A request costs 82 + 50 at most and 110 in truth. $0.00045 is 450 tokens: after three, 330 + 132 would go over."""
        with FaultServer() as server:
            one = teacher(server.url, max_in_flight=2, **self.PRICES)
            for _ in range(2):
                found, outcomes = asked(QUESTIONS, one, tmp_path, max_cost=0.00045)
                assert found.stopped == "max_cost" and found.outcomes == len(outcomes) == len(server.calls) == 3
                assert found.cost == pytest.approx(0.00033) and found.unfinished >= 1
            found, outcomes = asked(QUESTIONS, one, tmp_path, max_cost=0.01)
            assert outcomes == ANSWERS and found.stopped is None
            assert set(server.billed.values()) == {1}

    def test_answers_behind_the_one_that_does_not_fit_are_handed_over(self, tmp_path: Path) -> None:
        """All are answered but the first, which is then asked for again without the money for it."""
        with FaultServer(script=lambda call: status(400) if call.content == "q0" else None) as server:
            asked(QUESTIONS, teacher(server.url, **self.PRICES), tmp_path)
            tasks = [Question("q0", text="anew"), *QUESTIONS[1:]]
            found, outcomes = asked(tasks, teacher(server.url, **self.PRICES), tmp_path, max_cost=0.0006)
        assert found.stopped == "max_cost" and outcomes == {k: v for k, v in ANSWERS.items() if k != "q0"}

    def test_never_goes_over_whatever_is_in_flight_or_lost(self, tmp_path: Path) -> None:
        """All may have been paid twice: what the server has billed, and what is counted, stays below."""
        tasks = [Question(str(number)) for number in range(60)]
        with FaultServer(script=in_turn(CLOSE), latency=0.01) as server:
            found, _ = asked(tasks, teacher(server.url, **self.PRICES), tmp_path, max_cost=0.003)
        assert found.stopped == "max_cost"
        assert found.cost is not None and found.cost_maybe is not None
        assert sum(server.billed.values()) * 110 <= (found.cost + found.cost_maybe) * 1e6 <= 3000

    def test_without_a_price_nothing_is_sent(self, tmp_path: Path) -> None:
        with FaultServer() as server, pytest.raises(UserError, match="max_cost=1 needs the teacher's prices"):
            asked(QUESTIONS, teacher(server.url), tmp_path, max_cost=1)
        assert server.calls == []

    def test_is_estimated_without_sending(self, tmp_path: Path) -> None:
        """ "write 0" has 2 tokens of four bytes and 4 around it, and answers with 30; "judge" 2 + 4, "judge_12 of summary of 0." 7 + 4.

        At most, in bytes: 64 + 16 + 7, and 50 that may be answered; for a judge 64 + 2 * 16 + 5 + 25, and 9.
        """
        who = teacher("http://127.0.0.1:1/v1", key_env="SUMMPO_TEST_ABSENT_KEY", **self.PRICES)

        def imagine(request: Request) -> Answer:
            return Answer("summary of 0.", "stop", "", 0, 30 if request.step == "write" else 5)

        found = estimate([WriteAndJudge("0")], who, imagine)
        assert (found.tasks, found.requests, found.answered) == (1, 3, 0)
        assert found.expected == Tokens(6 + 2 * (6 + 11), 30 + 2 * 5)
        assert found.at_most == Tokens(87 + 2 * (64 + 32 + 5 + 25), 50 + 2 * 9)
        assert found.cost_expected == pytest.approx(found.expected.total / 1e6)
        unimagined = estimate(QUESTIONS[:2], who)
        assert (unimagined.requests, unimagined.expected.completion) == (2, 100)

    def test_what_the_journal_answers_is_estimated_as_free(self, tmp_path: Path) -> None:
        with FaultServer() as server:
            asked(QUESTIONS[:4], teacher(server.url), tmp_path)
            with open_journal(tmp_path / "journal.sqlite", MADE_FROM) as journal:
                found = estimate(QUESTIONS, teacher(server.url), journal=journal)
        assert (found.tasks, found.requests, found.answered, found.cost_expected) == (6, 2, 4, None)


class TestKills:
    def kill(self, times: int, count: int, tmp_path: Path) -> None:
        """Kills a run at random times; at each death notes whose answers it had, and lets another go on.

        An answer that the journal has is never asked for again; what was asked more than once was under way at a kill,
        and is counted as maybe paid; in the end all outcomes are there, as without a kill.
        """
        rng = random.Random(times)
        answered, before = list[str](), Counter[str]()
        with FaultServer(latency=0.03) as server, Runs() as runs:
            for kill in range(times + 1):
                seconds = rng.uniform(0.05, 0.35) if kill < times else None
                assert runs.go(server.url, tmp_path, count, seconds) == (0 if seconds is None else -signal.SIGKILL)
                now = Counter(call.content for call in server.calls)
                assert all(now[content] == before[content] for content in answered)
                answered, before = contents(tmp_path, "answered"), now
        outcomes = json.loads((tmp_path / "outcomes.json").read_text())
        assert outcomes == {
            f"document {n}": f"answer to judge_12 of answer to write document {n} / answer to judge_21 of answer to "
            f"write document {n}" for n in range(count)
        }  # fmt: skip
        answers, lost = Counter(contents(tmp_path, "answered")), Counter(contents(tmp_path, "maybe_paid"))
        assert set(answers.values()) == {1} and len(answers) == 3 * count
        assert server.billed.keys() == answers.keys() and server.billed <= answers + lost
        assert 0 < lost.total() <= 8 * times

    def test_three_lose_nothing_and_pay_nothing_twice(self, tmp_path: Path) -> None:
        self.kill(3, 150, tmp_path)

    @pytest.mark.storm
    def test_fifty_lose_nothing_and_pay_nothing_twice(self, tmp_path: Path) -> None:
        self.kill(50, 1600, tmp_path)

    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
    def test_the_first_interrupt_lets_what_is_under_way_finish(self, name: str, tmp_path: Path) -> None:
        """Ctrl-C while four are under way: they are answered and kept, no fifth is asked, and a second run goes on."""
        program = (
            "import signal, sys; from support import asked; from pathlib import Path; "
            "signal.signal(signal.SIGINT, signal.default_int_handler); "  # whoever runs the tests may ignore it
            "asked.asked(asked.QUESTIONS, asked.teacher(sys.argv[1], max_in_flight=4), Path(sys.argv[2]))"
        ).replace("asked.QUESTIONS", "[asked.Question(f'q{n}') for n in range(6)]")
        with FaultServer(latency=0.5) as server:
            process = subprocess.Popen([sys.executable, "-c", program, server.url, str(tmp_path)], env=environment(),
                                       stderr=subprocess.PIPE, text=True)  # fmt: skip
            while len(server.calls) < 4:
                assert process.poll() is None, "it has ended"
                time.sleep(0.01)
            process.send_signal(getattr(signal, name))
            _, said = process.communicate(timeout=30)
            assert "KeyboardInterrupt" in said and "finishing 4 requests" in said
            assert rows(tmp_path) == {("answered", None): 4}
            _, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
        assert outcomes == ANSWERS and set(server.billed.values()) == {1}


def contents(folder: Path, status: str) -> list[str]:
    """The last messages of the requests with attempts of a status, as a process finds them that was not told of a kill."""
    import sqlite3

    if not (folder / "journal.sqlite").exists():
        return []
    connection = sqlite3.connect(f"file:{folder / 'journal.sqlite'}?mode=ro", uri=True)
    try:
        found = connection.execute(
            "SELECT request FROM attempts JOIN requests USING (key) WHERE status = ?", (status,)
        ).fetchall()
    except sqlite3.OperationalError:  # killed before the tables were made
        return []
    finally:
        connection.close()
    return [json.loads(request)["messages"][-1][1] for (request,) in found]


def environment(**variables: str) -> dict[str, str]:
    """That of a process which runs a test's own program."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "src")])
    return os.environ | {"PYTHONPATH": paths} | variables


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with FaultServer() as server:
        _, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
    assert outcomes == ANSWERS


def test_a_proxy_that_cannot_be_used_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nothing://user:password@proxy")
    with pytest.raises(UserError, match="proxy that the environment names cannot be used") as refusal:
        asked(QUESTIONS, teacher("https://api.example.invalid/v1"), tmp_path)
    assert "password" not in str(refusal.value)


def test_what_the_environment_says_of_openai_is_for_openai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-openai")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-openai")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-custom")
    with FaultServer() as server:
        asked(QUESTIONS, teacher(server.url), tmp_path)
    assert len(server.calls) == 6
    for call in server.calls:
        assert call.headers["authorization"] == "Bearer none"
        assert not any("of-openai" in value or "sk-" in value for value in call.headers.values())


KEY_PROGRAM = """
import logging, sys
from pathlib import Path
from support import asked
folder = Path(sys.argv[2])
logging.basicConfig(filename=folder / "everything.log", level=logging.DEBUG, force=True)
found, outcomes = asked.asked(
    [asked.Question(f"q{n}") for n in range(8)], asked.teacher(sys.argv[1], key_env="SUMMPO_TEST_KEY"), folder,
    shows_progress=True,
)
(folder / "summary.json").write_text(repr((found, outcomes, asked.teacher(sys.argv[1], key_env="SUMMPO_TEST_KEY"))))
"""


@pytest.mark.parametrize("is_right", [True, False])
def test_the_key_is_nowhere(is_right: bool, tmp_path: Path) -> None:
    """With every logger at DEBUG, an endpoint that repeats the key in answers and errors, and a run that ends in a traceback."""

    def repeats(call: Call) -> Act | None:
        said = call.headers["authorization"]
        return {1: status(500, message=said), 2: status(400, message=said) if call.content == "q7" else CUT}.get(
            call.nth
        )

    server = FaultServer(lambda messages: f"your key is {KEY}", repeats, key=KEY if is_right else f"{KEY}-other")
    with server:
        ended = subprocess.run(
            [sys.executable, "-c", KEY_PROGRAM, server.url, str(tmp_path)], capture_output=True, text=True, timeout=60,
            env=environment(SUMMPO_TEST_KEY=KEY, OPENAI_LOG="debug"),
        )  # fmt: skip
    assert all(call.headers["authorization"] == f"Bearer {KEY}" for call in server.calls) and server.calls
    assert (ended.returncode == 0) == is_right, ended.stderr
    assert is_right or "UserError" in ended.stderr
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {"everything.log", "journal.sqlite"} <= {file.name for file in files}
    assert b"openai" in (tmp_path / "everything.log").read_bytes()
    assert is_right == (b"your key is <key>" in (tmp_path / "journal.sqlite").read_bytes())
    for content in [*(file.read_bytes() for file in files), ended.stdout.encode(), ended.stderr.encode()]:
        assert KEY.encode() not in content and KEY[3:].encode() not in content
