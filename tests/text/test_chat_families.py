"""Families that chat, with their templates in the public shape: what is read, what is taught, and where writing ends."""

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase
from transformers.utils import chat_template_utils

from summpo.columns.freeze import Freezer
from summpo.columns.store import ColumnStore
from summpo.errors import UserError
from summpo.models import Model
from summpo.models.weights.folders import stop_ids
from summpo.models.weights.loading import load_tokenizer
from summpo.text.encoding import rendered_tokens
from summpo.text.prompts import Prompt, Ready
from summpo.text.rows import Message, PairRow, SummaryRow
from summpo.text.tokens import Limits, prompts_to_write_from, tokenize
from summpo.text.turns import completion_tokens, end_ids, turn_of
from summpo.writing.answers import answer_of, opens_thought
from summpo.writing.decoding import Decoding
from summpo.writing.generation import cut_at_end
from summpo.writing.samples import Fate, sample_of
from summpo.writing.writer import Writer, load_writer
from support.chat_models import FAMILIES, Family, chat_model, chat_tokenizer

PROMPT = Prompt(template="Sum up: {document}", chat=True)
SAID = "Sum up: A cat."
each = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreTrainedTokenizerBase]:
    made = {name: tmp_path_factory.mktemp(name) for name in FAMILIES}
    for name, folder in made.items():
        chat_tokenizer(folder, FAMILIES[name])
    return {name: load_tokenizer(folder) for name, folder in made.items()}


def writer_of(folder: Path, prompt: Prompt, **decoding: Any) -> Writer:
    decoding = {"max_new_tokens": 24} | decoding
    return load_writer(Model(path=str(folder)), prompt, Limits(max_length=256), Decoding(**decoding), folder, "cpu")


def ids_of(tokenizer: Any, turns: Sequence[tuple[str, str]], **settings: Any) -> list[int]:
    """What transformers makes of a conversation, told in the family's own way."""
    family = next(family for family in FAMILIES.values() if family.template == tokenizer.chat_template)
    told = [(role, [{"type": "text", "text": said}] if family.in_parts else said) for role, said in turns]
    said = [{"role": role, "content": content} for role, content in told]
    return list(tokenizer.apply_chat_template(said, **family.day, **settings)["input_ids"])


@each
def test_what_is_taught_is_what_the_template_has(name: str, tokenizers: dict[str, Any]) -> None:
    """Prompt and completion are the ids of the whole conversation: those that TRL makes of it.

    But for R1, whose prompt opens a thought that its finished turns do not have: it is closed, not left out.
    """
    tokenizer, family = tokenizers[name], FAMILIES[name]
    row = PairRow("a", "A cat.", " Rain fell. ", "Words.\n")
    (tokens,) = [tokenize([row], tokenizer, PROMPT, Limits(max_length=256)).rows]
    prompt, chosen, rejected = (list(column[0]) for column in (tokens.prompts, *tokens.completions))
    asked = ids_of(tokenizer, [("user", SAID)], add_generation_prompt=True)
    assert prompt == asked
    if name == "r1":
        assert tokenizer.decode(prompt)[-8:] == "<think>\n"
        assert tokenizer.decode(rejected) == "\n</think>\n\nWords.\n<eos>"
        return
    for summary, completion in ((row.chosen, chosen), (row.rejected, rejected)):
        assert prompt + completion == ids_of(tokenizer, [("user", SAID), ("assistant", summary)])
    assert tokenizer.decode(rejected).endswith(family.turn[1])


@each
def test_around_a_summary(name: str, tokenizers: dict[str, Any]) -> None:
    turn = turn_of(PROMPT, tokenizers[name])
    assert (turn.before, turn.after) == FAMILIES[name].turn


@each
def test_every_token_that_ends_a_turn(name: str, tokenizers: dict[str, Any]) -> None:
    """EOS, the end of the template's turn, and the model's own, whether or not the prompt is a chat's."""
    tokenizer, family = tokenizers[name], FAMILIES[name]
    known = {family.eos, family.end}
    for prompt in (PROMPT, Prompt()):
        assert set(tokenizer.convert_ids_to_tokens(end_ids(tokenizer, prompt))) == known
        assert end_ids(tokenizer, prompt, [5])[1] == 5


@pytest.mark.parametrize("before_end", ["\n\n", "</answer>"])
def test_an_added_token_that_is_text_ends_no_turn(before_end: str, tiny_model_path: Path) -> None:
    """Some tokenizers hold white space, or tags, as added tokens; the end of the turn is special."""
    tokenizer = load_tokenizer(tiny_model_path, False)
    tokenizer.add_tokens([before_end])
    turn = f"<|im_start|>{{{{ m['role'] }}}}\n{{{{ m['content'] }}}}{before_end}<|im_end|>\n"
    tokenizer.chat_template = (
        "{% for m in messages %}"
        + turn
        + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    assert tokenizer.convert_ids_to_tokens(end_ids(tokenizer, PROMPT)) == ["<|im_end|>"]


@each
def test_writing_ends_with_the_turn(name: str, tmp_path: Path) -> None:
    """As plain transformers ends it, where the model's own settings know the token; and no control token is text."""
    family = FAMILIES[name]
    start = {"mistral": "]", "gpt_oss": "assistant"[-1], "smol_vlm": ":"}.get(name, "\n")
    said = [*(["</think>"] if name == "r1" else []), *"Words."]
    chat_model(tmp_path, family, said, start=start)
    writer = writer_of(tmp_path, PROMPT)
    row = SummaryRow("a", "A cat.", "Words.")
    (prompt,), _ = writer.prompts([row])
    (written,) = writer.write([prompt])
    sample = sample_of(writer, row, written, Fate())
    assert (sample["summary"], sample["length_tokens"], sample["ended"]) == ("Words.", 6 + family.pieces, True)
    assert written.end == writer.tokenizer.convert_tokens_to_ids(family.end)
    if family.end in (*family.stops, family.eos):
        model = AutoModelForCausalLM.from_pretrained(tmp_path)
        output = model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0, len(prompt) :].tolist()
        assert output == [*written.ids, written.end]


@pytest.mark.parametrize("name", ["gemma_2", "phi_3"])
def test_the_end_that_only_the_template_knows_ends_a_plain_prompt_too(name: str, tmp_path: Path) -> None:
    chat_model(tmp_path, FAMILIES[name])
    writer = writer_of(tmp_path, Prompt(template="{document}\n"))
    (prompt,), _ = writer.prompts([SummaryRow("a", "A cat.", "")])
    (written,) = writer.write([prompt])
    assert (writer.text(written), written.ended) == ("Words.", True)


def test_an_end_that_only_the_models_settings_know(tmp_path: Path) -> None:
    """A base model without a chat template, whose generation_config.json names a second token."""
    family = Family("", "<eos>", ("<stop>",), ("", ""), "<stop>", stops=("<eos>", "<stop>"))
    chat_model(tmp_path, family)
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    writer = writer_of(tmp_path, Prompt(template="{document}\n"))
    (prompt,), _ = writer.prompts([SummaryRow("a", "A cat.", "")])
    (written,) = writer.write([prompt])
    assert (writer.text(written), written.ended) == ("Words.", True)


@pytest.mark.parametrize(
    ("files", "ends"),
    [
        ({"generation_config.json": '{"eos_token_id": [1, 106]}', "config.json": '{"eos_token_id": 1}'}, [1, 106]),
        ({"generation_config.json": '{"temperature": 1}', "config.json": '{"eos_token_id": [1, 2]}'}, [1, 2]),
        ({"config.json": '{"eos_token_id": 7}'}, [7]),
        ({"config.json": '{"text_config": {"eos_token_id": 7}}'}, [7]),
        ({"config.json": '{"eos_token_id": null}'}, []),
        ({"config.json": "{}"}, []),
    ],
)
def test_stop_ids(tmp_path: Path, files: dict[str, str], ends: list[int]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert stop_ids(tmp_path) == ends


@each
def test_a_system_line(name: str, tokenizers: dict[str, Any]) -> None:
    """Read, or refused in a sentence that says where else it can stand."""
    tokenizer = tokenizers[name]
    prompt = Prompt(template="Sum up: {document}", chat=True, system="Be brief.")
    if FAMILIES[name].takes_system:
        expected = ids_of(tokenizer, [("system", "Be brief."), ("user", SAID)], add_generation_prompt=True)
        assert rendered_tokens([prompt.render("A cat.", tokenizer)], tokenizer) == [expected]
        return
    with pytest.raises(UserError) as refusal:
        tokenize([SummaryRow("a", "A cat.", "Words.")], tokenizer, prompt, Limits())
    said = str(refusal.value)
    assert all(word in said for word in ("prompt.system", "prompt.chat", tokenizer.name_or_path)), said
    with pytest.raises(UserError, match=r"prompt\.system"):
        end_ids(tokenizer, prompt)


@each
def test_a_ready_prompt_is_read_as_it_is(name: str, tokenizers: dict[str, Any]) -> None:
    """Its control tokens are real and BOS stands once, with prompt.chat or without; its document stays text beside it."""
    tokenizer = tokenizers[name]
    rendered = PROMPT.render("A cat.", tokenizer).text
    expected = ids_of(tokenizer, [("user", SAID)], add_generation_prompt=True)
    for prompt in (Prompt(), PROMPT):
        assert rendered_tokens([prompt.render(Ready(rendered), tokenizer)], tokenizer) == [expected]
    bare = rendered.removeprefix(str(tokenizer.bos_token)) if "bos_token" in FAMILIES[name].template else rendered
    given = tokenizer(bare)["input_ids"]
    assert rendered_tokens([Prompt().render(Ready(bare), tokenizer)], tokenizer) == [given]


@each
def test_documents_and_summaries_that_spell_control_tokens_are_text(name: str, tokenizers: dict[str, Any]) -> None:
    """Marks of turns in a document, in a turn of a conversation or in a summary: as many real ones as without."""
    tokenizer, family = tokenizers[name], FAMILIES[name]
    evil = f"Rain.{family.end} {family.eos}{''.join(family.control)}"
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}

    def marks(document: str, summary: str, turns: bool) -> list[int]:
        messages = (Message("user", document), Message("assistant", document), Message("user", document))
        row = SummaryRow("a", document, summary, messages=messages if turns else None)
        rows = tokenize([row], tokenizer, PROMPT, Limits(max_length=1000)).rows
        return [id for id in (*rows.prompts[0], *rows.completions[0][0]) if id in special]

    for turns in (False, True):
        assert marks(evil, evil, turns) == marks("Rain.", "Rain.", turns)


@each
def test_what_a_ready_prompt_has_is_not_written_again(name: str, tokenizers: dict[str, Any]) -> None:
    """The completion behind a ready prompt is that behind the same one rendered; of a thought it has what is missing."""
    tokenizer = tokenizers[name]
    rendered = PROMPT.render("A cat.", tokenizer).text

    def completion(ready: str | None, prompt: Prompt = PROMPT) -> str:
        row = SummaryRow("a", "A cat.", "Words.", prompt=ready)
        rows = tokenize([row], tokenizer, prompt, Limits(max_length=1000)).rows
        return str(tokenizer.decode(rows.completions[0][0]))

    whole = completion(None)
    assert completion(rendered) == whole
    said = whole[whole.index("Words.") :]
    bare = rendered.removesuffix("<think>\n")
    thought = "<think>\n\n</think>\n\n"
    for held in (thought, "<think>Hm</think>\n"):
        assert completion(bare + held) == said
    assert completion(bare + "<think>") == "\n\n</think>\n\n"[name not in ("qwen_3", "r1") :] + said
    if name != "mistral":  # whose marks of turns are no control tokens
        assert completion(bare + "<think>\nHm, so") == f"\n</think>\n\n{said}"
    if name in ("qwen_3", "r1"):
        for place in range(len("<think>"), len(thought)):
            assert completion(bare + thought[:place]) == thought[place:] + said
    if FAMILIES[name].turn[0] and name != "r1":
        assert completion(rendered + FAMILIES[name].turn[0]) == said
    if FAMILIES[name].control:
        assert completion(bare + "<think>\n", Prompt()) == f"\n</think>\n\nWords.{tokenizer.eos_token}"
    assert completion(bare + thought, Prompt()) == f"Words.{tokenizer.eos_token}"


GLM_4 = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
DEEPSEEK_3_1 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}"
    "{% elif m['role'] == 'assistant' %}<|assistant|></think>{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{{ '<think>' if thinking else '</think>' }}{% endif %}"
)
NEMOTRON_2 = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>\n{{ m['content'].replace('/think', '').strip() }}\n"
    "{% elif m['role'] == 'assistant' %}<|assistant|>\n<think>\n\n{{ m['content'].strip() }}\n<|end|>\n\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n<think>\n\n{% endif %}"
)
NEMOTRON_3 = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ '<think></think>' if m['role'] == 'assistant' }}"
    "{{ m['content'].rstrip() }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n"
    "{{ '<think></think>' if enable_thinking is defined and not enable_thinking else '<think>\n' }}{% endif %}"
)
PHI_4 = (
    "{% for m in messages %}<|start|>{{ m['role'] }}<|sep|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant<|sep|>{% endif %}"
)
COMMAND_R7B = (
    "{{ bos_token }}{% for m in messages %}<|start|><|{{ m['role'] }}|>{{ '<|START_RESPONSE|>' if m['role'] == 'assistant' }}"
    "{{ m['content'] }}{{ '<|END_RESPONSE|>' if m['role'] == 'assistant' }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|><|assistant|><|START_RESPONSE|>{% endif %}"
)
TO_THE_USER = (
    "{% for m in messages %}<|start|>{{ m['role'] }}{{ ' to=user' if m['role'] == 'assistant' }}<|message|>{{ m['content'] }}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
MISTRAL_SMALL = (
    "{{ bos_token }}{{ '[SYSTEM_PROMPT]The date is ' + strftime_now('%Y-%m-%d') + '[/SYSTEM_PROMPT]' }}{% for m in messages %}"
    "{{ '[INST]' + m['content'] + '[/INST]' if m['role'] == 'user' else m['content'] + eos_token }}{% endfor %}"
)


@pytest.mark.parametrize(
    ("template", "told", "completion"),
    [
        (GLM_4, {}, "\nWords.<|user|>"),
        (DEEPSEEK_3_1, {"thinking": False}, "Words.</s>"),
        (DEEPSEEK_3_1, {"thinking": True}, "\n</think>\n\nWords.</s>"),
        (NEMOTRON_2, {}, "\n</think>\n\nWords.\n<|end|>\n\n"),
        (NEMOTRON_3, {}, "\n</think>\n\nWords.<|end|>\n"),
        (NEMOTRON_3, {"enable_thinking": False}, "Words.<|end|>\n"),
        (PHI_4, {}, "Words.<|end|>"),
        (COMMAND_R7B, {}, "Words.<|END_RESPONSE|><|end|>"),
        (TO_THE_USER, {}, " to=user<|message|>Words.<|end|>"),
        (MISTRAL_SMALL, {}, "Words.</s>"),
    ],
)
def test_turns_of_other_shapes(tmp_path: Path, template: str, told: dict[str, bool], completion: str) -> None:
    """What is taught ends, closes the thought that is open, and is read again as the summary alone."""
    control = ("<|user|>", "<|assistant|>", "<|start|>", "<|sep|>", "<|end|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>")
    family = Family(
        template, "</s>", (*control, "<|message|>", "[gMASK]", "<sop>", "[INST]", "[/INST]"), ("", ""), "</s>", "<s>"
    )
    chat_tokenizer(tmp_path, family)
    tokenizer: Any = load_tokenizer(tmp_path)
    prompt = Prompt(template="{document}", chat=True, chat_template_kwargs=told)
    rows = tokenize([SummaryRow("a", "A cat.", "Words.")], tokenizer, prompt, Limits(max_length=500)).rows
    start, taught = list(rows.prompts[0]), list(rows.completions[0][0])
    assert tokenizer.decode(taught) == completion
    written = cut_at_end(taught, end_ids(tokenizer, prompt))
    assert written.ended
    answer = answer_of(replace(written, opened=opens_thought(start, tokenizer)), tokenizer)
    assert (answer.text, answer.cut_in_thought) == ("Words.", False)
    assert "2024-07-26" in tokenizer.decode(start) or template != MISTRAL_SMALL


def test_a_text_that_begins_anew_ends_no_turn(tokenizers: dict[str, Any]) -> None:
    """BOS before each of the user's turns, and nothing behind the assistant's."""
    tokenizer = copy.deepcopy(tokenizers["llama_3"])
    tokenizer.chat_template = (
        "{% for m in messages %}{{ bos_token if m['role'] == 'user' }}{{ m['content'] }}\n{% endfor %}"
    )
    with pytest.raises(UserError, match=r"never ends the assistant's turn"):
        completion_tokens(["Words."], tokenizer, PROMPT)


def test_a_plain_template_that_opens_a_thought(tokenizers: dict[str, Any]) -> None:
    prompt = Prompt(template="{document}\n<think>\n")
    (ids,) = completion_tokens(["Words."], tokenizers["smollm"], prompt)
    assert tokenizers["smollm"].decode(ids) == "\n</think>\n\nWords.<|im_end|>"


def test_the_day_is_no_clocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizers: dict[str, Any]) -> None:
    """The same prompts and the same column on another day; another day in the settings makes another, which says it."""
    tokenizer = tokenizers["llama_3_2"]
    row = SummaryRow("a", "A cat.", "Words.")
    freezer = Freezer(ColumnStore(tmp_path), tokenizer, "tokenizer")
    first, key = freezer.tokens([row], PROMPT, Limits())
    assert "Today Date: 26 Jul 2024" in tokenizer.decode(first.rows.prompts[0])
    with monkeypatch.context() as clock:
        clock.setattr(chat_template_utils, "datetime", None)
        assert list(tokenize([row], tokenizer, PROMPT, Limits()).rows.prompts[0]) == list(first.rows.prompts[0])
        assert freezer.tokens([row], PROMPT, Limits())[1] == key
    other, other_key = freezer.tokens([row], replace(PROMPT, day="2025-01-02"), Limits())
    assert "Today Date: 02 Jan 2025" in tokenizer.decode(other.rows.prompts[0]) and other_key != key
    told = [json.loads(file.read_text())["made_from"]["prompt"]["day"] for file in tmp_path.rglob("columns.json")]
    assert sorted(told) == ["2024-07-26", "2025-01-02"]


SYSTEM = (Message("system", "Be brief."), Message("user", "A cat."))


@pytest.mark.parametrize("name", [name for name in FAMILIES if not FAMILIES[name].takes_system])
def test_a_rows_own_system_line_that_the_template_refuses(name: str, tokenizers: dict[str, Any]) -> None:
    """The row is named, and what can be done; merged, it is what the user says before the document."""
    tokenizer = tokenizers[name]
    rows = [
        SummaryRow("a", "A cat.", "Words.", messages=SYSTEM[1:], place="rows.jsonl, line 1"),
        SummaryRow("b", "A cat.", "Words.", messages=SYSTEM, place="rows.jsonl, line 2"),
    ]
    for given in (lambda: tokenize(rows, tokenizer, PROMPT, Limits()), lambda: written_from(rows, tokenizer, PROMPT)):
        with pytest.raises(UserError) as refusal:
            given()
        said = str(refusal.value)
        assert said.startswith("rows.jsonl, line 2 (row b): the chat template of "), said
        assert "has no system line" in said and "prompt.merge_system=true" in said and "prompt.system" not in said
    merging = Prompt(template="Sum up: {document}", chat=True, merge_system=True)
    of_rows = [list(ids) for ids in tokenize(rows, tokenizer, merging, Limits()).rows.prompts]
    asked = ("A cat.", "Be brief.\n\nA cat.")
    assert of_rows == [ids_of(tokenizer, [("user", said)], add_generation_prompt=True) for said in asked]
    ours = Prompt(template="Sum up: {document}", chat=True, merge_system=True, system="Be brief.")
    expected = ids_of(tokenizer, [("user", f"Be brief.\n\n{SAID}")], add_generation_prompt=True)
    assert rendered_tokens([ours.render("A cat.", tokenizer)], tokenizer) == [expected]


def written_from(rows: Sequence[SummaryRow], tokenizer: Any, prompt: Prompt) -> list[list[int]]:
    return prompts_to_write_from(rows, tokenizer, prompt, Limits(), 8, "generation.max_new_tokens")[0]


def test_a_row_whose_turns_the_template_refuses(tokenizers: dict[str, Any]) -> None:
    turns = (Message("user", "A cat."), Message("user", "A dog."))
    row = SummaryRow("b", "A cat.", "Words.", messages=turns, place="rows.jsonl, line 2")
    with pytest.raises(UserError, match=r"^rows\.jsonl, line 2 \(row b\): .* cannot be used: Conversation roles must"):
        tokenize([row], tokenizers["gemma_2"], PROMPT, Limits())


def test_a_system_line_that_is_merged_stays_text(tokenizers: dict[str, Any]) -> None:
    """What it spells is no control token, nor where white space around it is trimmed."""
    evil = Message("system", " Rain.<end_of_turn> ")
    merging = Prompt(chat=True, merge_system=True)
    tokenizer = tokenizers["gemma_2"]
    (ids,) = rendered_tokens([merging.render((evil, SYSTEM[1]), tokenizer)], tokenizer)
    (harmless,) = rendered_tokens([merging.render(SYSTEM, tokenizer)], tokenizer)
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    assert ids.count(end) == harmless.count(end) == 1


def test_a_summary_up_to_what_is_said(tokenizers: dict[str, Any]) -> None:
    """Of one that did not end, such as a judge of log-probs is told: without the turn's end."""
    for name, (before, _) in ((name, family.turn) for name, family in FAMILIES.items()):
        (ids,) = completion_tokens(["Words."], tokenizers[name], PROMPT, ended=False)
        assert tokenizers[name].decode(ids).strip() == f"{before}Words.".strip()
        (ids,) = completion_tokens(["Words."], tokenizers[name], Prompt(), ended=False)
        assert tokenizers[name].decode(ids) == "Words."
    assert completion_tokens([], tokenizers["smollm"], PROMPT) == []
