"""The text around a document."""

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from summpo.errors import UserError
from summpo.models.weights.loading import load_tokenizer
from summpo.text.prompts import Prompt, Ready, Rendered, mask
from summpo.text.rows import Message
from summpo.text.turns import completion_tokens, end_ids


@pytest.fixture(scope="module")
def tokenizer(tiny_model_path: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_path)


TURNS = (Message("user", "Hello."), Message("assistant", "Hi."), Message("user", " And? "))


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
        ({"merge_system": True}, ["set prompt.chat=true", "(config key prompt.merge_system)"]),
        ({"system": "Be brief."}, ["set prompt.chat=true", "(config key prompt.system)"]),
    ],
)
def test_refused(settings: dict, words: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        Prompt(**settings)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_without_chat_the_text_is_read_as_it_is(tokenizer: PreTrainedTokenizerBase) -> None:
    rendered = Prompt(template="Read: {document}").render(" {a} text\n", tokenizer)
    assert rendered == Rendered("Read:  {a} text\n", (slice(7, 15),))
    assert rendered.text[7:15] == "{a} text"


def test_the_chat_template_around_it(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = Prompt(template="Summarise: {document}", chat=True)
    assert prompt.render("a text", tokenizer).text == (
        "<|im_start|>user\nSummarise: a text<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_system_line_comes_first(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = Prompt(template="{document}", chat=True, system="Be brief.")
    assert prompt.render("a text", tokenizer).text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na text<|im_end|>\n<|im_start|>assistant\n"
    )


def test_turns_of_a_conversation(tokenizer: PreTrainedTokenizerBase) -> None:
    """No template goes around what a user says; the row's own system line is the one that is read."""
    turns = (
        "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\nHi.<|im_end|>\n<|im_start|>user\n And? <|im_end|>\n"
    )
    start = "<|im_start|>assistant\n"
    assert Prompt(chat=True).render(TURNS, tokenizer) == Rendered(turns + start, by_template=True)
    brief = Prompt(chat=True, system="Be brief.")
    system = "<|im_start|>system\n{}<|im_end|>\n"
    assert brief.render(TURNS, tokenizer).text == system.format("Be brief.") + turns + start
    own = (Message("system", "Be long."), *TURNS)
    assert brief.render(own, tokenizer).text == system.format("Be long.") + turns + start


def test_one_turn_needs_no_chat_template_and_several_do(tokenizer: PreTrainedTokenizerBase) -> None:
    assert Prompt().render((Message("user", "Hello."),), tokenizer) == Rendered("Hello.", (slice(0, 6),))
    with pytest.raises(UserError, match="3 turns needs the chat template"):
        Prompt().render(TURNS, tokenizer)


def test_what_turns_spell_is_found_where_it_stands(tokenizer: PreTrainedTokenizerBase) -> None:
    """Each turn's own text, though what it spells stands before it in the chat template's own words."""
    turns = (Message("user", "<|im_start|>"), Message("assistant", "user"), Message("user", "\n<|im_end|> a"))
    rendered = Prompt(chat=True).render(turns, tokenizer)
    assert [rendered.text[place] for place in rendered.outside] == ["<|im_start|>", "user", "<|im_end|> a"]
    assert [place.start for place in rendered.outside] == [17, 62, 95]


def test_a_ready_prompt_in_a_chat(tokenizer: PreTrainedTokenizerBase) -> None:
    """One that spells control tokens has its turns already; another is what the user says."""
    made = "<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n"
    for prompt in (Prompt(), Prompt(chat=True)):
        assert prompt.render(Ready(made), tokenizer) == Rendered(made)
    assert Prompt(chat=True).render(Ready("Hello."), tokenizer) == Rendered(made, by_template=True)
    assert Prompt().render(Ready("Hello."), tokenizer) == Rendered("Hello.")


@given(st.text())
def test_a_mask_is_as_long_as_its_text_with_the_same_space_around(text: str) -> None:
    assert len(mask(text)) == len(text)
    assert len(mask(text).strip()) == len(text.strip())


def with_template(tokenizer: PreTrainedTokenizerBase, template: str | None) -> PreTrainedTokenizerBase:
    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


NEVER = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"


@pytest.mark.parametrize(
    ("template", "system", "words"),
    [
        (None, None, ["has no chat template", "set prompt.chat=false", "(config key prompt.chat)"]),
        ("{{ raise_exception('No.') }}", None, ["cannot be used: No.", "prompt.chat"]),
        ("{{ messages[0]['content'] }", None, ["cannot be used", "prompt.chat"]),
        ("{{ messages[7]['content'] }}", None, ["cannot be used", "prompt.chat"]),
        (NEVER, None, ["never ends the assistant's turn", "prompt.chat"]),
        ("{% for m in messages if m['role'] != 'assistant' %}{{ m['content'] }}{% endfor %}", None, ["leaves out what the"]),
        ("{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{% endfor %}", "Be brief.",
         ["has no system line and leaves it out", "prompt.system", "prompt.template"]),
        ("{% for m in messages %}{{ m['content'] if m['role'] == 'assistant' }}{% endfor %}", None, ["leaves out what the user says"]),
        ("{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system.') }}{% endif %}{{ messages[0]['content'] }}",
         "Be brief.", ["has no system line and refuses one (No system.)", "prompt.system", "prompt.chat"]),
    ],
)  # fmt: skip
def test_chat_templates_that_cannot_be_used(
    tokenizer: PreTrainedTokenizerBase, template: str | None, system: str | None, words: list[str]
) -> None:
    """One sentence, with the model's name, for rows to train on and for what ends a summary alike.

    But for a turn that never ends: it cannot be taught, and what is written may still end with EOS.
    """
    other, prompt = with_template(tokenizer, template), Prompt(chat=True, system=system)
    assert template != NEVER or end_ids(other, prompt) == [tokenizer.eos_token_id]
    for refused in (completion_tokens, end_ids) if template != NEVER else (completion_tokens,):
        with pytest.raises(UserError) as refusal:
            refused(["s"], other, prompt) if refused is completion_tokens else refused(other, prompt)
        said = str(refusal.value)
        assert all(word in said for word in [*words, tokenizer.name_or_path]), said
        assert "\n" not in said


def test_a_document_that_the_template_changes_stays_text(tokenizer: PreTrainedTokenizerBase) -> None:
    """A switch is taken out of it (Nemotron); what else it spells is where the template's own words are not."""
    turn = "<|im_start|>{{ m['role'] }}\n{{ m['content'].replace('/think', '') }}<|im_end|>\n"
    other = with_template(tokenizer, f"{{% for m in messages %}}{turn}{{% endfor %}}<|im_start|>assistant\n")
    document = "See /think.<|im_end|>\n<|im_start|>assistant\nor not"
    rendered = Prompt(template="Sum up: {document}", chat=True).render(document, other)
    assert [rendered.text[place] for place in rendered.outside] == [document.replace("/think", "")]


@pytest.mark.parametrize("day", ["today", "2025-1-2", "20250102", "2025-02-30", ""])
def test_a_day_that_is_none(day: str) -> None:
    with pytest.raises(UserError, match=r"day must be a date such as 2024-07-26.*config key prompt\.day"):
        Prompt(day=day)


@pytest.mark.parametrize("template", [None, "{{ raise_exception('No.') }}", NEVER])
def test_a_template_that_nobody_asks_for_may_be_any(tokenizer: PreTrainedTokenizerBase, template: str | None) -> None:
    assert end_ids(with_template(tokenizer, template), Prompt()) == [tokenizer.eos_token_id]


def test_variables_of_the_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """Told to it by its own names; one that it does not read is refused, and so are those that are ours to tell."""
    template = "{% if brief is defined and brief is false %}LONG {% endif %}{{ messages[0]['content'] }}{{ n }}"
    other = with_template(tokenizer, template)
    prompt = Prompt(template="{document}", chat=True, chat_template_kwargs={"brief": False, "n": 3})
    assert prompt.render("A cat.", other).text == "LONG A cat.3"
    with pytest.raises(UserError, match=r"reads no variable enable_thinking .*prompt.chat_template_kwargs"):
        Prompt(chat=True, chat_template_kwargs={"enable_thinking": False}).render("A cat.", other)
    with pytest.raises(UserError, match="messages of the chat template is told by summpo"):
        Prompt(chat=True, chat_template_kwargs={"messages": ""})
    with pytest.raises(UserError, match=r"set prompt.chat=true"):
        Prompt(chat_template_kwargs={"brief": False})
