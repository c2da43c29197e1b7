"""What a folder of weights holds: a model or an adapter, by its files' names and its config. No weight is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from summpo.errors import UserError, require
from summpo.models.weights.rope import scaled, window_of

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}

SCORES = "SEQ_CLS"
"""PEFT's name for the task of a reward model's adapter."""
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


def check_context(folder: Path, max_length: int, rope_scaling: Mapping[str, Any] | None = None) -> None:
    """Checks that rows of `max_length` tokens fit the positions that the model was made for, or scaled to.

    Raises:
        UserError: naming both numbers; or the model's positions cannot be scaled.
    """
    positions = context_of(folder, rope_scaling)
    require(
        positions is None or max_length <= positions,
        f"max_length must be at most the model's context of {positions} tokens, got {max_length} "
        "(config key tokens.max_length)",
    )


def context_of(folder: Path, rope_scaling: Mapping[str, Any] | None = None) -> int | None:
    """Tokens that the model in a folder reads; None where its config does not say.

    Raises:
        UserError: its positions cannot be scaled as asked for.
    """
    config = read_json(folder / "config.json")
    return window_of(config | scaled(config, rope_scaling))


def stop_ids(folder: Path) -> list[int]:
    """The tokens at which a model's own settings end generation: of generation_config.json, else of config.json."""
    for name in ("generation_config.json", "config.json"):
        settings = read_json(folder / name) if (folder / name).is_file() else {}
        for found in (settings, settings.get("text_config") or {}):
            ends = found.get("eos_token_id")
            ends = ends if isinstance(ends, list) else [ends]
            if any(isinstance(end, int) for end in ends):
                return [end for end in ends if isinstance(end, int)]
    return []


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights of a model folder, in transformers' order of preference.

    Raises:
        UserError: where there is none, or one that the folder's index names is missing.
    """
    found = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        ggufs = sorted(folder.glob("*.gguf"))
        advice = f"; to use its GGUF file, name the file: {ggufs[0]}" if ggufs else ""
        raise UserError(f"the model folder {folder} holds no weights ({' or '.join(_WEIGHTS[::2])}){advice}")
    if found.suffix != ".json":
        return [found]
    try:
        shards = sorted({folder / name for name in json.loads(found.read_text())["weight_map"].values()})
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{found} is no index of weights: {error!r}") from error
    missing = [shard.name for shard in shards if not shard.is_file()]
    require(not missing, f"{found} names weights that are not there: {', '.join(missing)}")
    return shards


def stored_dtype(folder: Path) -> str | None:
    """The type of a model folder's weights as torch names it, by its files' headers; None where they are of several.

    Raises:
        UserError: where there are no weights.
    """
    found: set[str] = set()
    for file in weight_files(folder):
        if file.suffix != ".safetensors":
            return None
        with file.open("rb") as opened:
            header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
        found |= {_DTYPES.get(weight["dtype"], "") for name, weight in header.items() if name != "__metadata__"}
    return (found.pop() or None) if len(found) == 1 else None


def check_folder(folder: Path, key: str = "model") -> None:
    """Raises UserError unless `folder` is a model: config.json and weights, and no adapter."""
    require(
        not (folder / ADAPTER_CONFIG).exists(),
        f"{folder} is an adapter, not a model: give its base as {key}.path and this folder as {key}.adapter, "
        f"or merge them with summpo merge (config key {key}.path)",
    )
    require(
        (folder / "config.json").is_file(), f"the model folder {folder} holds no config.json (config key {key}.path)"
    )
    weight_files(folder)


def check_adapter(folder: Path, key: str = "model.adapter") -> None:
    """Raises UserError unless `folder` is a PEFT adapter with its weights in safetensors."""
    require(folder.is_dir(), f"there is no adapter folder {folder} (config key {key})")
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        require((folder / name).is_file(), f"the adapter folder {folder} holds no {name} (config key {key})")


def adapter_task(folder: Path) -> str | None:
    """PEFT's name of what an adapter does: CAUSAL_LM, SEQ_CLS ..."""
    return read_json(folder / ADAPTER_CONFIG).get("task_type")


def architectures(folder: Path) -> list[str]:
    """The classes that a model folder's config names."""
    return read_json(folder / "config.json").get("architectures") or []


def model_config(folder: Path, key: str) -> dict[str, Any]:
    """What config.json of a model's folder says.

    Raises:
        UserError: naming the file and the config `key`.
    """
    file = folder / "config.json"
    require(file.is_file(), f"{folder} is no model's folder: there is no config.json in it (config key {key})")
    return read_json(file, f" (config key {key})")


def read_json(file: Path, where: str = "") -> dict[str, Any]:
    """A JSON object in a file.

    Raises:
        UserError: naming the file, and `where` it was asked for.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}{where}") from None
    require(isinstance(found, dict), f"{file} holds no JSON object{where}")
    return found
