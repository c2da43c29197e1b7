"""A GGUF file to a folder of float32 safetensors, once.

transformers unpacks the weights and rebuilds the tokenizer; this file adds the cache, and puts right what the
unpacked model still remembers of its former quantisation.
"""

from __future__ import annotations

import logging
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.models.weights.fingerprints import fingerprint_file
from summpo.models.weights.loading import loading, quiet, require_every_weight
from summpo.models.weights.saving import whole_folder, writing

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_RULES = 1
"""Part of the folder's name: raise it when the conversion changes, so that older folders are not taken for new."""


def convert(file: Path, cache_dir: Path) -> Path:
    """The folder of safetensors and tokenizer made from a GGUF `file`, named by its content, made once.

    Raises:
        UserError: where transformers cannot read the file, or the folder cannot be written.
    """
    from filelock import FileLock

    target = _target(file, cache_dir)
    if target.is_dir():
        return target
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_suffix(".lock"))
    with lock:
        # another process may have made it while this one waited
        if not target.is_dir():
            log.info(f"converting {file.name} to safetensors, once, kept in {target}")
            model, tokenizer = _unpack(file)
            with whole_folder(target) as folder, quiet():
                model.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
    return target


def converted(file: Path, cache_dir: Path) -> Path | None:
    """The folder that `convert` has made from a GGUF `file`; None where it has not."""
    target = _target(file, cache_dir)
    return target if target.is_dir() else None


def _target(file: Path, cache_dir: Path) -> Path:
    return cache_dir / "models" / f"{fingerprint_file(file, cache_dir)[:16]}-{_RULES}"


def _unpack(file: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # newer transformers can leave the weights packed where it finds a kernel for them, older ones always unpack
    unpacked = transformers.GgufConfig(dequantize=True) if hasattr(transformers, "GgufConfig") else None
    # the unpacking draws a progress bar of its own on stderr
    with loading(f"the GGUF file {file}"), quiet(), redirect_stderr(StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            dtype=torch.float32,
            quantization_config=unpacked,
            output_loading_info=True,
        )
        _split_digits(tokenizer, file)
    model, report = loaded  # a pair, for output_loading_info
    require_every_weight(report, f"the GGUF file {file}")
    # the weights are plain now, but save_pretrained refuses a model that remembers a quantiser
    vars(model.config).pop("quantization_config", None)
    for leftover in ("hf_quantizer", "is_quantized", "quantization_method"):
        vars(model).pop(leftover, None)
    return model, tokenizer


def _split_digits(tokenizer: PreTrainedTokenizerBase, file: Path) -> None:
    """Restores SmolLM's rule that a digit is a word, which transformers drops on the way from GGUF.

    Without it white space before a number is cut otherwise than in the model's training.
    """
    from gguf import GGUFReader
    from tokenizers.pre_tokenizers import Digits, Sequence

    rule = GGUFReader(file).get_field("tokenizer.ggml.pre")
    if rule is not None and rule.contents() == "smollm":
        backend: Any = tokenizer.backend_tokenizer
        backend.pre_tokenizer = Sequence([Digits(individual_digits=True), backend.pre_tokenizer])
