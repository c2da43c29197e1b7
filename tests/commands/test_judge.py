"""`summpo judge` and judges as they are: what they think aloud, what they take, and what decides nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from summpo.commands import main
from support.fault_server import MODEL, Act, FaultServer, completion, status

CUT_THOUGHT = completion("<think>\nAt first sight:\nBetter: 2\nHowever the other one says what was", "length")
DOCUMENTS = 12


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Twelve documents with a summary and a reference."""
    folder = tmp_path / "a"
    folder.mkdir()
    rows = [
        {"id": f"d{n}", "document": f"Document {n}.", "summary": "a summary", "references": ["the reference"],
         "length_tokens": 2, "length_words": 2, "ended": True}
        for n in range(DOCUMENTS)
    ]  # fmt: skip
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


def judging(samples: Path, url: str, *more: str) -> list[str]:
    given = [f"run={samples}", "teacher=local", f"teacher.model={MODEL}", "both_orders=false", "teacher.backoff=0.01"]
    return [
        "judge",
        *given,
        *([] if any(one.startswith("teacher.url=") for one in more) else [f"teacher.url={url}"]),
        *more,
    ]


def judgement(samples: Path) -> dict:
    return json.loads((samples / "judged" / "reference" / "judgement.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("act", "reason", "words"),
    [
        (CUT_THOUGHT, "truncated", "<think> At first sight: Better: 2 However the other one says what was"),
        (completion("Better: 1\nSummary", "length"), "truncated", "Better: 1 Summary"),
        (completion("", "content_filter"), "content_filter", "the endpoint withheld it: content_filter"),
        (completion({"content": None, "refusal": "I will not."}), "refusal", "I will not."),
        (completion({"content": None, "reasoning_content": "So.\nBetter: 1"}), "empty_answer",
         "no text: all of it stands in thoughts beside it (reasoning_content or its like), which end 'So.\\nBetter: 1'"),
        (completion("Both have their merits."), "no_verdict", "Both have their merits."),
    ],
)  # fmt: skip
def test_answers_that_decide_nothing_give_no_win_rate(
    act: Act, reason: str, words: str, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer(script=lambda call: act) as server:
        assert main(judging(samples, server.url)) == 2
    said = capsys.readouterr()
    assert "win rate" not in said.out + said.err and "lost" not in said.out
    assert f"judge: teacher: {reason} 12, the first of them: {words}\n" in said.out
    assert f"the judge decided on none of 12 documents: {{'{reason}': 12}}" in said.err
    assert not (samples / "judged" / "reference" / "judgement.json").exists()


def test_what_is_undecided_is_told_beside_what_is_decided(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four of twelve are cut in a thought whose draft is for B; the other eight decide, and each for the first."""
    with FaultServer(lambda messages: "It is so. Better: 1") as server:
        server.script = lambda call: CUT_THOUGHT if len(server.calls) % 3 == 0 else None
        assert main(judging(samples, server.url)) == 0
    assert "judge: undecided, and in no number here: truncated 4\n" in capsys.readouterr().out
    found = judgement(samples)
    assert (found["documents"], found["undecided"], found["first_wins"]) == (8, {"truncated": 4}, 1.0)
    assert (found["tokens"]["completion"], found["tokens_uncounted"]["completion"]) == (4 * 200 + 8 * 10, 4 * 200)


class TestSettings:
    def test_of_a_judge_that_takes_no_temperature_and_thinks(self, samples: Path) -> None:
        """As OpenAI's o-models: 0.0 is refused, and 200 tokens are all thoughts."""

        def judge(messages: list[dict[str, str]]) -> str:
            return "Better: 1"

        with FaultServer(judge) as server:
            server.script = lambda call: (
                status(400, message="'temperature' does not support 0.0 with this model")
                if "temperature" in call.body
                else CUT_THOUGHT if call.body["max_tokens"] < 1000 else None
            )  # fmt: skip
            assert main(judging(samples, server.url)) == 2
            assert main(judging(samples, server.url, "temperature=null", "output_dir=" + str(samples / "short"))) == 2
            assert main(judging(samples, server.url, "temperature=null", "thought_tokens=4000")) == 0
        assert server.calls[-1].body["max_tokens"] == 4200
        assert judgement(samples)["documents"] == DOCUMENTS

    @pytest.mark.parametrize(
        ("first", "then", "sentence"),
        [
            ([], ["temperature=null"], "temperature=None, not left out"),
            (["temperature=1"], [], "temperature=1, not None"),
            ([], ["thought_tokens=100"], "max_tokens=200, not 300"),
            ([], ["teacher.extra_body.reasoning_effort=low"], "extra_body.reasoning_effort=None, not low"),
            ([], ["prompt=judge_json", "json_schema=true"], "json_schema=None, not True"),
        ],
    )
    def test_make_a_folder_that_of_another_judge(
        self, first: list[str], then: list[str], sentence: str, samples: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with FaultServer(lambda messages: "Better: 1") as server:
            assert main(judging(samples, server.url, *first)) == 0
            assert main(judging(samples, server.url, *then)) == 2
            assert len(server.calls) == DOCUMENTS
        assert f"holds the requests of a run with {sentence}" in capsys.readouterr().err

    def test_reach_the_request(self, samples: Path) -> None:
        more = ["temperature=1", "prompt=judge_json", "json_schema=true"]
        beside = [
            "teacher.extra_body={provider: {order: [a, b]}}",
            "teacher.extra_body.chat_template_kwargs.enable_thinking=false",
        ]
        with FaultServer(lambda messages: '{"reason": "So.", "better": "2"}') as server:
            assert main(judging(samples, server.url, *more, *beside)) == 0
        body = server.calls[0].body
        assert body["temperature"] == 1.0 and body["provider"] == {"order": ["a", "b"]}
        assert body["chat_template_kwargs"] == {"enable_thinking": False}
        schema = body["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["better"] == {"type": "string", "enum": ["1", "2", "tie"]}
        assert '"better": "..."' in body["messages"][0]["content"]
        assert judgement(samples)["first_wins"] == 0.0

    @pytest.mark.parametrize(
        ("more", "sentence"),
        [
            (["temperature=-1"], "temperature must be >= 0 and <= 2, got -1.0 (config key temperature)"),
            (["thought_tokens=-1"], "thought_tokens must be >= 0, got -1"),
            (
                ["json_schema=true", "prompt={own}"],
                "own.txt does not: see judge_json",
            ),
            (["teacher.extra_body=[1]"], "extra_body must be a JSON object such as {reasoning_effort: low}, got [1]"),
            (["teacher.extra_body.model=x"], "extra_body must not have model: config key teacher.model says it"),
            (["teacher.extra_body={temperature:1}"], "config key mode.temperature, or a judge's temperature says it"),
            (["teacher.extra_body={max_tokens:1}"], "config key mode.max_tokens, or a judge's max_tokens says it"),
            (
                ["teacher.extra_body.stream=true"],
                "extra_body must not have stream=True: a request has one whole answer",
            ),
            (["teacher.extra_body.n=2"], "extra_body must not have n=2"),
        ],
    )
    def test_that_cannot_be(
        self, more: list[str], sentence: str, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "own.txt").write_text("{document} {first} {second}", "utf-8")
        more = [option.replace("{own}", str(tmp_path / "own.txt")) for option in more]
        assert main(judging(samples, "http://127.0.0.1:1/v1", *more)) == 2
        assert sentence in capsys.readouterr().err

    def test_of_a_url_with_an_api_version(self, samples: Path) -> None:
        with FaultServer(lambda messages: "Better: 1") as server:
            url = server.url.replace("/v1", "/openai/deployments/teacher-1?api-version=2024-10-21")
            assert main(judging(samples, "", f"teacher.url={url}")) == 0
        assert server.calls[0].target == "/openai/deployments/teacher-1/chat/completions?api-version=2024-10-21"


def test_fewer_than_ten_that_are_refused_show_the_endpoints_words(
    samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "Unsupported value: 'temperature' does not support 0.0 with this model."
    with FaultServer(script=lambda call: status(400, message=message)) as server:
        assert main(judging(samples, server.url, "limit=3")) == 2
    told = f"judge: teacher: bad_request 3, the first of them: 400: {message} (temperature=null leaves it out)\n"
    assert told in capsys.readouterr().out
