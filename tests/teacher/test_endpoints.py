"""Endpoints as they are: what each does in its own way, over real HTTP."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from summpo.errors import UserError
from summpo.teacher.bill import bill
from summpo.teacher.journal import open_journal
from summpo.teacher.records import Request
from summpo.teacher.sending import MOST_BYTES
from summpo.text.documents import Rejected
from support.asked import MADE_FROM, Question, asked, teacher
from support.fault_server import (
    MODEL,
    NO_USAGE,
    Act,
    Call,
    FaultServer,
    body,
    completion,
    hang,
    in_turn,
    ordinary,
    status,
)

QUESTIONS = [Question(f"q{number}") for number in range(6)]
ANSWERS = {question.id: f"answer to {question.id}" for question in QUESTIONS}
TOO_LONG = "Input validation error: inputs tokens + max_new_tokens must be <= 8193"
ESCAPES = "\x1b]0;owned\x07\x1b[2Jno \x9b31mroom\u202e"
UPSTREAM = {"code": 502, "message": "Upstream error"}


def only(name: str, act: Act) -> Callable[[Call], Act | None]:
    """What the server does with one question; the others are answered."""
    return lambda call: act if call.content == name else None


class TestOneDocument:
    @pytest.mark.parametrize(
        ("act", "reason", "detail"),
        [
            (status(403, message=TOO_LONG), "forbidden", f"403: {TOO_LONG}"),
            (status(403, message="Your input was flagged"), "content_filter", "403: Your input was flagged"),
            (status(451, message="not here"), "forbidden", "451: not here"),
            (status(406, message="odd"), "unexpected_status", "406: odd"),
            (body(b"<html>Sorry, you have been blocked</html>", 403), "forbidden", "403: <html>Sorry, you have been blocked</html>"),
            (status(400, code="content_filter", message="filtered"), "content_filter", "400: filtered"),
        ],
        ids=["too_long", "flagged", "legal", "odd", "firewall", "azure_filter"],
    )  # fmt: skip
    def test_is_rejected_under_its_reason_and_the_run_goes_on(
        self, act: Act, reason: str, detail: str, tmp_path: Path
    ) -> None:
        """It is the first of all, and the only one that is asked again by another run."""
        with FaultServer(script=only("q0", act)) as server:
            for calls in (6, 7):
                found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
                assert outcomes == ANSWERS | {"q0": Rejected(reason, detail)}
                assert found.rejected == {reason: 1} and found.words == {reason: detail}
                assert len(server.calls) == calls

    def test_that_speaks_of_the_key_is_rejected_where_others_are_answered(self, tmp_path: Path) -> None:
        """It is back first, and the others, which take longer, tell that the key is right."""
        refused = status(403, message="This API key may not read this document")
        with FaultServer(script=lambda call: refused if call.content == "q0" else hang(0.3)) as server:
            _, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
            assert outcomes == ANSWERS | {"q0": Rejected("forbidden", "403: This API key may not read this document")}
            _, outcomes = asked(QUESTIONS[:1], teacher(server.url), tmp_path)
        assert isinstance(outcomes["q0"], Rejected)

    def test_but_a_key_that_nothing_is_answered_to_ends_the_run(self, tmp_path: Path) -> None:
        with FaultServer(script=lambda call: status(403, message="Invalid API key")) as server:
            with pytest.raises(UserError, match="does not let this key ask, it says 403: Invalid API key"):
                asked(QUESTIONS, teacher(server.url), tmp_path)
            assert len(server.calls) == 6

    def test_and_so_does_one_that_nothing_is_answered_to_any_more(self, tmp_path: Path) -> None:
        tasks = [Question(str(number)) for number in range(100)]
        with FaultServer() as server:
            server.script = lambda call: status(403, message="Invalid API key") if len(server.calls) > 5 else None
            with pytest.raises(UserError, match="does not let this key ask"):
                asked(tasks, teacher(server.url, max_in_flight=2), tmp_path)
            assert len(server.calls) <= 5 + 20 + 2


class TestFailedBehindTheEndpoint:
    ERROR = completion("", "error", choice_error=UPSTREAM)

    def test_is_tried_again(self, tmp_path: Path) -> None:
        with FaultServer(script=in_turn(self.ERROR, self.ERROR)) as server:
            found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
        assert outcomes == ANSWERS and found.retries == {"server_error": 12} and found.spent.maybe_paid == 0

    def test_and_what_the_upstream_said_is_kept(self, tmp_path: Path) -> None:
        with FaultServer(script=lambda call: self.ERROR if call.content == "q5" else None) as server:
            _, outcomes = asked(QUESTIONS, teacher(server.url, max_retries=1, max_in_flight=1), tmp_path)
        said = "server_error: 200 with finish_reason error: 502: Upstream error"
        assert outcomes["q5"] == Rejected("unanswered", said)
        with open_journal(tmp_path / "journal.sqlite", MADE_FROM) as journal:
            assert journal.connection.execute(
                "SELECT DISTINCT detail FROM attempts WHERE detail NOT NULL"
            ).fetchall() == [("200 with finish_reason error: 502: Upstream error",)]

    def test_half_an_answer_may_be_paid(self, tmp_path: Path) -> None:
        act = completion("half an", "error", choice_error=UPSTREAM)
        with FaultServer(script=in_turn(act)) as server:
            found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
        assert outcomes == ANSWERS and found.spent.maybe_paid == 6


class TestWhatIsAsked:
    def one(self, request: Request, tmp_path: Path, **settings: Any) -> Call:
        class Asks(Question):
            def proceed(self, answers: Any) -> Any:
                return answers["s"].text if answers else [request]

        with FaultServer() as server:
            url = server.url.replace("/v1", settings.pop("path", "/v1"))
            asked([Asks("t")], teacher(url, **settings), tmp_path)
            (call,) = server.calls
            return call

    def test_without_a_temperature(self, tmp_path: Path) -> None:
        call = self.one(Request("t", "s", (("user", "hello"),), 9, None), tmp_path)
        assert call.body == {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}

    def test_held_to_a_json_schema(self, tmp_path: Path) -> None:
        call = self.one(Request("t", "s", (("user", "hello"),), 9, 0.0, True, '{"type": "object"}'), tmp_path)
        held_to = {"name": "answer", "strict": True, "schema": {"type": "object"}}
        assert call.body["response_format"] == {"type": "json_schema", "json_schema": held_to}

    def test_with_more_beside(self, tmp_path: Path) -> None:
        extra = {
            "reasoning_effort": "low",
            "chat_template_kwargs": {"enable_thinking": False},
            "provider": {"order": ["a"]},
        }
        call = self.one(Request("t", "s", (("user", "hello"),), 9, 0.0), tmp_path, extra_body=extra)
        assert {name: call.body[name] for name in extra} == extra

    def test_what_stands_beside_makes_another_question(self, tmp_path: Path) -> None:
        """Nothing beside is the question of before there was anything; the order of what is said is none."""
        request = Request("t", "s", (("user", "hello"),), 9, 0.0)
        with FaultServer() as server:
            for extra, calls in ((None, 6), ({}, 6), ({"a": 1, "b": 2}, 12), ({"b": 2, "a": 1}, 12), ({"a": 2}, 18)):
                _, outcomes = asked(QUESTIONS, teacher(server.url, extra_body=extra), tmp_path)
                assert outcomes == ANSWERS and len(server.calls) == calls
                assert (teacher(server.url, extra_body=extra).key_of(request) == request.key(MODEL)) == (not extra)

    def test_at_a_url_with_an_api_version(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUMMPO_TEST_KEY", "sk-very-secret-0123456789")
        path = "/openai/deployments/teacher-1?api-version=2024-10-21"
        request = Request("t", "s", (("user", "hello"),), 9, 0.0)
        call = self.one(request, tmp_path, path=path, key_env="SUMMPO_TEST_KEY")
        assert call.target == "/openai/deployments/teacher-1/chat/completions?api-version=2024-10-21"
        assert call.headers["api-key"] == "sk-very-secret-0123456789"

    def test_no_key_but_azures_stands_in_a_header_of_its_own(self, tmp_path: Path) -> None:
        assert "api-key" not in self.one(Request("t", "s", (("user", "hello"),), 9, 0.0), tmp_path).headers


@pytest.mark.parametrize(
    "act",
    [
        status(404, message="The API deployment for this resource does not exist.", code="DeploymentNotFound"),
        status(404, message="The API deployment for this resource does not exist."),
        status(400, message="some is not a valid model ID"),
    ],
)
def test_an_unknown_deployment_is_about_the_model(act: Act, tmp_path: Path) -> None:
    with FaultServer(script=lambda call: act) as server, pytest.raises(UserError) as refusal:
        asked(QUESTIONS, teacher(server.url), tmp_path)
    assert f"{server.url} has no model 'teacher-1', " in str(refusal.value)
    assert str(refusal.value).endswith("(config key teacher.model)")


class TestWords:
    def test_never_drive_the_terminal(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """In an error that ends the run, in one that rejects a document, in a model's name and in what is told of both."""
        said = {"forbidden": "403: no room"}
        named = Act(model=f"m{ESCAPES}")
        with FaultServer() as server:
            server.script = lambda call: status(403, message=ESCAPES) if call.content == "q0" else named
            found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path / "a", shows_progress=True)
            assert outcomes["q0"] == Rejected("forbidden", "403: no room") and found.words == said
            server.script = lambda call: status(402, message=ESCAPES)
            with pytest.raises(UserError) as refusal:
                asked(QUESTIONS, teacher(server.url), tmp_path / "b", shows_progress=True)
        shown = [*bill(found, MODEL), str(refusal.value), *capsys.readouterr().err.splitlines()]
        assert any("m no room says that it answers" in line for line in shown)
        assert any("name another model than teacher-1: m no room 5" in line for line in shown)
        assert not any(odd in "".join(shown).replace("\x1b[A", "") for odd in "\x1b\x07\x9b\u202e")

    def test_are_told_of_fewer_than_ten(self, tmp_path: Path) -> None:
        message = "Unsupported value: 'temperature' does not support 0.0 with this model."
        with FaultServer(script=lambda call: status(400, message=message)) as server:
            found, _ = asked(QUESTIONS[:3], teacher(server.url), tmp_path)
        assert bill(found, MODEL)[-1] == (
            f"teacher: bad_request 3, the first of them: 400: {message} (temperature=null leaves it out)"
        )

    def test_of_ten_that_are_refused_name_the_setting(self, tmp_path: Path) -> None:
        tasks = [Question(str(number)) for number in range(40)]
        refused = status(400, message="Unsupported value: 'temperature'")
        with FaultServer(script=lambda call: refused) as server, pytest.raises(UserError) as refusal:
            asked(tasks, teacher(server.url, max_in_flight=2), tmp_path)
        assert "it says 400: Unsupported value: 'temperature' (temperature=null leaves it out)" in str(refusal.value)


class TestBodies:
    WHOLE = json.dumps({"choices": [{"message": {"content": "x" * MOST_BYTES}, "finish_reason": "stop"}]}).encode()

    @pytest.mark.parametrize("is_packed", [False, True])
    def test_without_end_are_not_read_to_it(self, is_packed: bool, tmp_path: Path) -> None:
        content = gzip.compress(self.WHOLE, 1) if is_packed else self.WHOLE
        headers = {"Content-Encoding": "gzip"} if is_packed else {}
        with FaultServer(script=in_turn(body(content, **headers))) as server:
            found, outcomes = asked(QUESTIONS[:1], teacher(server.url, timeout=20), tmp_path)
        assert outcomes == {"q0": "answer to q0"} and found.retries == {"broken_answer": 1}
        with open_journal(tmp_path / "journal.sqlite", MADE_FROM) as journal:
            assert ("200 with 16,777,216 bytes or more",) in journal.connection.execute("SELECT detail FROM attempts")

    def test_of_errors_neither(self, tmp_path: Path) -> None:
        with FaultServer(script=in_turn(body(b"no " * MOST_BYTES, 500))) as server:
            found, outcomes = asked(QUESTIONS[:1], teacher(server.url, timeout=20), tmp_path)
        assert outcomes == {"q0": "answer to q0"} and found.retries == {"server_error": 1}

    def test_that_are_packed_are_read(self, tmp_path: Path) -> None:
        packed = gzip.compress(completion("fine").body)
        with FaultServer(script=lambda call: body(packed, **{"Content-Encoding": "gzip"})) as server:
            assert asked(QUESTIONS[:1], teacher(server.url), tmp_path)[1] == {"q0": "fine"}


class TestBill:
    PRICES = {"price_per_million_prompt": 1.0, "price_per_million_completion": 1.0}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("uncounted", "told"),
        [
            (
                0,
                "teacher: 6 requests, 600 tokens read, 60 written: 0.00066 dollars; tokens as the endpoint counted them",
            ),
            (
                6,
                "teacher: 6 requests, 492 tokens read, 300 written: at most 0.000792 dollars; the endpoint counted no "
                "tokens, these are upper bounds",
            ),
            (
                2,
                "teacher: 6 requests, 564 tokens read, 140 written: at most 0.000704 dollars; the endpoint counted 400 "
                "and 40 of these tokens, the other 164 and 100 are upper bounds, of 2 answers",
            ),
        ],
    )
    def test_says_which_tokens_were_counted(self, uncounted: int, told: str, tmp_path: Path) -> None:
        """100 + 10 are counted; else 64 + 16 + 2 bytes and all of 50. The same from the journal alone."""
        with FaultServer(script=lambda call: NO_USAGE if int(call.content[1]) < uncounted else None) as server:
            for _ in range(2):
                found, _ = asked(QUESTIONS, teacher(server.url, **self.PRICES), tmp_path)
                assert bill(found, MODEL) == [told]

    def test_of_a_journal_of_before_tells_what_was_not_counted(self, tmp_path: Path) -> None:
        """Made into what the first version left: two answers have all that they could have and yet stopped."""
        with FaultServer(script=lambda call: NO_USAGE if int(call.content[1]) < 2 else None) as server:
            before, _ = asked(QUESTIONS, teacher(server.url), tmp_path)
            server.script = ordinary
            with open_journal(tmp_path / "journal.sqlite", MADE_FROM) as journal:
                for column in ("thoughts", "prompt_is_counted", "completion_is_counted"):
                    journal.connection.execute(f"ALTER TABLE attempts DROP COLUMN {column}")
                journal.connection.execute("PRAGMA user_version = 1")
            found, outcomes = asked(QUESTIONS, teacher(server.url), tmp_path)
            assert len(server.calls) == 6
        assert outcomes == ANSWERS and found.spent == before.spent and found.spent.uncounted_answers == 2

    def test_names_what_another_model_answered(self, tmp_path: Path) -> None:
        with FaultServer(script=lambda call: Act(model="gpt-4o-mini-2024-07-18"), models=("gpt-4o",)) as server:
            found, _ = asked(QUESTIONS, teacher(server.url, model="gpt-4o"), tmp_path)
        assert bill(found, "gpt-4o")[-1] == (
            "teacher: 6 answers name another model than gpt-4o: gpt-4o-mini-2024-07-18 6"
        )


def test_thoughts_beside_an_answer_are_in_the_journal(tmp_path: Path) -> None:
    message = {"content": "fine", "reasoning_content": "Let me see."}
    with FaultServer(script=lambda call: completion(message)) as server:
        asked(QUESTIONS[:1], teacher(server.url), tmp_path)
        with open_journal(tmp_path / "journal.sqlite", MADE_FROM) as journal:
            request = QUESTIONS[0].proceed({})[0]
            assert isinstance(request, Request)
            past = journal.past(teacher(server.url).key_of(request)).answer
    assert past is not None and (past.text, past.thoughts) == ("fine", "Let me see.")
