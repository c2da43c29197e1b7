"""Prompts as files: what is filled in stays as it is, and what is wrong with a file is one sentence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from summpo.errors import UserError
from summpo.synthesis.answers import CRITERIA, TOTAL
from summpo.synthesis.prompt_files import PromptFile, packaged_prompts, read_prompt


def written(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "prompt.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def read(name: str) -> PromptFile:
    return read_prompt(name, "mode.prompt", ("document", "words"), ("extra",))


def test_fills_and_leaves_other_braces_alone(tmp_path: Path) -> None:
    prompt = read(written(tmp_path, '{"a": {document}} in {words} words, {} and { words } and {{words}}'))
    filled = prompt.filled({"document": "{words} {document} {x} {", "words": 3, "extra": "unused"})
    assert filled == '{"a": {words} {document} {x} {} in 3 words, {} and { words } and {3}'


@given(st.text(), st.text())
def test_what_is_filled_in_is_never_read_again(document: str, words: str) -> None:
    prompt = PromptFile("own", "<{document}|{words}|{document}>")
    assert prompt.filled({"document": document, "words": words}) == f"<{document}|{words}|{document}>"


def test_the_hash_is_of_the_text_and_not_of_its_line_ends(tmp_path: Path) -> None:
    unix = read(written(tmp_path, "{document}\n{words}\n"))
    windows = read(written(tmp_path, "\ufeff{document}\r\n{words}\r\n\r\n"))
    other = read(written(tmp_path, "{document}\n\n{words}"))
    assert unix.hash == windows.hash != other.hash
    assert len(unix.hash) == 64


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{document}", "lacks the placeholder {words} (config key mode.prompt)"),
        ("nothing", "lacks the placeholder {document}, {words} (config key mode.prompt)"),
        ("", "lacks the placeholder {document}, {words} (config key mode.prompt)"),
        (
            "{document} {words} {text}",
            "has the placeholder {text}, which nothing fills; there are {document}, {words}, {extra} "
            "(config key mode.prompt)",
        ),
        (b"\xff{document}{words}", "is not UTF-8 (config key mode.prompt)"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read(written(tmp_path, content))
    assert str(caught.value) == f"the prompt {tmp_path / 'prompt.txt'} {sentence}"


def test_a_prompt_that_is_not_there(tmp_path: Path) -> None:
    for name in ("self_jugded", str(tmp_path / "none.txt"), str(tmp_path), ""):
        with pytest.raises(
            UserError,
            match=r"there is no prompt .*: neither a file nor one of .*self_judged, .* \(config key mode.prompt\)",
        ):
            read(name)


def test_those_of_summpo_are_packaged_and_say_the_ranges_that_answers_are_held_to() -> None:
    assert {"self_judged", "two_step_write", "two_step_judge"} <= set(packaged_prompts())
    names = [name for name in packaged_prompts() if name.startswith(("self_judged", "two_step"))]
    assert len(names) == 6
    for name in names:
        prompt = read_prompt(
            name,
            "mode.prompt",
            ("document",),
            ("first", "second", "first_low", "first_high", "second_low", "second_high", "explanation_words"),
        )
        if "write" in name:
            continue
        for criterion, (low, high) in CRITERIA.items():
            assert f"{criterion.capitalize()}, {low} to {high}: " in prompt.text
        assert f"the sum of its four marks, from {TOTAL[0]} to {TOTAL[1]}." in prompt.text
