"""Who is asked: an OpenAI-compatible endpoint, how fast and how often, and what it costs. It sends nothing.

The key is no setting: a teacher knows the name of the environment variable that holds it, and no more.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from summpo.errors import require_choice, require_field, require_number
from summpo.synthesis.budget import Prices

MOST_IN_FLIGHT = 1000
"""As many connections as the openai package opens."""


@dataclass(frozen=True)
class Teacher:
    """An endpoint that speaks /chat/completions, and how it is treated."""

    url: str
    """Its base: https://api.openai.com/v1."""
    model: str
    """As the endpoint names it."""
    key_env: str | None = None
    """The environment variable that holds the key, in capitals; null for an endpoint without one."""
    max_in_flight: int = 64
    """Requests at once."""
    requests_per_minute: float | None = None
    """In any minute, at most; null for no limit."""
    tokens_per_minute: float | None = None
    """Of prompt and answer, in any minute, at most; null for no limit."""
    timeout: float = 120.0
    """Seconds from a request to the last byte of its answer."""
    max_retries: int = 8
    """Of a request, at most, in a run."""
    max_paid_retries: int = 1
    """Of these, those after an attempt that may have been paid (a timeout, a cut answer), in all runs together."""
    backoff: float = 0.5
    """Seconds before the first retry, about; each further one waits twice as long."""
    max_retry_after: float = 60.0
    """Seconds that a retry waits at most, whatever Retry-After says."""
    max_tokens_name: str = "max_tokens"
    """What the endpoint calls the limit on an answer's tokens: max_tokens, or max_completion_tokens."""
    price_per_million_prompt: float | None = None
    """Dollars; null where it is not known."""
    price_per_million_completion: float | None = None

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
        for name in ("price_per_million_prompt", "price_per_million_completion"):
            if getattr(self, name) is not None:
                require_number(f"teacher.{name}", getattr(self, name), low=0)

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


def require_url(url: str) -> None:
    """Guards the base of an endpoint.

    Raises:
        FieldError: it is no http(s) URL, or holds what belongs elsewhere: a password, a query, the path of a request.
    """
    key = "teacher.url"
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, is_url = urlsplit(""), False
    # Before the value is said: the password may be the key.
    is_bare = "@" not in parts.netloc and not parts.query and not parts.fragment
    require_field(key, is_bare, "url must hold no user, password or query: the key comes from the environment alone")
    is_url = is_url and url.isascii() and url.isprintable() and " " not in url
    require_field(key, is_url, f"url must be an endpoint's base such as https://api.openai.com/v1, got {url!r}")
    is_base = not parts.path.rstrip("/").endswith("/completions")
    require_field(key, is_base, f"url must be the endpoint's base, without /chat/completions, got {url!r}")
