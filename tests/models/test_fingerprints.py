"""Fingerprints: equal content, equal hex; anything that changes the arithmetic changes the hex."""

import json
import os
import shutil
from pathlib import Path

import pytest

from summpo.errors import UserError
from summpo.models.weights.fingerprints import (
    fingerprint_file,
    fingerprint_tokenizer,
    fingerprint_weights,
    fingerprint_writing,
)
from summpo.models.weights.loading import load_tokenizer


@pytest.fixture
def copy(tiny_model_path: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_path, tmp_path / "copy"))


def test_weights_wherever_they_lie(tiny_model_path: Path, copy: Path, tmp_path: Path) -> None:
    fingerprint = fingerprint_weights(tiny_model_path)
    assert len(fingerprint) == 64
    assert fingerprint_weights(copy) == fingerprint
    assert fingerprint_weights(copy, tmp_path / "cache") == fingerprint
    assert fingerprint_weights(copy, tmp_path / "cache") == fingerprint


def test_one_bit_of_the_weights(tiny_model_path: Path, copy: Path) -> None:
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert fingerprint_weights(copy) != fingerprint_weights(tiny_model_path)


def test_config_but_not_its_past(tiny_model_path: Path, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"transformers_version": "99", "_name_or_path": "other"}))
    assert fingerprint_weights(copy) == fingerprint_weights(tiny_model_path)
    (copy / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-3}))
    assert fingerprint_weights(copy) != fingerprint_weights(tiny_model_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("generation_config.json", '{"eos_token_id": [1, 2]}'),
        ("chat_template.jinja", "{{ messages }}"),
        ("tokenizer.json", "{}"),
        ("additional_chat_templates/rag.jinja", "{{ messages }}"),
    ],
)
def test_what_decides_how_a_text_is_read_and_ended(tiny_model_path: Path, copy: Path, file: str, content: str) -> None:
    """And no other file: a model card says nothing of it."""
    (copy / "README.md").write_text("a card")
    assert fingerprint_writing(copy) == fingerprint_writing(tiny_model_path)
    (copy / file).parent.mkdir(exist_ok=True)
    (copy / file).write_text(content)
    assert fingerprint_writing(copy) != fingerprint_writing(tiny_model_path)
    assert fingerprint_weights(copy) == fingerprint_weights(tiny_model_path)


def test_other_bytes_under_an_old_time(tmp_path: Path) -> None:
    """As tar and rsync set times: same path, size, inode and time of the last writing."""
    file, cache = tmp_path / "file", tmp_path / "cache"
    file.write_text("one")
    before = file.stat()
    first = fingerprint_file(file, cache)
    with file.open("r+") as opened:
        opened.write("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert fingerprint_file(file, cache) != first


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no weights"):
        fingerprint_weights(tmp_path)


def test_the_memo_is_read_and_outdated(tmp_path: Path) -> None:
    file, cache = tmp_path / "file", tmp_path / "cache"
    file.write_text("one")
    first = fingerprint_file(file, cache)
    (memo,) = (cache / "fingerprints").iterdir()
    memo.write_text("f" * 64)
    assert fingerprint_file(file, cache) == "f" * 64
    memo.write_text("f" * 7)  # a full disk cut it short
    assert fingerprint_file(file, cache) == first == memo.read_text()
    replacement = tmp_path / "replacement"
    replacement.write_text("two")
    replacement.replace(file)
    assert fingerprint_file(file, cache) == fingerprint_file(file) != first


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UserError, match="cannot write"):
        fingerprint_file(file, file / "cache")


def test_tokenizer_does_not_depend_on_its_last_call(tiny_model_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model_path)
    fingerprint = fingerprint_tokenizer(tokenizer)
    tokenizer(["a", "longer"], padding=True, truncation=True, max_length=4)
    assert fingerprint_tokenizer(tokenizer) == fingerprint
    assert fingerprint_tokenizer(load_tokenizer(tiny_model_path)) == fingerprint


def test_tokenizer_template_and_special_tokens(tiny_model_path: Path) -> None:
    fingerprint = fingerprint_tokenizer(load_tokenizer(tiny_model_path))
    tokenizer = load_tokenizer(tiny_model_path)
    tokenizer.chat_template = "{{ messages }}"
    assert fingerprint_tokenizer(tokenizer) != fingerprint
    tokenizer = load_tokenizer(tiny_model_path)
    tokenizer.eos_token = "<|im_start|>"
    assert fingerprint_tokenizer(tokenizer) != fingerprint
