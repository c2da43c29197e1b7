"""The journal: what it knows after each step, after a kill, and whom it refuses."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.files.provenance import Provenance
from summpo.teacher.budget import Spent, Tokens
from summpo.teacher.faults import Fault
from summpo.teacher.journal import Journal, Past, open_journal
from summpo.teacher.records import Answer, Request

ONE = Request("a", "write", (("system", "be brief"), ("user", "grüße 😀 \0")), 50, 0.7, json_object=True)
TWO = Request("b", "write", (("user", "two"),), 50, 0.7)
ANSWER = Answer("fein 😀 \0", "stop", "m-1", 30, 4)
MOST = Tokens(100, 50)
MADE_FROM = Provenance({"teacher": {"model": "m", "url": "http://localhost"}, "mode": "seed"})
RETRY, LOST, REFUSED = (
    Fault("server_error", "500"), Fault("timeout", "5 s", maybe_paid=True), Fault("bad_request", "400: no", "reject"),
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with open_journal(path, MADE_FROM) as opened:
        yield opened


class TestSteps:
    def test_an_answer(self, journal: Journal) -> None:
        attempt = journal.sent(ONE, "k1", MOST)
        assert journal.past("k1") == Past()
        journal.answered(attempt, ANSWER)
        assert journal.past("k1") == Past(answer=ANSWER)
        assert journal.past("k2") == Past()
        assert journal.spent() == Spent(Tokens(30, 4), Tokens(), 1, 0)
        assert (journal.tasks(), journal.models(), journal.faults()) == ({"a"}, {"m-1": 1}, {})

    def test_faults_then_an_answer(self, journal: Journal) -> None:
        """A 500 costs nothing; a timeout costs at most 100 + 50; then the answer costs what the endpoint says."""
        for fault in (RETRY, LOST, LOST):
            journal.failed(journal.sent(ONE, "k1", MOST), fault)
        assert journal.past("k1") == Past(lost=2)
        journal.answered(journal.sent(ONE, "k1", MOST), ANSWER)
        assert journal.past("k1") == Past(answer=ANSWER, lost=2)
        assert journal.spent() == Spent(Tokens(30, 4), Tokens(200, 100), 1, 2)
        assert journal.faults() == {"server_error": 1, "timeout": 2}

    def test_a_refusal_costs_nothing_and_is_asked_again(self, journal: Journal) -> None:
        journal.failed(journal.sent(ONE, "k1", MOST), REFUSED)
        assert journal.past("k1") == Past()
        assert journal.spent() == Spent() and journal.faults() == {"bad_request": 1}

    def test_the_request_is_there_as_it_was_made(self, journal: Journal) -> None:
        journal.sent(ONE, "k1", MOST)
        journal.sent(ONE, "k1", MOST)
        ((task, step, request),) = journal.connection.execute("SELECT task, step, request FROM requests").fetchall()
        assert (task, step) == ("a", "write")
        read = json.loads(request)
        assert Request(**read | {"messages": tuple(map(tuple, read["messages"]))}) == ONE


class TestOpening:
    def test_again_has_all_and_settles_what_was_under_way(self, path: Path) -> None:
        """Left in the state of a kill: one answered, one under way. The second is maybe paid; no limit on retries counts it."""
        with open_journal(path, MADE_FROM) as journal:
            journal.answered(journal.sent(ONE, "k1", MOST), ANSWER)
            journal.sent(TWO, "k2", MOST)
            assert journal.spent() == Spent(Tokens(30, 4), Tokens(), 1, 0)
        for _ in range(2):
            with open_journal(path, MADE_FROM) as journal:
                assert journal.past("k1") == Past(answer=ANSWER)
                assert journal.past("k2") == Past(lost=0)
                assert journal.spent() == Spent(Tokens(30, 4), MOST, 1, 1)
                assert journal.faults() == {"killed": 1}
                assert journal.tasks() == {"a", "b"}

    def test_with_other_settings_is_refused(self, path: Path) -> None:
        other = Provenance({**MADE_FROM.inputs, "teacher": {"model": "n", "url": "http://localhost"}})
        for settings in (other, MADE_FROM):  # nothing was paid with the other ones
            with open_journal(path, settings) as journal:
                journal.failed(journal.sent(ONE, "k1", MOST), RETRY)
        with open_journal(path, MADE_FROM) as journal:
            journal.answered(journal.sent(ONE, "k1", MOST), ANSWER)
        before = path.read_bytes()
        with pytest.raises(UserError) as refusal, open_journal(path, other):
            pass
        assert str(refusal.value) == (
            f"{path} holds the requests of a run with teacher.model=m, not n: choose another output_dir, or the same settings"
        )
        assert path.read_bytes() == before
        with open_journal(path, Provenance(dict(reversed(MADE_FROM.inputs.items())))):
            pass

    def test_twice_at_once_is_refused(self, path: Path, journal: Journal) -> None:
        with pytest.raises(UserError, match="another process is writing this journal"), open_journal(path, MADE_FROM):
            pass
        journal.answered(journal.sent(ONE, "k1", MOST), ANSWER)
        assert journal.past("k1").answer == ANSWER

    def test_leaves_no_lock_behind(self, path: Path) -> None:
        with open_journal(path, MADE_FROM):
            pass
        assert [file.name for file in path.parent.iterdir()] == ["journal.sqlite"]

    @pytest.mark.parametrize("content", [b"some text that is no database" * 50, b"SQLite format 3\0" + b"\xff" * 500])
    def test_what_is_no_database_is_refused_and_left(self, path: Path, content: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot be used as a journal"), open_journal(path, MADE_FROM):
            pass
        assert path.read_bytes() == content

    def test_another_programs_database_is_refused_and_left(self, path: Path) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE mine (x)")
        connection.close()
        before = path.read_bytes()
        with pytest.raises(UserError, match="is a database, and no journal"), open_journal(path, MADE_FROM):
            pass
        assert path.read_bytes() == before

    def test_of_another_version_is_refused(self, path: Path) -> None:
        with open_journal(path, MADE_FROM) as journal:
            journal.connection.execute("PRAGMA user_version = 99")
        with pytest.raises(UserError, match="is of version 99"), open_journal(path, MADE_FROM):
            pass

    def test_where_a_folder_is_in_the_way(self, path: Path) -> None:
        path.mkdir(parents=True)
        with pytest.raises(UserError, match="cannot be used as a journal"), open_journal(path, MADE_FROM):
            pass


def test_a_nearly_full_disk_lets_no_more_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way still finds room for its answer."""
    with open_journal(path, MADE_FROM) as journal:
        attempt = journal.sent(ONE, "k1", MOST)
        monkeypatch.setattr("summpo.teacher.journal.LEAST_FREE", 2**80)
        with pytest.raises(UserError, match=f"{path.parent}: the disk is full but for [0-9,]+ bytes; the same command"):
            journal.sent(TWO, "k2", MOST)
        journal.answered(attempt, ANSWER)
        assert journal.past("k1").answer == ANSWER and journal.tasks() == {"a"}


def test_a_full_disk_keeps_what_was_written(path: Path) -> None:
    """The pages that the file has are all that it may have."""
    big = Request("c", "write", (("user", "x" * 100_000),), 50, 0.7)
    with open_journal(path, MADE_FROM) as journal:
        journal.answered(journal.sent(ONE, "k1", MOST), ANSWER)
    with pytest.raises(UserError, match="full"), open_journal(path, MADE_FROM) as journal:
        journal.connection.execute("PRAGMA max_page_count = 1")
        journal.sent(big, "k3", MOST)
    with open_journal(path, MADE_FROM) as journal:
        assert journal.past("k1").answer == ANSWER
        assert journal.tasks() == {"a"}
        assert journal.spent() == Spent(Tokens(30, 4), Tokens(), 1, 0)
