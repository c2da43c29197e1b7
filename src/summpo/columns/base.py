"""The model's folder, its tokenizer and the store: what every column of a run begins with."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from summpo.columns.reuse import on_disk, reused
from summpo.columns.settings import ColumnSettings
from summpo.columns.store import ColumnStore
from summpo.models.forward.layouts import Layout, pad, share_prefixes
from summpo.models.forward.shared_prefix import why_not
from summpo.models.weights.fingerprints import fingerprint_tokenizer, fingerprint_weights
from summpo.models.weights.folders import check_context, model_config
from summpo.models.weights.loading import check_vocabulary, load_tokenizer
from summpo.models.weights.rope import scaled
from summpo.models.weights.sources import resolve

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Base:
    """The model's folder on this disk, its tokenizer, what the store knows them by, and the store."""

    folder: Path
    tokenizer: PreTrainedTokenizerBase
    tokenizer_fingerprint: str
    fingerprint: str
    store: ColumnStore
    cache: Path
    shares_prefixes: bool
    """Whether the sequences of a batch lie in one row that shares their prompts, or are padded."""

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id)  # type: ignore[arg-type]

    @property
    def layout(self) -> Layout:
        """How the sequences of a batch lie in the model's input."""
        return share_prefixes if self.shares_prefixes else partial(pad, pad_id=self.pad_id)


def find_base(settings: ColumnSettings) -> Base:
    """Finds (or fetches, or converts) the model and loads its tokenizer; the weights stay on the disk."""
    model, cache = settings.model, settings.cache
    folder, may_run_code = resolve(model, cache), model.trust_remote_code
    check_context(folder, settings.limits.max_length, model.rope_scaling)

    def load() -> tuple[PreTrainedTokenizerBase, str]:
        tokenizer = load_tokenizer(folder, may_run_code)
        check_vocabulary(tokenizer, folder, model.path)
        return tokenizer, fingerprint_tokenizer(tokenizer)

    tokenizer, tokenizer_fingerprint = reused("tokenizer", (folder, on_disk(folder), may_run_code), load)
    return Base(
        folder=folder,
        tokenizer=tokenizer,
        tokenizer_fingerprint=tokenizer_fingerprint,
        fingerprint=fingerprint_weights(folder, cache),
        store=ColumnStore(cache / "columns"),
        cache=cache,
        shares_prefixes=shares_prefixes(settings),
    )


def shares_prefixes(settings: ColumnSettings) -> bool:
    """Whether the run's batches share their prompts; says why not where that was asked for and cannot be."""
    if settings.batching != "shared_prefix":
        return False
    why = None
    if settings.model.attention != "sdpa":
        why = f"model.attention={settings.model.attention} is not proven to read shared prompts"
    for model in (settings.model, settings.reference or settings.model):
        config = model_config(resolve(model, settings.cache), "model.path")
        why = why or why_not(
            config | scaled(config, model.rope_scaling), settings.limits.max_length, model.trust_remote_code
        )
    if why is not None:
        log.info(f"batching: padded, for {why}")
    return why is None
