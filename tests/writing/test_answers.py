"""What a model wrote as it is read: without control tokens, without thoughts, and both counted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from summpo.commands import main
from summpo.models import Model
from summpo.models.weights.loading import load_tokenizer
from summpo.text.prompts import Prompt
from summpo.text.rows import SummaryRow
from summpo.text.tokens import Limits
from summpo.writing.answers import Answer, answer_of, opens_thought
from summpo.writing.decoding import Decoding
from summpo.writing.generation import Generated
from summpo.writing.samples import Fate, ThoughtCounts, sample_of, thought_counts
from summpo.writing.writer import load_writer
from support.chat_models import FAMILIES, chat_model, chat_tokenizer, id_of

ROW = SummaryRow("a", "A cat.", "Words.")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("qwen")
    chat_tokenizer(folder, FAMILIES["qwen_3"])
    return load_tokenizer(folder)


def ids(tokenizer: Any, *tokens: str) -> list[int]:
    return [id_of(tokenizer, token) for token in tokens]


def test_thoughts_are_taken_off_and_counted(qwen: Any) -> None:
    """Four tokens of thoughts, their marks among them, before "Hi."."""
    written = Generated(ids(qwen, "<think>", "H", "m", "</think>", "H", "i", "."))
    assert answer_of(written, qwen) == Answer("Hi.", thought_tokens=4)
    assert answer_of(written, qwen, keep_thoughts=True) == Answer("<think>Hm</think>Hi.")
    cut = Generated(written.ids[:3])
    assert answer_of(cut, qwen) == Answer("", thought_tokens=3, cut_in_thought=True)


def test_a_thought_that_the_prompt_opened(qwen: Any) -> None:
    within = Generated(ids(qwen, "H", "m"), opened=True)
    assert answer_of(within, qwen) == Answer("", thought_tokens=2, cut_in_thought=True)
    assert answer_of(replace(within, opened=False), qwen) == Answer("Hm")
    closed = Generated(ids(qwen, "H", "m", "</think>", "\n", "H", "i"), opened=True)
    assert answer_of(closed, qwen) == Answer("Hi", thought_tokens=4)


@pytest.mark.parametrize(
    ("text", "opens"),
    [("<|im_start|>assistant\n<think>\n", True), ("<think>\n\n</think>\n\n", False), ("A cat.", False)],
)
def test_prompts_that_open_a_thought(qwen: Any, text: str, opens: bool) -> None:
    assert opens_thought(qwen(f"A cat. {text}")["input_ids"], qwen) is opens


def test_control_tokens_are_no_text(qwen: Any) -> None:
    written = Generated(ids(qwen, "H", "<|im_start|>", "i"))
    assert answer_of(written, qwen) == answer_of(written, qwen, keep_thoughts=True) == Answer("Hi")
    spelt = Generated(qwen("<|end|> <|message|>", split_special_tokens=True)["input_ids"])
    assert answer_of(spelt, qwen) == Answer("<|end|> <|message|>")


def test_channels_whose_marks_are_control_tokens(tmp_path: Path) -> None:
    tokenizer: Any = chat_tokenizer(tmp_path, FAMILIES["gpt_oss"])
    text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi."
    written = Generated(tokenizer(text, add_special_tokens=False)["input_ids"])
    thought = "<|channel|>analysis<|message|>Hm.<|end|>"
    count = len(tokenizer(thought, add_special_tokens=False)["input_ids"])
    assert answer_of(written, tokenizer) == Answer("Hi.", thought_tokens=count)


@pytest.mark.parametrize(
    ("prompt", "said", "decoding", "summary", "thought", "cut"),
    [
        ({}, ["<think>", "H", "m", "</think>", *"Words."], {}, "Words.", 4, False),
        ({}, ["<think>", "H", "m", "</think>", *"Words."], {"thoughts": "keep"}, "<think>Hm</think>Words.", 0, False),
        ({}, ["<think>", "H", "m", "</think>", *"Words."], {"max_new_tokens": 3}, "", 3, True),
        ({"enable_thinking": False}, list("Words."), {}, "Words.", 0, False),
    ],
)
def test_what_a_model_that_thinks_leaves_in_samples(
    tmp_path: Path,
    prompt: dict[str, Any],
    said: list[str],
    decoding: dict[str, Any],
    summary: str,
    thought: int,
    cut: bool,
) -> None:
    """The template's own switch reaches the prompt, which then holds an empty thought."""
    folder = chat_model(tmp_path, FAMILIES["qwen_3"], said)
    writer = load_writer(
        Model(path=str(folder)),
        Prompt(chat=True, chat_template_kwargs=prompt),
        Limits(max_length=200),
        Decoding(**({"max_new_tokens": 20} | decoding)),
        tmp_path,
        "cpu",
    )
    (ids,), _ = writer.prompts([ROW])
    assert str(writer.tokenizer.decode(ids)).endswith("<think>\n\n</think>\n\n") is bool(prompt)
    sample = sample_of(writer, ROW, writer.write([ids])[0], Fate())
    assert (sample["summary"], sample["thought_tokens"], sample["cut_in_thought"]) == (summary, thought, cut)
    assert sample["length_tokens"] == len(writer.tokenizer(summary, add_special_tokens=False)["input_ids"])  # type: ignore[arg-type]
    assert sample["ended"] is not cut


@pytest.mark.parametrize(
    ("more", "thoughts", "length", "rouge"),
    [
        ([], {"summaries": 2, "tokens": 8, "cut": 0}, 6, 1.0),
        (["generation.max_new_tokens=3"], {"summaries": 2, "tokens": 6, "cut": 2}, 0, 0.0),
        (["generation.thoughts=keep"], {"summaries": 0, "tokens": 0, "cut": 0}, 10, 0.4),
    ],
)
def test_evaluate_measures_the_summary_alone(
    tmp_path: Path, more: list[str], thoughts: dict[str, int], length: float, rouge: float
) -> None:
    """And says of the thoughts what they were. Kept, three words more than the reference's one: 2 / (1 + 4) = 0.4."""
    folder = chat_model(tmp_path / "model", FAMILIES["qwen_3"], ["<think>", "H", "m", "</think>", *"Words."])
    documents = tmp_path / "documents.jsonl"
    documents.write_text('{"document": "A cat.", "summary": "Words."}\n{"document": "A dog.", "summary": "Words."}\n')
    settings = [f"model.path={folder}", f"input={documents}", f"cache_dir={tmp_path}", f"output_dir={tmp_path / 'out'}"]
    chat = ["prompt.chat=true", "prompt.chat_template_kwargs.enable_thinking=true", "bertscore.path=null"]
    assert main(["evaluate", *settings, *chat, "generation.max_new_tokens=20", "tokens.max_length=200", *more]) == 0
    result = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert result["thoughts"] == thoughts
    assert result["metrics"]["eval/length_tokens"] == length
    assert result["metrics"]["eval/rouge1"] == pytest.approx(rouge)


def test_counts_of_thoughts() -> None:
    samples = [{"thought_tokens": n, "cut_in_thought": cut} for n, cut in ((0, False), (4, False), (7, True))]
    assert thought_counts(samples) == ThoughtCounts(summaries=2, tokens=11, cut=1)
    said = "; 2 after thoughts of 11 tokens together, 1 cut within them (generation.max_new_tokens)"
    assert thought_counts(samples).words() == said
    assert thought_counts(samples[:1]).words() == ""
