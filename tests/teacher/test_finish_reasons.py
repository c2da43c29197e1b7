"""Why answers ended, in the words of many endpoints."""

import pytest

from summpo.teacher.finish_reasons import ending_of, reason_of

BY_ENDING = {
    "cut": "length max_tokens MAX_TOKENS max-tokens maxTokens FinishReason.MAX_TOKENS FINISH_REASON_MAX_TOKENS max_output_tokens "
    "max_completion_tokens max_new_tokens MAX_LENGTH model_length token_limit context_length_exceeded "
    "model_context_window_exceeded incomplete ERROR_LIMIT pause_turn",
    "filtered": "content_filter content-filter ContentFilter contentFilter content_filtered SAFETY IMAGE_SAFETY RECITATION "
    "IMAGE_RECITATION BLOCKLIST PROHIBITED_CONTENT IMAGE_PROHIBITED_CONTENT SPII sensitive guardrail_intervened ERROR_TOXIC "
    "moderation content_policy_violation FinishReason.SAFETY MODEL_ARMOR LANGUAGE",
    "refused": "refusal REFUSAL refused",
    "failed": "error ERROR abort aborted cancelled USER_CANCEL network_error insufficient_system_resource "
    "MALFORMED_FUNCTION_CALL OTHER rate_limit_exceeded timeout",
    "whole": "stop STOP eos eos_token end_turn end-turn stop_sequence stop-sequence COMPLETE completed normal endoftext tool_calls",
}


@pytest.mark.parametrize(
    ("ending", "reason"), [(ending, one) for ending, said in BY_ENDING.items() for one in said.split()]
)
def test_endings(ending: str, reason: str) -> None:
    assert ending_of(reason) == ending


def test_what_else_is_said() -> None:
    assert ending_of("") == "whole"
    assert ending_of("content_filter: RECITATION") == "filtered"
    assert reason_of("content_filter: RECITATION") == "content_filter"
    assert reason_of("FINISH_REASON_MAX_TOKENS") == "max_tokens"
    assert reason_of(" content filter ") == "content_filter"
