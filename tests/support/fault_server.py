"""A teacher that fails on command: a real HTTP server on loopback that speaks /v1/chat/completions, for tests alone.

It answers by a Python function of the messages, after a latency, and counts what it has billed by what was asked. A
script says of each call what goes wrong:

    with FaultServer(answer=lambda messages: "fine", script=in_turn(status(429), CUT)) as server:
        Teacher(url=server.url, model=MODEL)  # each question fails twice, the second time when it is paid
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

MODEL = "teacher-1"
Kind = Literal[
    "answer", "status", "hang", "cut", "cut_without_length", "close", "broken_json", "html", "choices_null",
    "choices_empty", "content_null", "no_usage", "drip",
]  # fmt: skip


@dataclass(frozen=True)
class Act:
    """What the server does with a call in place of an ordinary answer, or how that differs."""

    kind: Kind = "answer"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=lambda: {"message": "as the script says", "type": "scripted"})
    seconds: float = 0.0
    """Before it answers, or between the bytes of a drip."""
    finish_reason: str = "stop"
    model: str | None = None
    id: str | None = None
    is_billed: bool = True
    body: bytes = b""
    """Of the kind body: all that is said."""


def body(said: Any, /, status: int = 200, is_billed: bool = True, **headers: str) -> Act:
    """This body, bytes as they are and all else as JSON."""
    content = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Act("body", status=status, headers=headers, body=content, is_billed=is_billed)


def completion(message: Any, finish_reason: str | None = "stop", **more: Any) -> Act:
    """A completion with this message, or this text; `more` stands beside its choices, or in the choice as choice_*."""
    message = {"role": "assistant", "content": message} if isinstance(message, str) else message
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    choice |= {name.removeprefix("choice_"): more.pop(name) for name in list(more) if name.startswith("choice_")}
    return body({"id": "chatcmpl-1", "object": "chat.completion", "model": MODEL, "choices": [choice]} | more)


def status(number: int, headers: Mapping[str, str] | None = None, /, **error: Any) -> Act:
    """A response that is no 200; `error` is what its body says. Not billed."""
    said = {"message": "as the script says", "type": "scripted"} | error
    return Act("status", status=number, headers=headers or {}, error=said, is_billed=False)


CUT = Act("cut")
"""Half a body, then the connection closes."""
CUT_WITHOUT_LENGTH = Act("cut_without_length")
"""The same without a Content-Length: only the JSON says that half is missing."""
CLOSE = Act("close")
"""The connection closes without a byte."""
BROKEN_JSON = Act("broken_json")
HTML = Act("html", is_billed=False)
CHOICES_NULL = Act("choices_null")
CHOICES_EMPTY = Act("choices_empty")
CONTENT_NULL = Act("content_null")
LENGTH = Act(finish_reason="length")
OTHER_MODEL = Act(model="somebody-else")
SAME_ID = Act(id="chatcmpl-same")
NO_USAGE = Act("no_usage")


def hang(seconds: float) -> Act:
    """Says nothing for so long, then answers."""
    return Act(seconds=seconds)


def drip(seconds: float) -> Act:
    """A byte at a time."""
    return Act("drip", seconds=seconds)


@dataclass(frozen=True)
class Reply:
    """An answer and what it costs."""

    text: str
    prompt_tokens: int = 100
    completion_tokens: int = 10


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    messages: list[dict[str, str]]
    body: dict[str, Any]
    headers: dict[str, str]
    nth: int
    """How often the same was asked, this time included."""
    at: float
    """Seconds of time.monotonic()."""
    target: str = ""
    """Path and query."""

    @property
    def content(self) -> str:
        """The last message: what the server counts by."""
        return self.messages[-1]["content"]


Script = Callable[[Call], Act | None]


def in_turn(*acts: Act) -> Script:
    """Each question meets these acts one after another, then ordinary answers."""
    return lambda call: acts[call.nth - 1] if call.nth <= len(acts) else None


def ordinary(call: Call) -> None:
    """Nothing goes wrong."""


class FaultServer:
    """The server, in a thread of its own, while its `with` lasts."""

    paths = ("/v1/chat/completions", "/openai/deployments/teacher-1/chat/completions")

    def __init__(
        self,
        answer: Callable[[list[dict[str, str]]], str | Reply] = lambda messages: f"answer to {messages[-1]['content']}",
        script: Script = ordinary,
        latency: float = 0.0,
        key: str | None = None,
        models: tuple[str, ...] = (MODEL,),
        port: int = 0,
    ) -> None:
        self.answer, self.script, self.latency, self.key, self.models = answer, script, latency, key, models
        self.port = port
        self.calls: list[Call] = []
        self.billed = Counter[str]()
        """Answers that were written, whether they arrived or not, by what was asked."""
        self.in_flight = self.most_in_flight = 0
        self._ready = threading.Event()
        self._asked = Counter[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._done = asyncio.get_running_loop(), asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the client or the server is gone
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Reads a request and does as the script says; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = head[0].split(" ", 2)
        if (method, path) == ("GET", "/v1/models"):
            return await self._write(writer, 200, {"object": "list", "data": [{"id": name} for name in self.models]})
        if method != "POST" or not path.partition("?")[0].endswith(self.paths):
            return await self._write(writer, 404, {"detail": "Not Found"})
        said = json.loads(content)
        asked = said["messages"][-1]["content"]
        self._asked[asked] += 1
        call = Call(said["messages"], said, headers, self._asked[asked], time.monotonic(), path)
        self.calls.append(call)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            stays = await self._act(call, self._refusal(call) or self.script(call) or Act(), writer)
            return stays and headers.get("connection", "").lower() != "close"
        finally:
            self.in_flight -= 1

    def _refusal(self, call: Call) -> Act | None:
        if self.key is not None and call.headers.get("authorization") != f"Bearer {self.key}":
            said = call.headers.get("authorization", "no key")  # as real ones do, which say what they were given
            return status(401, message=f"Incorrect API key provided: {said}", code="invalid_api_key")
        if call.body["model"] not in self.models:
            return status(404, message=f"The model `{call.body['model']}` does not exist", code="model_not_found")
        return None

    async def _act(self, call: Call, act: Act, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(self.latency + (act.seconds if act.kind != "drip" else 0.0))
        if act.is_billed:
            self.billed[call.content] += 1
        if act.kind == "status":
            return await self._write(writer, act.status, {"error": dict(act.error)}, act.headers)
        if act.kind == "close":
            return False
        if act.kind == "body":
            return await self._write(writer, act.status, act.body, act.headers)
        whole = json.dumps(self._completion(call, act)).encode()
        if act.kind in ("cut", "cut_without_length"):
            await self._write(writer, 200, whole[: len(whole) // 2], length=len(whole) if act.kind == "cut" else None)
            return False
        if act.kind == "broken_json":
            return await self._write(writer, 200, whole.replace(b":", b";", 1))
        if act.kind == "html":
            return await self._write(writer, 200, b"<html><body>502 Bad Gateway</body></html>")
        if act.kind == "drip":
            return await self._drip(writer, whole, act.seconds)
        return await self._write(writer, 200, whole, act.headers)

    def _completion(self, call: Call, act: Act) -> dict[str, Any]:
        said = self.answer(call.messages)
        reply = said if isinstance(said, Reply) else Reply(said)
        message = {"role": "assistant", "content": None if act.kind == "content_null" else reply.text}
        choices = [{"index": 0, "message": message, "finish_reason": act.finish_reason}]
        usage = {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens}
        return {
            "id": act.id or f"chatcmpl-{len(self.calls)}",
            "object": "chat.completion",
            "created": 0,
            "model": act.model or call.body["model"],
            "choices": {"choices_null": None, "choices_empty": []}.get(act.kind, choices),
        } | ({} if act.kind == "no_usage" else {"usage": usage | {"total_tokens": sum(usage.values())}})

    async def _write(
        self,
        writer: asyncio.StreamWriter,
        code: int,
        body: bytes | dict[str, Any],
        headers: Mapping[str, str] | None = None,
        length: int | None = -1,
    ) -> bool:
        """Writes a response; `length`: what it says of its own, -1 for the truth, None for nothing. True."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        length = len(content) if length == -1 else length
        lines = [f"HTTP/1.1 {code} Scripted", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += ["Connection: close"] if length is None else [f"Content-Length: {length}"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        return True

    async def _drip(self, writer: asyncio.StreamWriter, whole: bytes, seconds: float) -> bool:
        await self._write(writer, 200, b"", length=len(whole))
        for byte in whole:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(seconds)
        return True
