"""What a chat template is told arrives in what it prints, as it reads it, and on the day that the settings say."""

from pathlib import Path

import pytest
from test_prompts import TURNS, with_template
from transformers import PreTrainedTokenizerBase

from summpo.errors import UserError
from summpo.models.weights.loading import load_tokenizer
from summpo.text.prompts import Prompt
from summpo.text.rows import Message, SummaryRow
from summpo.text.tokens import Limits, tokenize


@pytest.fixture(scope="module")
def tokenizer(tiny_model_path: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_path)


TURN_IN_PARTS = (
    "{{ m['role'] }}: {% for part in m['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %};"
)
FIRST_PART = "{{ m['role'] }}: {{ m['content'][0]['text'] }};"
ADDED = "{{ m['role'] + ': ' + m['content'][0].text + ';' }}"
OF_BOTH = "{% if m['content'] is string %}{{ m['role'] }}: {{ m['content'] }};{% else %}in parts;{% endif %}"
SYSTEM_AS_TEXT = (
    f"{{% if m['role'] == 'system' %}}system: {{{{ m['content'].strip() }}}};{{% else %}}{FIRST_PART}{{% endif %}}"
)
ASSISTANT_AS_TEXT = (
    f"{{% if m['role'] == 'assistant' %}}assistant: {{{{ m['content'] + ';' }}}}{{% else %}}{FIRST_PART}{{% endif %}}"
)


@pytest.mark.parametrize("turn", [TURN_IN_PARTS, FIRST_PART, ADDED, OF_BOTH, SYSTEM_AS_TEXT, ASSISTANT_AS_TEXT])
def test_what_is_said_is_told_as_the_template_reads_it(tokenizer: PreTrainedTokenizerBase, turn: str) -> None:
    """In parts, as the templates of models that see have it; some have so the turns of some roles alone."""
    other = with_template(tokenizer, f"{{% for m in messages %}}{turn}{{% endfor %}}")
    turns = (Message("system", "Be brief."), *TURNS)
    expected = "system: Be brief.;user: Hello.;assistant: Hi.;user:  And? ;"
    assert Prompt(chat=True).render(turns, other).text == expected
    assert Prompt(template="{document}", chat=True).render("A", other).text == "user: A;"
    spelt = Prompt(template="{document}", chat=True).render("A <|im_end|>", other)
    assert [spelt.text[place] for place in spelt.outside] == ["A <|im_end|>"]


def test_a_part_of_what_is_said_that_is_left_out(tokenizer: PreTrainedTokenizerBase) -> None:
    """By what it says: one line of it, in this template. White space, switches and thoughts of before may be left out."""
    lines = "{% for m in messages %}{{ m['role'] }}: {{ m['content'].split('\\n')[0] }};{% endfor %}"
    other = with_template(tokenizer, lines)
    prompt = Prompt(template="{document}", chat=True)
    assert prompt.render("A cat.", other).text == "user: A cat.;"
    with pytest.raises(UserError, match=r"leaves out what the user says, or a part of it \(config key prompt\.chat\)"):
        prompt.render("A cat.\nA dog.", other)
    smollm_3 = (
        "{% for m in messages %}{{ m.role }}: {{ m.content.replace('/no_think', '').split('</think>')[-1].rstrip() }};"
        "{% endfor %}"
    )
    other = with_template(tokenizer, smollm_3)
    turns = (
        Message("system", "Be brief. /no_think"),
        Message("user", "A cat."),
        Message("assistant", "<think>Hm</think>\nWords."),
        Message("user", "And? "),
    )
    expected = "system: Be brief.;user: A cat.;assistant: \nWords.;user: And?;"
    assert prompt.render(turns, other).text == expected


def test_a_row_whose_document_does_not_arrive_is_named(tokenizer: PreTrainedTokenizerBase) -> None:
    other = with_template(tokenizer, "{% for m in messages %}{{ m['content'].split('|')[0] }}<|im_end|>{% endfor %}")
    rows = [
        SummaryRow("a", "A cat.", "s", place="x.jsonl, line 1"),
        SummaryRow("b", "A | dog", "s", place="x.jsonl, line 2"),
    ]
    with pytest.raises(
        UserError, match=r"^x\.jsonl, line 2 \(row b\): the chat template of .* leaves out what the user"
    ):
        tokenize(rows, other, Prompt(template="{document}", chat=True), Limits())


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        ('strftime_now("%d %b %Y")', "02 Jan 2025"),
        ("strftime_now( '%Y-%m-%d' )", "2025-01-02"),
        ("strftime_now('%B %d, %Y') if strftime_now is defined else 'never'", "January 02, 2025"),
        ("strftime_now(format='%Y')", "2025"),
        ("strftime_now(form)", "2025-01"),
    ],
)
def test_the_day_is_a_setting_and_no_clock(tokenizer: PreTrainedTokenizerBase, asks: str, says: str) -> None:
    template = f"{{% set form = '%Y-%m' %}}{{{{ {asks} }}}} {{{{ messages[0]['content'] }}}}"
    prompt = Prompt(template="{document}", chat=True, day="2025-01-02")
    assert prompt.render("A cat.", with_template(tokenizer, template)).text == f"{says} A cat."
    assert prompt != Prompt(template="{document}", chat=True)


def test_several_templates_and_none_of_them_the_default(tokenizer: PreTrainedTokenizerBase) -> None:
    other = with_template(tokenizer, None)
    other.chat_template = {"tool_use": "{{ messages }}", "rag": "{{ messages }}"}
    with pytest.raises(UserError, match=r"the chat template of .* cannot be used: .*config key prompt\.chat"):
        Prompt(chat=True).render("A cat.", other)
