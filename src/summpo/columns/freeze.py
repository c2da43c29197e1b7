"""The scoring pass of the data stage: text rows to frozen columns, each computed once and kept in the column store.

What a column depends on is written out here, one function a column, and is its key in the store. None depends on w,
beta, the objective or the batch size.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from summpo.columns.code import code_of
from summpo.columns.store import Arrays, ColumnStore
from summpo.errors import UserError, require
from summpo.files.provenance import Provenance
from summpo.margin_rewards import AdapterReward, Completions, MarginReward, ModelReward, completions_of
from summpo.models.forward.scoring import score_completions
from summpo.models.forward.shared_prefix import attend
from summpo.models.speed.cached_autocast import cast_once
from summpo.models.weights.frozen import FrozenModels
from summpo.records import Ragged, Texts, TokenRows
from summpo.text.encoding import count_tokens
from summpo.text.prompts import Prompt
from summpo.text.rows import Rows, TextRow, prompt_in_plain
from summpo.text.tokens import Limits, Tokenized, tokenize

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

SCORING = (score_completions, FrozenModels, attend, cast_once)
"""What a frozen model's log-probs are computed by."""
LOADING = (
    "summpo.columns.stage",
    "summpo.models.speed.torch_compile",
    "summpo.models.speed.activation_checkpointing",
)
"""The modules by which the policy, where it is its own reference, comes to be what is scored before its first step; the
one that makes it is the settings' `policy_module`."""
STORING = (__name__, "summpo.columns.store")
"""The modules through which every column goes."""


@dataclass(frozen=True)
class Context:
    """What margin rewards that compute with models are given beside the text."""

    cache_dir: Path | None = None
    """The folder in which fingerprints of big files are remembered."""
    device: str = "cpu"
    log_ratios: Callable[[str], Sequence[float]] | None = None
    base: Any = None
    """What decides `log_ratios` beside the adapter: the base's weights, their precision, the token rows."""


@dataclass(frozen=True)
class Freezer:
    """The store, and the tokenizer that every column begins with."""

    store: ColumnStore
    tokenizer: PreTrainedTokenizerBase
    tokenizer_fingerprint: str
    policy_module: str = ""
    """As in `ColumnSettings`."""

    @property
    def loading(self) -> tuple[str, ...]:
        """The modules by which the policy comes to be, where it is its own reference."""
        return (*([self.policy_module] if self.policy_module else []), *LOADING)

    def tokens(self, rows: Rows, prompt: Prompt, limits: Limits) -> tuple[Tokenized, str]:
        """Token rows, and the fingerprint of what they were made from (what later columns depend on)."""
        made_from = {
            "tokenizer": self.tokenizer_fingerprint,
            "prompt": prompt,
            "limits": limits,
            "rows": _digest([[row.id, prompt_in_plain(row), row.document, *row.completions.values()] for row in rows]),
            "code": code_of(tokenize, given=[type(self.tokenizer)], alone=STORING),
        }
        arrays, was_stored = self.store.get(
            "tokens",
            Provenance(made_from),
            lambda: _tokens_to_arrays(tokenize(rows, self.tokenizer, prompt, limits)),
            self._called(rows),
        )
        _say("tokens", len(rows), was_stored)
        return _tokens_from_arrays(arrays), Provenance(made_from).key

    def margins(
        self, rows: Sequence[TextRow], rewards: Mapping[str, MarginReward], context: Context | None = None
    ) -> dict[str, np.ndarray]:
        """float32 [row, side] a margin reward: what it gives each completion of a row, such as chosen and rejected."""
        if not rows:
            return {name: np.zeros((0, 2), np.float32) for name in rewards}
        # those that need text alone first: what they lack is known before a model is loaded for another
        in_turn = sorted(rewards, key=lambda name: isinstance(rewards[name], ModelReward))
        found = {name: self._margin(name, rewards[name], rows, context or Context()) for name in in_turn}
        return {name: found[name] for name in rewards}

    def _margin(self, name: str, reward: MarginReward, rows: Sequence[TextRow], context: Context) -> np.ndarray:
        scoring, loading = (SCORING, self.loading) if isinstance(reward, AdapterReward) else ((), ())
        given = [type(self.tokenizer)]
        made_from = {
            "tokenizer": self.tokenizer_fingerprint,
            "reward": cache_key_of(reward),
            "weights": reward.fingerprint(context.cache_dir) if isinstance(reward, ModelReward) else None,
            "base": context.base if isinstance(reward, AdapterReward) else None,
            "rows": _digest(
                [
                    [row.document, prompt_in_plain(row), *row.completions.values(), row.references, *row.scores]
                    for row in rows
                ]
            ),
            "code": code_of(type(reward), count_tokens, *scoring, given=given, alone=(*STORING, *loading)),
        }
        arrays, was_stored = self.store.get(
            "margins",
            Provenance(made_from),
            lambda: {"rewards": margin_values(reward, self.completions(rows, context), len(rows))},
            {"margin reward": name, **self._called(rows), **_incidental(reward)},
        )
        _say(f"margin {name}", len(rows), was_stored)
        return arrays["rewards"]

    def completions(self, rows: Sequence[TextRow], context: Context) -> Completions:
        """What margin rewards are told of the rows: the completions of each in turn."""
        by_completion = completions_of(rows)
        return replace(
            by_completion, count_tokens=self.count_tokens, log_ratios=context.log_ratios, device=context.device
        )

    def reference(
        self,
        tokenized: Tokenized,
        weights: Mapping[str, Any],
        arithmetic: Mapping[str, Any],
        score: Callable[[TokenRows], tuple[Ragged, ...]],
        called: Mapping[str, str] | None = None,
    ) -> tuple[Ragged, ...]:
        """The reference's token log-probs.

        Args:
            weights: fingerprints of the model and its adapter, dtype and quantisation.
            arithmetic: in which precision and layout it computes.
            called: the names that the model and its adapter go by, for the reader of columns.json.
        """
        made_from = {
            "model": weights,
            "arithmetic": dict(arithmetic),
            "tokens": {"rows": len(tokenized.rows), "sha256": content_of(tokenized.rows)},
            "code": code_of(*SCORING, alone=(*STORING, *self.loading)),
        }

        def compute() -> Arrays:
            return {f"side{i}": side.values for i, side in enumerate(score(tokenized.rows))}

        arrays, was_stored = self.store.get("reference", Provenance(made_from), compute, called)
        _say("reference log-probs", len(tokenized.rows), was_stored)
        sides = enumerate(tokenized.rows.completions)
        return tuple(Ragged(arrays[f"side{i}"], side.offsets) for i, side in sides)

    def _called(self, rows: Sequence[TextRow]) -> dict[str, str]:
        """What a reader of columns.json knows the tokenizer and the rows by."""
        ends = {"first row": rows[0].id, "last row": rows[-1].id} if rows else {}
        return {"tokenizer": str(self.tokenizer.name_or_path), **ends}

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text alone: no special tokens, no EOS."""
        return count_tokens(texts, self.tokenizer)


def cache_key_of(reward: MarginReward) -> dict[str, Any]:
    """A margin reward's settings but for those that change none of its values."""
    incidental = reward.incidental if isinstance(reward, ModelReward) else ()
    settings = {field.name: getattr(reward, field.name) for field in fields(reward)}  # type: ignore[arg-type]
    kind = f"{type(reward).__module__}.{type(reward).__qualname__}"
    return {"class": kind, **{name: value for name, value in settings.items() if name not in incidental}}


def _incidental(reward: MarginReward) -> dict[str, str]:
    """What `cache_key_of` leaves out: where its weights lie, for one."""
    return {name: str(getattr(reward, name)) for name in reward.incidental} if isinstance(reward, ModelReward) else {}


def _digest(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """How many rows there are, and what they say as one SHA-256."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row).encode() + b"\n")
    return {"count": len(rows), "sha256": digest.hexdigest()}


def content_of(rows: TokenRows) -> str:
    """SHA-256 of the token ids, whatever texts and settings they came from."""
    digest = hashlib.sha256()
    for column in (rows.prompts, *rows.completions):
        digest.update(np.ascontiguousarray(column.values).tobytes() + np.ascontiguousarray(column.offsets).tobytes())
    return digest.hexdigest()


def margin_values(reward: MarginReward, completions: Completions, rows: int) -> np.ndarray:
    """float32 [row, side]: the margin reward of each completion of a row, such as chosen and rejected.

    Raises:
        UserError: the reward does not give one finite number a completion; names the first row.
    """
    values, asked = np.asarray(reward.rewards(completions), np.float32), len(completions.texts)
    name = f"margin reward {type(reward).__name__}"
    require(values.shape == (asked,), f"{name} gave {values.size} numbers for {asked} completions")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise UserError(f"row {completions.ids[bad[0]]}: {name} gave {values[bad[0]]}")
    return values.reshape(rows, -1)


def _tokens_to_arrays(tokenized: Tokenized) -> Arrays:
    ids = tokenized.rows.ids.utf8
    arrays: Arrays = {
        "ids": ids.values,
        "id_offsets": ids.offsets,
        "kept": tokenized.kept,
        "count_names": np.asarray(list(tokenized.counts), np.str_),
        "counts": np.asarray(list(tokenized.counts.values()), np.int64),
        "prompts": tokenized.rows.prompts.values,
        "prompt_offsets": tokenized.rows.prompts.offsets,
    }
    for i, side in enumerate(tokenized.rows.completions):
        arrays |= {f"completions{i}": side.values, f"completion_offsets{i}": side.offsets}
    return arrays


def _tokens_from_arrays(arrays: Arrays) -> Tokenized:
    sides = sum(name.startswith("completion_offsets") for name in arrays)
    rows = TokenRows(
        Texts(Ragged(arrays["ids"], arrays["id_offsets"])),
        Ragged(arrays["prompts"], arrays["prompt_offsets"]),
        tuple(Ragged(arrays[f"completions{i}"], arrays[f"completion_offsets{i}"]) for i in range(sides)),
    )
    counts = {str(name): int(n) for name, n in zip(arrays["count_names"], arrays["counts"], strict=True)}
    return Tokenized(rows, arrays["kept"], counts)


def _say(what: str, rows: int, was_stored: bool) -> None:
    log.info(f"columns: {what} of {rows} rows {'read from the cache' if was_stored else 'computed and stored'}")
