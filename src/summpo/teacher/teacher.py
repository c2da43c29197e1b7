"""Who is asked: an OpenAI-compatible endpoint, how fast and how often, and what it costs. It sends nothing.

The key is no setting: a teacher knows the name of the environment variable that holds it, and no more.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from summpo.errors import require_choice, require_field, require_number
from summpo.teacher.budget import Prices
from summpo.teacher.records import Request

MOST_IN_FLIGHT = 1000
"""As many connections as the openai package opens."""
SAID_ELSEWHERE = {
    "model": "teacher.model",
    "messages": "mode, prompt",
    "max_tokens": "mode.max_tokens, or a judge's max_tokens",
    "max_completion_tokens": "mode.max_tokens, or a judge's max_tokens",
    "temperature": "mode.temperature, or a judge's temperature",
    "response_format": "mode.json_schema, mode.json_object, or a judge's json_schema",
}
"""What extra_body may not say, for a key of its own does, by which requests are told apart and costs bounded."""
ONE_WHOLE_ANSWER = {"stream": False, "n": 1}
"""What extra_body may not say otherwise: a request has one answer, which comes whole."""
_SECRET = re.compile(r"key|token|secret|sig|pass|code|auth|cred", re.IGNORECASE)
_LONGEST_PARAMETER = 32
"""Characters of a url's parameter: a longer one may be a key."""


@dataclass(frozen=True)
class Teacher:
    """An endpoint that speaks /chat/completions, and how it is treated."""

    url: str
    """The endpoint's base, without /chat/completions; ?api-version=... may follow."""
    model: str
    """The model's name at the endpoint."""
    key_env: str | None = None
    """The environment variable that holds the key, in capitals; null for an endpoint without one."""
    max_in_flight: int = 64
    """Requests at once; 1 to 1000."""
    requests_per_minute: float | None = None
    """Requests in any minute, at most; null for no limit. See your account's page."""
    tokens_per_minute: float | None = None
    """Tokens of prompt and answer in any minute, at most; null for no limit."""
    timeout: float = 120.0
    """Seconds from a request to the last byte of its answer."""
    max_retries: int = 8
    """Retries of a request, at most, in a run ..."""
    max_paid_retries: int = 1
    """... and of these, those after an attempt that may have been paid (a timeout, a cut answer), in all runs
    together."""
    backoff: float = 0.5
    """Seconds before the first retry, about; each further one waits twice as long."""
    max_retry_after: float = 60.0
    """Seconds that a retry waits at most, whatever Retry-After says."""
    max_tokens_name: str = "max_tokens"
    """What the endpoint calls the limit on an answer's tokens: max_tokens, or max_completion_tokens."""
    extra_body: Mapping[str, Any] | None = None
    """Any JSON that requests say beside, null for none: teacher.extra_body.reasoning_effort=low, or of
    chat_template_kwargs, provider ... Another value makes other questions, which are asked and paid anew."""
    price_per_million_prompt: float | None = None
    """Dollars, of the endpoint's price list; max_cost needs both. null: not known."""
    price_per_million_completion: float | None = None
    """Dollars; null where it is not known. A limit on the cost (max_cost) needs both."""

    def __post_init__(self) -> None:
        require_url(self.url)
        has_model = self.model == self.model.strip() != ""
        require_field("teacher.model", has_model, f"model must be a name as the endpoint has it, got {self.model!r}")
        # A key put here by mistake must not be said again: no value in the sentence.
        is_name = self.key_env is None or re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", self.key_env) is not None
        require_field("teacher.key_env", is_name, "key_env must be an environment variable's name in capitals, no key")
        require_number("teacher.max_in_flight", self.max_in_flight, low=1, high=MOST_IN_FLIGHT)
        for name in ("requests_per_minute", "tokens_per_minute"):
            if getattr(self, name) is not None:
                require_number(f"teacher.{name}", getattr(self, name), above=0)
        require_number("teacher.timeout", self.timeout, above=0)
        require_number("teacher.max_retries", self.max_retries, low=0)
        require_number("teacher.max_paid_retries", self.max_paid_retries, low=0)
        require_number("teacher.backoff", self.backoff, low=0)
        require_number("teacher.max_retry_after", self.max_retry_after, low=0)
        require_choice("teacher.max_tokens_name", self.max_tokens_name, ("max_tokens", "max_completion_tokens"))
        if self.extra_body is not None:
            require_extra_body(self.extra_body)
        for name in ("price_per_million_prompt", "price_per_million_completion"):
            if getattr(self, name) is not None:
                require_number(f"teacher.{name}", getattr(self, name), low=0)

    @property
    def base(self) -> str:
        """The url without its query."""
        return urlunsplit(urlsplit(self.url)._replace(query=""))

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the url, which every request has: api-version."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def is_azure(self) -> bool:
        """Whether it is Azure's, or speaks as Azure does: it looks for the key in a header of its own."""
        return f"{urlsplit(self.url).hostname}".endswith(".azure.com") or "api-version" in self.query

    def key_of(self, request: Request) -> str:
        """What the journal knows a request to this teacher by."""
        return request.key(self.model, self.extra_body)

    @property
    def prices(self) -> Prices:
        """What its tokens cost."""
        return Prices(self.price_per_million_prompt, self.price_per_million_completion)

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, where no proxy leads to."""
        host = urlsplit(self.url).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")
        return address.is_loopback or address.is_unspecified

    def key(self) -> str | None:
        """The key, read from the environment now; None for an endpoint without one.

        Raises:
            UserError: the variable is not set, or holds what no key is; its value is never said.
        """
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        require_field(
            "teacher.key_env", key != "", f"the teacher's key is missing: set the environment variable {self.key_env}"
        )
        is_key = key.isascii() and key.isprintable() and " " not in key
        require_field(
            "teacher.key_env", is_key, f"the environment variable {self.key_env} holds something that is no key"
        )
        return key


def require_extra_body(extra_body: Mapping[str, Any]) -> None:
    """Guards what requests say beside.

    Raises:
        FieldError: it is no JSON object, or says what is said elsewhere.
    """
    key = "teacher.extra_body"
    try:
        is_json = isinstance(extra_body, Mapping) and bool(json.dumps(extra_body, allow_nan=False))
    except (TypeError, ValueError):
        is_json = False
    sentence = f"extra_body must be a JSON object such as {{reasoning_effort: low}}, got {extra_body!r}"
    require_field(key, is_json, sentence)
    twice = next((name for name in extra_body if name in SAID_ELSEWHERE), "")
    require_field(key, not twice, f"extra_body must not have {twice}: config key {SAID_ELSEWHERE.get(twice)} says it")
    odd = next((name for name, value in ONE_WHOLE_ANSWER.items() if extra_body.get(name, value) != value), "")
    require_field(key, not odd, f"extra_body must not have {odd}={extra_body.get(odd)}: a request has one whole answer")


def require_url(url: str) -> None:
    """Guards the base of an endpoint.

    Raises:
        FieldError: it is no http(s) URL, or holds what belongs elsewhere: a password, a key, the path of a request.
    """
    key = "teacher.url"
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, is_url = urlsplit(""), False
    # Before the value is said: the password, or a parameter, may be the key.
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    is_name = re.compile(r"(?=[a-z-]{3,24}\Z)(?!sk-)")
    lacks_value = any(is_name.match(name) and not _SECRET.search(name) and not value for name, value in parameters)
    require_field(key, not lacks_value, "url has a parameter without a value: write it as in ?api-version=2024-10-21")
    holds_key = any(_SECRET.search(name) or not 0 < len(value) <= _LONGEST_PARAMETER for name, value in parameters)
    is_bare = "@" not in parts.netloc and not parts.fragment and not holds_key and bool(parameters) == bool(parts.query)
    require_field(
        key,
        is_bare,
        "url must hold no user, password or key (?api-version= may follow): the key comes from the environment alone",
    )
    is_url = is_url and url.isascii() and url.isprintable() and " " not in url
    require_field(key, is_url, f"url must be an endpoint's base such as https://api.openai.com/v1, got {url!r}")
    is_base = not parts.path.rstrip("/").endswith("/completions")
    require_field(key, is_base, f"url must be the endpoint's base, without /chat/completions, got {url!r}")
