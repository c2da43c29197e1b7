"""A folder of weights to a base model and a tokenizer. Knows dtype, quantisation and attention; no adapters."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from summpo.errors import UserError, require
from summpo.models import Model
from summpo.models.forward.families import HEAD, SHARED_PREFIX, is_known
from summpo.models.weights.folders import read_json
from summpo.models.weights.rope import scaled

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)


def load_tokenizer(folder: Path, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`, with an end of sequence; it pads with that where it has no padding token.

    Raises:
        UserError: where it cannot be loaded, is empty or has no end of sequence.
    """
    from transformers import AutoTokenizer

    with loading(f"the tokenizer in {folder}"), quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    require(len(tokenizer) > len(tokenizer.all_special_ids), f"the tokenizer in {folder} has no vocabulary")
    require(
        tokenizer.eos_token_id is not None,
        f"the tokenizer in {folder} has no end of sequence token (eos_token), so no summary could end",
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, folder: Path, name: str) -> None:
    """Checks that the model has an embedding for each token that a text can have.

    Control tokens that nothing asks for may lie beyond (Gemma 3's of pictures), and so may the padding, which is EOS
    from here on.

    Args:
        name: what the user calls the model.

    Raises:
        UserError: naming the model, both numbers and a token.
    """
    size = vocabulary_size(folder)
    if size is None:
        return
    if tokenizer.pad_token_id is not None and int(tokenizer.pad_token_id) >= size:  # type: ignore[arg-type]
        tokenizer.pad_token = tokenizer.eos_token
    asked_for = f"{tokenizer.chat_template or ''} {tokenizer.bos_token or ''} {tokenizer.eos_token}"
    control = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    beyond = {id: token for token, id in tokenizer.get_vocab().items() if id >= size}
    needed = sorted(id for id, token in beyond.items() if id not in control or token in asked_for)
    if needed:
        raise UserError(no_embedding(tokenizer, size, name, needed[0]))


def no_embedding(tokenizer: PreTrainedTokenizerBase, size: int, name: str, token: int) -> str:
    """The sentence about a token that the model does not know."""
    return (
        f"the tokenizer of {name} has {len(tokenizer)} tokens, the model {size}: it has no embedding of "
        f"{tokenizer.convert_ids_to_tokens(token)!r} (config key model.path)"
    )


def vocabulary_size(folder: Path) -> int | None:
    """How many tokens the model in a folder knows; None where its config does not say."""
    config = read_json(folder / "config.json")
    size = config.get("vocab_size") or (config.get("text_config") or {}).get("vocab_size")
    return size if isinstance(size, int) else None


def load_base(folder: Path, model: Model) -> PreTrainedModel:
    """The model in `folder` as `model` asks: dtype, attention, quantisation. On the CPU, in eval mode.

    Quantised weights lie on the current CUDA device where there is one, for bitsandbytes packs them there.

    Raises:
        UserError: where the weights cannot be loaded or some are missing.
    """
    from transformers import AutoModelForCausalLM

    base, report = _load(AutoModelForCausalLM, folder, model, {})
    require_every_weight(report, str(folder))
    return base


def load_scorer(folder: Path, model: Model, pad_id: int) -> PreTrainedModel:
    """The same under a linear head, float32, that gives each sequence one number; a language model's is fresh.

    A fresh head is drawn from torch's global generator.

    Args:
        pad_id: what batches are padded with: the head reads the last token that is another.

    Raises:
        UserError: as `load_base`, and where transformers has no such head for the model.
    """
    from transformers import AutoModelForSequenceClassification

    scorer, report = _load(AutoModelForSequenceClassification, folder, model, {"num_labels": 1})
    require(hasattr(scorer, HEAD), f"{folder}: a {type(scorer).__name__} has no linear head named {HEAD} to train")
    fresh = {name for name in report["missing_keys"] if name.startswith(f"{HEAD}.")}
    require_every_weight({"missing_keys": set(report["missing_keys"]) - fresh}, str(folder))
    scorer.config.pad_token_id, scorer.config.use_cache = pad_id, False
    head: Any = getattr(scorer, HEAD).float()
    head.register_forward_pre_hook(lambda layer, hidden: (hidden[0].to(layer.weight.dtype),))
    return scorer


def _load(kind: Any, folder: Path, model: Model, more: dict[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """A model of one of transformers' kinds, and the report of what was missing."""
    import torch
    from transformers import BitsAndBytesConfig

    import summpo.models.forward.shared_prefix  # noqa: F401  (registers it)

    config, dtype = config_of(folder, model), getattr(torch, model.dtype)
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=["lm_head", HEAD],
    )
    with loading(f"the weights in {folder}"), quiet():
        loaded: Any = kind.from_pretrained(
            folder,
            **more,
            **scaled(config.to_dict(), model.rope_scaling),
            dtype=dtype,
            attn_implementation=attention_of(kind, config, model),
            quantization_config=nf4 if model.quantization == "nf4" else None,
            trust_remote_code=model.trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
        )
    base, report = loaded  # a pair, for output_loading_info
    if model.attention == "sdpa" and is_known(base):
        base.set_attn_implementation(SHARED_PREFIX)  # the same, and knows shared prompts
    for layer in base.modules():
        # on a CPU with AVX512-BF16 bitsandbytes repacks a layer for good, in bfloat16, at its first forward in eval
        # mode, and training would go on with other weights after each validation
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    return base, report


def config_of(folder: Path, model: Model) -> PretrainedConfig:
    """The config in a folder, as transformers reads it.

    Raises:
        UserError: where it cannot be read, or needs code that may not run.
    """
    from transformers import AutoConfig

    with loading(f"the config in {folder}"), quiet():
        return AutoConfig.from_pretrained(folder, trust_remote_code=model.trust_remote_code, local_files_only=True)


def attention_of(kind: Any, config: PretrainedConfig, model: Model) -> str:
    """The attention that is asked for; eager for a model that transformers has not written sdpa for, such as Mamba."""
    made = kind._model_mapping.get(type(config), None)  # None: code of the folder's own
    if model.attention != "sdpa" or made is None or made._supports_sdpa:
        return model.attention
    log.info(f"attention: eager, for transformers has no sdpa for {made.__name__}")
    return "eager"


def is_scorer(model: Any) -> bool:
    """Whether a loaded model is a sequence classifier, such as a reward model."""
    return type(model).__name__.endswith("ForSequenceClassification")


def require_every_weight(report: Mapping[str, Any], where: str) -> None:
    """Raises UserError where transformers' loading `report` tells of weights it had to make up (at random)."""
    missing = sorted(report["missing_keys"])
    require(not missing, f"the weights in {where} are not whole: {len(missing)} are missing, {missing[:1]} among them")


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Makes one sentence of whatever the libraries raise over a file that they cannot read.

    Raises:
        UserError: "cannot load {what}: {why}".
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # broken files raise anything, from KeyError to struct.error
        why = shorten(str(error), 600) or type(error).__name__
        raise UserError(f"cannot load {what}: {why}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the progress bars and advice of transformers, PEFT and bitsandbytes off the screen; errors still rise."""
    from transformers.utils import logging as transformers_logging

    bars, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    bitsandbytes = logging.getLogger("bitsandbytes")
    level = bitsandbytes.level
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    bitsandbytes.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        bitsandbytes.setLevel(level)
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
