"""Which model is another than was asked."""

import pytest

from summpo.teacher.model_names import is_other_model


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("m", "m"), ("m", ""), ("gpt-4o", "gpt-4o-2024-08-06"), ("gpt-4o-2024-08-06", "gpt-4o"),
        ("Qwen/Qwen2-72B-Instruct", "qwen2-72b-instruct"), ("/models/m", "m"), ("m@main", "m"), ("m", "m@0a1b2c3d"),
        ("gpt-4", "gpt-4-0613"), ("mistral-small", "mistral-small-2501"),
        ("gemini-2.0-flash", "models/gemini-2.0-flash-001"), ("gemini-2.5-flash-preview", "gemini-2.5-flash-preview-05-20"),
        ("claude-3-5-sonnet", "claude-3-5-sonnet@20240620"), ("claude-3-5-sonnet", "claude-3-5-sonnet-20241022-v2:0"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"), ("llama3", "llama3:latest"),
        ("mistral-large-latest", "mistral-large-2411"), ("a/m:free", "a/m"), ("deepseek-v3", "deepseek-v3-0324"),
        ("Mistral-7B-Instruct", "Mistral-7B-Instruct-v0.3"), ("command-r", "command-r-08-2024"),
        ("doubao-pro-32k", "doubao-pro-32k-240828"), ("doubao-1.5-pro-32k", "doubao-1-5-pro-32k-250115"),
        ("gpt-3.5-turbo", "gpt-35-turbo"), ("gpt-35-turbo", "gpt-3.5-turbo-0125"), ("o1-preview", "o1-preview-2024-09-12"),
        ("claude-3.5-sonnet", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
        ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet-20240620"), ("gpt-4o-2024-08-06", "gpt-4o-20240806"),
    ],
)  # fmt: skip
def test_a_date_or_a_revision_is_the_same(asked: str, named: str) -> None:
    assert not is_other_model(asked, named)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("m", "n"), ("gpt-4o", "gpt-4o-mini"), ("gpt-4o", "gpt-4o-mini-2024-07-18"), ("gpt-4o-mini", "gpt-4o"),
        ("gpt-4o", "gpt-3.5"), ("gpt-4", "gpt-4.1"), ("gpt-4", "gpt-4o"), ("gpt-4", "gpt-4-turbo"), ("gpt-4", "gpt-4-32k"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13"), ("gemma:7b", "gemma:2b"), ("gemma", "gemma:2b"), ("o1", "o1-pro"),
        ("llama-3", "llama-3-405b"), ("llama-3-8b", "llama-3-8b-instruct"), ("Qwen2-72B-Instruct", "Qwen2-72B"),
        ("deepseek-v3", "deepseek-v3.1"), ("grok-3", "grok-3-fast"), ("a/m:free", "a/m:thinking"),
        ("claude-3-opus-20240229", "claude-3-haiku-20240307"), ("qwen2.5-7b", "qwen2.5-72b"),
        ("gpt-4-0125-preview", "gpt-4-turbo-preview"), ("gpt-4-turbo-preview", "gpt-4-0125-preview"),
        ("gpt-4", "gpt-4-0125-preview"), ("gpt-4", "gpt-4-1106-preview"), ("gpt-4-0125-preview", "gpt-4"),
        ("gemini-2.5-flash", "gemini-2.5-flash-preview-05-20"), ("command-r-plus", "command-r-08-2024"),
        ("command-r-08-2024", "command-r-03-2024"), ("gpt-3.5-turbo", "gpt-35-turbo-16k"), ("phi-3", "phi-3.5"),
        ("llama-3", "llama-3-2"), ("llama-3.1-8b", "llama-3.2-8b"), ("claude-sonnet-4", "claude-sonnet-4-5"),
        ("deepseek", "deepseek-r1"), ("deepseek", "deepseek-v3"), ("moonshot", "moonshot-v1"), ("m@0a1b2c3d", "m@0a1b2c4d"),
        ("Mistral-7B-Instruct-v0.1", "Mistral-7B-Instruct-v0.3"), ("doubao-pro-32k", "doubao-pro-256k-240828"), ("gpt-4o", "gpt-4o-audio-preview-2024-10-01"),
    ],
)  # fmt: skip
def test_whatever_else_is_behind_a_name_is_another(asked: str, named: str) -> None:
    assert is_other_model(asked, named)
