"""One request over HTTP, once: the openai package without its own retries. It knows no journal, budget or pace.

Four of that package's habits are switched off: its retries (three paid requests for one timeout), following a redirect
with the key in hand, reading an answer leniently (half a body, or HTML, becomes a text), and reading without end.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from summpo.errors import UserError
from summpo.teacher.endpoint_words import one_line, storable
from summpo.teacher.faults import Fault, fault_of, read_answer
from summpo.teacher.records import Answer, Request
from summpo.teacher.teacher import Teacher

if TYPE_CHECKING:
    import httpx
    from openai import APIConnectionError, AsyncOpenAI

Send = Callable[[Request], Awaitable[Answer | Fault]]

NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")
"""What httpx calls a request that did not leave."""
CONNECT_SECONDS = 10.0
CONNECTIONS = 32
"""Connections of a client, about."""
SHORTEST_KEY = 8
"""A shorter one is no secret, and may stand in any text."""
MOST_BYTES = 2**24
"""Largest body, unpacked: no answer is so long, and what is sent without end is not read to its end."""


@asynccontextmanager
async def endpoint(teacher: Teacher) -> AsyncIterator[Send]:
    """The teacher, as a function that sends a request and never raises for what comes back.

    Raises:
        UserError: the key is missing, or the environment names a proxy that cannot be used.
    """
    key = teacher.key()
    async with AsyncExitStack() as stack:
        # A client looks at all its connections for each request: one of a thousand would take longer than the teacher.
        count = -(-teacher.max_in_flight // CONNECTIONS)
        clients = cycle([await stack.enter_async_context(open_client(teacher, key)) for _ in range(count)])

        async def send(request: Request) -> Answer | Fault:
            return await sent(next(clients), teacher, key, request)

        yield send


def open_client(teacher: Teacher, key: str | None) -> AsyncOpenAI:
    """The openai package's client. What runs on this machine is reached past every proxy of the environment."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout, omit

    connect = min(CONNECT_SECONDS, teacher.timeout / 2)
    timeout = Timeout(teacher.timeout, connect=connect)
    try:
        http = DefaultAsyncHttpxClient(
            timeout=timeout,
            follow_redirects=False,
            trust_env=not teacher.is_local,
            event_hooks={"response": [limit_body]},
        )
    except (ImportError, ValueError) as error:  # socks without its package, a proxy that is no URL
        raise UserError(
            f"the proxy that the environment names cannot be used ({type(error).__name__}): unset it, or put the "
            "teacher's host into NO_PROXY"
        ) from None
    # Said here, so that OPENAI_CUSTOM_HEADERS puts no other key in its place; an account at OpenAI is for OpenAI alone.
    headers: dict[str, Any] = {"Authorization": f"Bearer {key or 'none'}"}
    if not f".{urlsplit(teacher.url).hostname}".endswith(".openai.com"):
        headers |= {"OpenAI-Organization": omit, "OpenAI-Project": omit}
    if teacher.is_azure:
        headers |= {"api-key": key or "none"}
    return AsyncOpenAI(
        api_key=key or "none",
        base_url=teacher.base,
        default_query=teacher.query,
        max_retries=0,
        timeout=timeout,
        http_client=http,
        default_headers=headers,
    )


async def limit_body(response: httpx.Response) -> None:
    """Has a response end after `MOST_BYTES`, before any of it is read."""
    whole = response.aiter_bytes

    async def beginning(chunk_size: int | None = None) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in whole(chunk_size):
            yield chunk[: MOST_BYTES - size]
            size += len(chunk)
            if size >= MOST_BYTES:
                await response.aclose()
                return

    response.aiter_bytes = beginning


async def sent(client: AsyncOpenAI, teacher: Teacher, key: str | None, request: Request) -> Answer | Fault:
    """Sends a request once. The key is taken out of whatever the endpoint says."""
    import openai

    try:
        async with asyncio.timeout(teacher.timeout):  # of the whole: a drip of bytes outlives every timeout of httpx
            response = await client.chat.completions.with_raw_response.create(
                model=teacher.model,
                messages=[],  # in extra_body, where the package does not search them for files: a third of its time
                extra_body=body_of(teacher, request),
            )
            body = without(key, response.content)
            if len(body) >= MOST_BYTES:
                return Fault("broken_answer", f"200 with {MOST_BYTES:,} bytes or more", maybe_paid=True)
            return read_answer(body, request)
    except TimeoutError:
        return Fault("timeout", f"no answer within {teacher.timeout:g} seconds", maybe_paid=True)
    except openai.APIStatusError as error:
        return fault_of(error.status_code, error.response.headers, without(key, error.response.content), time.time())
    except openai.APIConnectionError as error:
        return lost(error)


def body_of(teacher: Teacher, request: Request) -> dict[str, Any]:
    """What a request says beside the model."""
    body: dict[str, Any] = {
        "messages": [{"role": role, "content": storable(text)} for role, text in request.messages],
        teacher.max_tokens_name: request.max_tokens,
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.json_schema:
        held_to = {"name": "answer", "strict": True, "schema": json.loads(request.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": held_to}
    elif request.json_object:
        body["response_format"] = {"type": "json_object"}
    return body | dict(teacher.extra_body or {})


def lost(error: APIConnectionError) -> Fault:
    """A request that brought no response: it never left, or its answer was lost on the way."""
    cause = error.__cause__
    name = type(cause).__name__
    if name in NEVER_SENT:
        return Fault("no_connection", f"no connection ({one_line(str(cause)) or name})")
    reason = "timeout" if name.endswith("Timeout") else "connection_lost"
    return Fault(reason, f"the connection was lost ({one_line(str(cause)) or name})", maybe_paid=True)


def without(key: str | None, body: bytes) -> bytes:
    """A body with the key taken out of it, wherever an endpoint repeats it."""
    if key is None or len(key) < SHORTEST_KEY:
        return body
    as_json = "".join(f"(?:{re.escape(one)}|{_escapes_of(one)})" for one in key)
    return re.sub(as_json.encode(), b"<key>", body, flags=re.IGNORECASE)


def _escapes_of(character: str) -> str:
    """A pattern of the ways in which JSON may spell a character: PHP escapes a slash, .NET a plus."""
    return rf"\\u{ord(character):04x}" + (r"|\\/" if character == "/" else "")
