"""Every request before it is sent and every answer after, in SQLite: what a kill at any moment leaves goes on.

A request that was under way when a process died is counted as maybe paid, and may be sent again; one whose answer is
here never is. The log is written ahead and handed to the operating system at each step: no kill loses any of it. (A
power cut may lose its last moments, never its integrity.) The key of an endpoint never comes here.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time

from summpo.errors import UserError, require
from summpo.files.locks import locked
from summpo.files.provenance import Provenance, differences
from summpo.teacher.budget import Spent, Tokens
from summpo.teacher.faults import Fault
from summpo.teacher.records import Answer, Request

LEAST_FREE = 2**25
"""Bytes of the disk, without which no request goes out: those under way need room for their answers."""
GOES_ON = "the same command goes on from what is done"
TABLES = """
CREATE TABLE made_from (settings TEXT NOT NULL);
CREATE TABLE requests (key TEXT PRIMARY KEY, task TEXT NOT NULL, step TEXT NOT NULL, request TEXT NOT NULL);
CREATE INDEX requests_of ON requests (task);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL REFERENCES requests,
    status TEXT NOT NULL, -- sent, answered, maybe_paid, unpaid, refused
    reason TEXT, -- of a fault, and what the endpoint said of it
    detail TEXT,
    prompt_tokens INTEGER NOT NULL, -- as the endpoint counted them, at most so many while sent or maybe paid
    completion_tokens INTEGER NOT NULL,
    answer TEXT,
    finish_reason TEXT,
    model TEXT,
    sent_at REAL NOT NULL, -- seconds since 1970
    ended_at REAL
);
CREATE INDEX attempts_of ON attempts (key, status);
"""
THOUGHTS_AND_COUNTS = """
ALTER TABLE attempts ADD COLUMN thoughts TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN prompt_is_counted INTEGER NOT NULL DEFAULT 1; -- by the endpoint
ALTER TABLE attempts ADD COLUMN completion_is_counted INTEGER NOT NULL DEFAULT 1;
UPDATE attempts SET prompt_is_counted = 0, completion_is_counted = 0
    WHERE status = 'answered' AND finish_reason = 'stop' AND completion_tokens = (
        SELECT json_extract(request, '$.max_tokens') FROM requests WHERE requests.key = attempts.key
    )
"""
"""An answer that stopped by itself and yet had all the tokens that it could was not counted by its endpoint."""
VERSIONS = (TABLES, THOUGHTS_AND_COUNTS)
"""What each version of the journal adds to the one before; an older one is made into the newest as it is opened."""


@dataclass(frozen=True)
class Past:
    """What is known of a request from all runs so far."""

    answer: Answer | None = None
    lost: int = 0
    """How often it may have been paid and brought nothing, kills apart."""


@dataclass(frozen=True)
class Journal:
    """An open journal. It belongs to one process and one thread."""

    path: Path
    connection: sqlite3.Connection

    def past(self, key: str) -> Past:
        """What came of the request with this key."""
        rows = self.connection.execute(
            "SELECT status, reason, answer, finish_reason, model, prompt_tokens, completion_tokens, thoughts, "
            "prompt_is_counted, completion_is_counted "
            "FROM attempts WHERE key = ? AND status IN ('answered', 'maybe_paid')",
            (key,),
        ).fetchall()
        answer = next((Answer(*row[2:8], *map(bool, row[8:])) for row in rows if row[0] == "answered"), None)
        return Past(answer, sum(row[0] == "maybe_paid" and row[1] != "killed" for row in rows))

    def sent(self, request: Request, key: str, most: Tokens) -> int:
        """Notes that a request goes out now, and what it can cost at most; returns the attempt's number.

        Raises:
            UserError: the disk is nearly full: an answer that finds no room would be paid for nothing.
        """
        free = shutil.disk_usage(self.path.parent).free
        require(free >= LEAST_FREE, f"{self.path.parent}: the disk is full but for {free:,} bytes; {GOES_ON}")
        with together(self.connection):
            self.connection.execute(
                "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?)",
                (key, request.task, request.step, json.dumps(asdict(request))),
            )
            attempt = self.connection.execute(
                "INSERT INTO attempts (key, status, prompt_tokens, completion_tokens, sent_at) "
                "VALUES (?, 'sent', ?, ?, ?)",
                (key, most.prompt, most.completion, time()),
            ).lastrowid
        assert attempt is not None
        return attempt

    def answered(self, attempt: int, answer: Answer) -> None:
        """Keeps an answer, and what it cost."""
        self.connection.execute(
            "UPDATE attempts SET status = 'answered', answer = ?, finish_reason = ?, model = ?, prompt_tokens = ?, "
            "completion_tokens = ?, thoughts = ?, prompt_is_counted = ?, completion_is_counted = ?, ended_at = ? "
            "WHERE id = ?",
            (answer.text, answer.finish_reason, answer.model, answer.prompt_tokens, answer.completion_tokens,
             answer.thoughts, answer.prompt_is_counted, answer.completion_is_counted, time(), attempt),
        )  # fmt: skip

    def failed(self, attempt: int, fault: Fault) -> None:
        """Keeps why there is no answer."""
        status = "maybe_paid" if fault.maybe_paid else "refused" if fault.then == "reject" else "unpaid"
        kept = "" if fault.maybe_paid else "prompt_tokens = 0, completion_tokens = 0, "
        self.connection.execute(
            f"UPDATE attempts SET {kept}status = ?, reason = ?, detail = ?, ended_at = ? WHERE id = ?",
            (status, fault.reason, fault.detail, time(), attempt),
        )

    def spent(self) -> Spent:
        """What all requests of all runs have cost."""
        sums = {
            status: (Tokens(prompt, completion), count)
            for status, prompt, completion, count in self.connection.execute(
                "SELECT status, SUM(prompt_tokens), SUM(completion_tokens), COUNT(*) FROM attempts GROUP BY status"
            )
        }
        (paid, answers), (maybe, lost) = (sums.get(status, (Tokens(), 0)) for status in ("answered", "maybe_paid"))
        prompt, completion, uncounted = self.connection.execute(
            "SELECT TOTAL(prompt_tokens * NOT prompt_is_counted), "
            "TOTAL(completion_tokens * NOT completion_is_counted), COUNT(*) "
            "FROM attempts WHERE status = 'answered' AND NOT (prompt_is_counted AND completion_is_counted)"
        ).fetchone()
        return Spent(paid, maybe, answers, lost, Tokens(int(prompt), int(completion)), uncounted)

    def tasks(self) -> set[str]:
        """The tasks that have asked anything so far."""
        return {task for (task,) in self.connection.execute("SELECT DISTINCT task FROM requests")}

    def models(self) -> dict[str, int]:
        """How many answers the endpoint said were whose."""
        return dict(
            self.connection.execute("SELECT model, COUNT(*) FROM attempts WHERE status = 'answered' GROUP BY model")
        )

    def faults(self) -> dict[str, int]:
        """How many requests failed, by reason."""
        return dict(
            self.connection.execute("SELECT reason, COUNT(*) FROM attempts WHERE reason IS NOT NULL GROUP BY reason")
        )


@contextmanager
def open_journal(path: Path, made_from: Provenance) -> Iterator[Journal]:
    """The journal of these settings, a new one where there is none; no other process can open it meanwhile.

    What an earlier process left under way becomes maybe paid.

    Args:
        made_from: what must be the same for its requests to be gone on with. No key.

    Raises:
        UserError: another process has it, it is of other settings, it is no journal, or the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    busy = f"{path}: another process is writing this journal"
    with locked(path.with_name(f"{path.name}.lock"), busy), in_a_sentence(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            begin(path, connection, made_from)
            yield Journal(path, connection)
        finally:
            connection.close()


@contextmanager
def in_a_sentence(path: Path) -> Iterator[None]:
    """Makes a sentence of what SQLite says of a broken file or a full disk."""
    try:
        yield
    except sqlite3.Error as error:
        raise UserError(f"{path}: cannot be used as a journal ({error}); what was written before is kept") from None


def begin(path: Path, connection: sqlite3.Connection, made_from: Provenance) -> None:
    """Makes the file a journal of these settings; what an earlier process left under way is settled."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    require(version > 0 or tables == 0, f"{path}: is a database, and no journal of requests")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with together(connection):
        claim(path, connection, version, made_from)
        connection.execute(
            "UPDATE attempts SET status = 'maybe_paid', reason = 'killed', ended_at = ? WHERE status = 'sent'",
            (time(),),
        )


@contextmanager
def together(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the changes or none of them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself has given up on a full disk
            connection.execute("ROLLBACK")
        raise


def claim(path: Path, connection: sqlite3.Connection, version: int, made_from: Provenance) -> None:
    """Makes the tables, or checks whose they are and makes them those of the newest version.

    Raises:
        UserError: they are of other settings, or of another version.
    """
    newest = len(VERSIONS)
    require(version <= newest, f"{path}: is of version {version} of the journal, this summpo writes {newest}")
    for statement in ";".join(VERSIONS[version:]).split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {newest}")
    now = json.dumps(made_from.inputs)
    if version == 0:
        connection.execute("INSERT INTO made_from VALUES (?)", (now,))
    else:
        (was,) = connection.execute("SELECT settings FROM made_from").fetchone()
        changed = differences(Provenance(json.loads(was)), made_from)
        if changed and not holds_money(connection):  # a mistyped url, say
            connection.execute("UPDATE made_from SET settings = ?", (now,))
        elif changed:
            raise UserError(
                f"{path} holds the requests of a run with {changed[0]}: choose another output_dir, or the same settings"
            )


def holds_money(connection: sqlite3.Connection) -> bool:
    """Whether anything in it was paid, or may have been."""
    statuses = "('answered', 'maybe_paid', 'sent')"
    return connection.execute(f"SELECT 1 FROM attempts WHERE status IN {statuses} LIMIT 1").fetchone() is not None
