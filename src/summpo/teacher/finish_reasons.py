"""Why an answer ended, as endpoints name it: each of OpenAI's four reasons has other names elsewhere."""

from __future__ import annotations

CUT = frozenset(
    {
        "length", "max_tokens", "max_output_tokens", "max_new_tokens", "max_length", "model_length", "token_limit",
        "model_context_window_exceeded", "incomplete",
    }
)  # fmt: skip
"""The limit on its tokens."""
FILTERED = frozenset(
    {
        "content_filter", "content_filtered", "content_policy_violation", "safety", "recitation", "blocklist",
        "prohibited_content", "spii", "sensitive", "guardrail_intervened", "error_toxic", "moderation",
    }
)  # fmt: skip
"""A filter of the endpoint's."""
REFUSED = frozenset({"refusal"})
"""The model, which will not answer."""
FAILED = frozenset({"error", "abort", "aborted", "cancelled", "network_error", "insufficient_system_resource"})
"""A fault behind the endpoint: there is no answer, whatever text came."""


def reason_of(said: str) -> str:
    """A reason without its dress: "length" for MAX_LENGTH's like, "safety" of "FinishReason.SAFETY".

    "content_filter: RECITATION" is a content_filter.
    """
    return said.partition(":")[0].rpartition(".")[2].strip().lower()
