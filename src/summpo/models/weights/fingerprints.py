"""What weights, adapters and tokenizers are, as hex: equal content gives equal fingerprints, wherever it lies."""

from __future__ import annotations

import json
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from summpo.models.weights.folders import ADAPTER_CONFIG, ADAPTER_WEIGHTS, weight_files

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# what a config says of its past or whereabouts, without a part in the arithmetic
_INCIDENTAL = {"transformers_version", "_name_or_path", "peft_version", "base_model_name_or_path", "inference_mode"}
_OF_TEXT = ("tokenizer", "special_tokens_map", "added_tokens", "vocab", "merges", "chat_template", "generation_config")


def fingerprint_file(file: Path, cache_dir: Path | None = None) -> str:
    """SHA-256 of a file's bytes, remembered in `cache_dir`/fingerprints by path, size, inode and times of change."""
    if cache_dir is None:
        return _digest(file)
    stat = file.stat()
    identity = f"{file.resolve()}|{stat.st_size}|{stat.st_ino}|{stat.st_mtime_ns}|{stat.st_ctime_ns}"
    memo = cache_dir / "fingerprints" / sha256(identity.encode()).hexdigest()
    known = memo.read_text() if memo.is_file() else ""
    if len(known) != 64:  # none yet, or one that a full disk cut short
        known = _digest(file)

        from summpo.models.weights.saving import writing

        with writing(memo):
            memo.parent.mkdir(parents=True, exist_ok=True)
            draft = memo.with_suffix(f".{uuid4().hex}")  # two threads of one process may be here at once
            draft.write_text(known)
            draft.replace(memo)
    return known


def fingerprint_weights(folder: Path, cache_dir: Path | None = None) -> str:
    """SHA-256 of a model folder's config and weights; with `cache_dir` big files are read once.

    Raises:
        UserError: where the folder holds no weights.
    """
    files = {file.name: fingerprint_file(file, cache_dir) for file in weight_files(folder)}
    return _digest_json({"config": _essence(folder / "config.json"), "files": files})


def fingerprint_writing(folder: Path) -> str:
    """SHA-256 of what decides, beside config and weights, how a model reads a text and where it ends one.

    These are the tokenizer's files, chat templates, and the ends and settings of generation_config.json.
    """
    found: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and (file.name.startswith(_OF_TEXT) or file.suffix in (".model", ".tiktoken", ".jinja")):
            is_config = file.name == "generation_config.json"
            found[str(file.relative_to(folder))] = _essence(file) if is_config else _digest(file)
    return _digest_json(found)


def fingerprint_adapter(folder: Path) -> str:
    """SHA-256 of an adapter's settings and weights; the base has a fingerprint of its own."""
    with (folder / ADAPTER_WEIGHTS).open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        # safetensors writes its metadata in no fixed order
        header.pop("__metadata__", None)
        weights = file_digest(opened, "sha256").hexdigest()
    return _digest_json({"config": _essence(folder / ADAPTER_CONFIG), "header": header, "weights": weights})


def fingerprint_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what decides the tokens: rules and vocabulary, special tokens, chat template."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    rules = json.loads(backend.to_str()) if backend is not None else {"vocabulary": tokenizer.get_vocab()}
    for leftover in ("padding", "truncation"):  # of whoever last called the tokenizer
        rules.pop(leftover, None)
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return _digest_json({"rules": rules, "special": special, "chat_template": tokenizer.chat_template})


def _essence(config: Path) -> dict[str, Any]:
    """A config file without what is incidental; PEFT writes the names of its targets in no fixed order."""
    settings = {key: value for key, value in json.loads(config.read_text()).items() if key not in _INCIDENTAL}
    targets = settings.get("target_modules")
    return settings | ({"target_modules": sorted(targets)} if isinstance(targets, list) else {})


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def _digest_json(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
