"""Throughput of asking a teacher: answers a second, against a server on loopback that answers each request in a second.

    python benchmarks/asking.py --in-flight 64 --waves 20

No more than in-flight / latency is possible. The server says when requests came and counts them; it runs in a process
of its own. The first wave, in which connections are made, is shown apart.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from summpo.teacher.asking import ask
from summpo.teacher.journal import open_journal
from summpo.teacher.records import Answer, Request
from summpo.teacher.teacher import Teacher

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Document:
    """One request, as long as a document of 1,500 tokens."""

    id: str

    def proceed(self, answers: Mapping[str, Answer]) -> Sequence[Request] | str:
        if answers:
            return answers["ask"].text
        return [Request(self.id, "ask", (("user", f"{self.id} " + "word " * 1200),), 700, 0.7)]


def serve(latency: float, pipe: Connection) -> None:
    """Answers until it is told to end; says its url first and at the end when each request came, in seconds."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from support.fault_server import FaultServer  # pyright: ignore[reportMissingImports]

    with FaultServer(lambda messages: "summary " * 300, latency=latency) as server:
        pipe.send((server.url, server.models[0]))
        pipe.recv()
    pipe.send([call.at for call in server.calls])


def main() -> None:
    """Measures, and prints a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--waves", type=int, default=20, help="requests, as a multiple of --in-flight")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(options.latency, theirs))
    server.start()
    url, model = ours.recv()
    tasks = [Document(str(number)) for number in range(options.in_flight * options.waves)]
    who = Teacher(url=url, model=model, max_in_flight=options.in_flight)
    with tempfile.TemporaryDirectory() as folder, open_journal(Path(folder) / "journal.sqlite", {}) as journal:
        found = ask(tasks, who, journal, lambda task, outcome: None)
    used = resource.getrusage(resource.RUSAGE_SELF)
    ours.send("end")
    at = ours.recv()
    server.join()
    assert found.outcomes == len(tasks) == len(at)
    best = options.in_flight / options.latency
    steady = (len(at) - options.in_flight) / (at[-1] - at[options.in_flight - 1])
    whole = len(at) / (at[-1] + options.latency - at[0])
    print(
        f"{len(at)} requests, {options.in_flight} in flight, {options.latency:g} s each: {whole:.1f} a second "
        f"({whole / best:.1%} of {best:.1f}), after the first wave {steady:.1f} ({steady / best:.1%}); "
        f"{(used.ru_utime + used.ru_stime) / len(at) * 1e3:.1f} CPU ms a request with start-up; "
        f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


if __name__ == "__main__":
    main()
