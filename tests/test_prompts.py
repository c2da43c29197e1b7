"""The text around a document."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from summpo.errors import UserError
from summpo.models.loading import load_tokenizer
from summpo.prompts import Prompt


@pytest.fixture(scope="module")
def tokenizer(tiny_model_path: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_path)


@given(st.text())
def test_the_document_stays_as_it_is(document: str) -> None:
    assert Prompt().around(document) == f"\n\nParagraph:\n{document}\n\nTL;DR:\n"


def test_braces_in_the_document_are_no_placeholder() -> None:
    assert Prompt(template="<{document}>").around("{document} {0} {{}}") == "<{document} {0} {{}}>"


def test_other_braces_in_the_template_stay() -> None:
    assert Prompt(template='{"text": "{document}"}').around("a") == '{"text": "a"}'


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"template": ""}, ["{document} once, got ''", "(config key prompt.template)"]),
        ({"template": "Summarise: {text}"}, ["{document} once, got 'Summarise: {text}'"]),
        ({"template": "{document} {document}"}, ["{document} once"]),
        ({"template": r"\n{document}\n"}, ["backslash and n", "(config key prompt.template)"]),
        ({"system": "Be brief."}, ["set prompt.chat=true", "(config key prompt.system)"]),
    ],
)
def test_refused(settings: dict, words: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        Prompt(**settings)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_without_chat_the_text_is_read_as_it_is(tokenizer: PreTrainedTokenizerBase) -> None:
    assert Prompt().render("{a} text\n", tokenizer) == "{a} text\n"


def test_the_chat_template_around_it(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = Prompt(template="Summarise: {document}", chat=True)
    assert prompt.render(prompt.around("a text"), tokenizer) == (
        "<|im_start|>user\nSummarise: a text<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_system_line_comes_first(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = Prompt(template="{document}", chat=True, system="Be brief.")
    assert prompt.render("a text", tokenizer) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na text<|im_end|>\n<|im_start|>assistant\n"
    )
