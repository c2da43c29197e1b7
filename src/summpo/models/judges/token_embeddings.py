"""An encoder's token embeddings of texts of any length: token ids in, one vector a token out, by windows.

Knows files, layers, tokens and batches; not what a summary or a reference is, nor what is compared with what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from summpo.errors import UserError, require
from summpo.models.judges.encoders import load_encoder, longest_first
from summpo.models.weights.loading import quiet
from summpo.text.encoding import AT_ONCE, text_tokens

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST = 512
"""Tokens of a window, at most, special tokens included: where the official BERTScore cuts a text."""


@dataclass(frozen=True)
class TokenVectors:
    """One text's token embeddings: its windows one after the other, each with its own special tokens."""

    vectors: Float[Tensor, "token hidden"]
    """float32, of norm 1."""
    ids: tuple[int, ...]
    is_text: Bool[Tensor, " token"]
    """False for special tokens."""
    first: int
    """How many of them are the first window's."""

    def cut(self) -> TokenVectors:
        """The first window alone: the text as it is cut at the encoder's limit."""
        return TokenVectors(self.vectors[: self.first], self.ids[: self.first], self.is_text[: self.first], self.first)


@dataclass(frozen=True)
class TokenEncoder:
    """A loaded encoder whose last layer is the one that is asked for, and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    limit: int
    """Tokens of a window, at most, special tokens included."""
    before: tuple[int, ...]
    """Special tokens in front of a text."""
    after: tuple[int, ...]

    @property
    def room(self) -> int:
        """Tokens of a text in a window, at most."""
        return self.limit - len(self.before) - len(self.after)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's ids, however long: no special tokens, and where it spells one ([SEP]) it is text."""
        with quiet():
            parts = [texts[first : first + AT_ONCE] for first in range(0, len(texts), AT_ONCE)]
            return [ids for part in parts for ids in text_tokens(part, self.tokenizer)]

    def embed(self, texts: Sequence[Sequence[int]], batch_size: int) -> list[TokenVectors]:
        """The embeddings of texts given as ids, `batch_size` windows of like length at a time.

        No token is computed twice but those that a last window, moved back, shares with the one before it.
        """
        by_text = [self._windows(ids) for ids in texts]
        windows = [window for own in by_text for window in own]
        vectors = iter(self._vectors(windows, batch_size))
        return [self._joined(own, [next(vectors) for _ in own]) for own in by_text]

    def _windows(self, ids: Sequence[int]) -> list[_Window]:
        found = []
        for start, new in token_windows(len(ids), self.room):
            inside, front = ids[start : start + self.room], len(self.before)
            row = [*self.before, *inside, *self.after]
            found.append(_Window(row, [*range(front), *range(front + new - start, len(row))]))
        return found

    def _vectors(self, windows: Sequence[_Window], batch_size: int) -> list[Float[Tensor, "token hidden"]]:
        """The embeddings of each window's tokens that count."""
        import torch

        found: list[Tensor] = [torch.empty(0)] * len(windows)
        pad = int(self.tokenizer.pad_token_id or 0)  # type: ignore[arg-type]
        device = self.model.device
        with torch.inference_mode():
            for chunk in longest_first([len(window.ids) for window in windows], batch_size):
                rows = [windows[i].ids for i in chunk]
                longest = max(map(len, rows))
                ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
                mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
                hidden = self.model(input_ids=ids, attention_mask=mask)[0].float()
                for i, own in zip(chunk, hidden, strict=True):
                    counted = torch.tensor(windows[i].counted, device=device)
                    found[i] = torch.nn.functional.normalize(own[counted], dim=1)
        return found

    def _joined(self, windows: Sequence[_Window], vectors: Sequence[Tensor]) -> TokenVectors:
        """A text's windows as one."""
        import torch

        last = len(self.after)
        is_text = [len(self.before) <= place < len(window.ids) - last for window in windows for place in window.counted]
        return TokenVectors(
            vectors=torch.cat(list(vectors)),
            ids=tuple(window.ids[place] for window in windows for place in window.counted),
            is_text=torch.tensor(is_text, device=vectors[0].device),
            first=len(windows[0].counted),
        )


@dataclass(frozen=True)
class _Window:
    ids: list[int]
    """Token ids, special tokens among them."""
    counted: list[int]
    """Places of its special tokens, and of those of the text's that no window before it holds."""


def token_windows(length: int, room: int) -> list[tuple[int, int]]:
    """Where windows of `room` tokens lie in a text of `length` tokens, and which of its tokens each is read for.

    The first holds the first `room` tokens, the next the following, and so on; the last of several is moved back until
    it is as full as the others, so that no token is read without its surroundings. A text that fits is one window.

    Returns:
        One (start, new) a window: its first token, and the first that no window before it holds.
    """
    return [(max(0, min(new, length - room)), new) for new in range(0, max(length, 1), room)]


def load_token_encoder(folder: Path, layer: int, key: str, device: str) -> TokenEncoder:
    """The encoder in a folder, its layers above `layer` (from 1) left away: float32, eval mode, on a device.

    Raises:
        UserError: its files cannot be loaded, some of the weights that are used are missing, it has fewer layers, or
            is no encoder of BERT's kind; names the config key under `key`.
    """
    from transformers import AutoModel

    model, tokenizer = load_encoder(AutoModel, folder, device, spare=("pooler.",))
    _leave_away(model, layer, folder, key)
    (bare,) = text_tokens(["a"], tokenizer)
    whole = list(tokenizer("a", split_special_tokens=True)["input_ids"])
    at = next((at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), 0)
    before, after = tuple(whole[:at]), tuple(whole[at + len(bare) :])
    limit = min(MOST, _positions(model), tokenizer.model_max_length)
    require(limit > len(before) + len(after), f"{folder}: an encoder of {limit} positions has no room for a text")
    return TokenEncoder(model, tokenizer, limit, before, after)


def _leave_away(model: Any, layer: int, folder: Path, key: str) -> None:
    """Takes the layers above `layer` out of the model: what it then returns are the hidden states of that layer."""
    stacks = [getattr(model, name, None) for name in ("encoder", "transformer")]
    found = next((stack for stack in stacks if hasattr(stack, "layer")), None)
    if found is None or hasattr(model, "decoder"):
        raise UserError(
            f"{folder}: a {type(model).__name__} is no encoder of BERT's kind (BERT, RoBERTa, DeBERTa, ELECTRA, MPNet, "
            f"DistilBERT ...) (config key {key}.path)"
        )
    layers = len(found.layer)
    require(layer <= layers, f"layer must be at most {layers}, for {folder}, got {layer} (config key {key}.layer)")
    found.layer = found.layer[:layer]


def _positions(model: Any) -> int:
    """How many tokens the model has positions for; those of RoBERTa's kind begin behind that of the padding."""
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    if table is None:
        return int(getattr(model.config, "max_position_embeddings", MOST))
    return int(table.num_embeddings) - (0 if table.padding_idx is None else int(table.padding_idx) + 1)
