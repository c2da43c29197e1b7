"""What flows from the data to the loss, typed, each tensor with its shape.

Completions of a batch are flat: one entry a completion token (axis `token`), in the order of the sequences (axis
`sequence`), with the number of tokens of each sequence beside them. How the sequences lie in the model's input, padded
or sharing their prompts, no loss and no metric ever sees. In a batch of pairs the first half of the sequences is
chosen, the second half rejected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Thing = TypeVar("Thing")
ALIGNED = 16
"""Bytes: where a tensor may begin in a buffer of several."""


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths in one flat array: row i is values[offsets[i] : offsets[i + 1]]."""

    values: np.ndarray
    offsets: np.ndarray
    """int64, one more than there are rows, from 0 to len(values)."""

    @classmethod
    def from_rows(cls, rows: list[np.ndarray] | list[list[int]], dtype: type) -> "Ragged":
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        values = np.concatenate([np.asarray(row, dtype) for row in rows]) if rows else np.zeros(0, dtype)
        return cls(values.astype(dtype, copy=False), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int | np.integer) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def sums(self) -> np.ndarray:
        """float64 [row]: the sum of each row's values."""
        return np.array([self[row].sum(dtype=np.float64) for row in range(len(self))], np.float64)


@dataclass(frozen=True)
class Texts:
    """Texts in one flat array of UTF-8, which may lie on disk; each is decoded when it is asked for."""

    utf8: Ragged
    """uint8."""

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Texts":
        return cls(Ragged.from_rows([np.frombuffer(text.encode(), np.uint8) for text in texts], np.uint8))

    def __len__(self) -> int:
        return len(self.utf8)

    def __getitem__(self, row: int | np.integer) -> str:
        return self.utf8[row].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))


@dataclass(frozen=True)
class TokenRows:
    """Prompts with one completion each (SFT) or two (chosen, rejected), as token ids."""

    ids: Texts
    prompts: Ragged
    completions: tuple[Ragged, ...]
    """One or two columns, int32. Every completion ends with EOS, or as the chat template ends a turn."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class FrozenColumns:
    """Everything about the rows of one split that does not change while the policy trains."""

    rows: TokenRows
    reference: tuple[Ragged, ...] | None
    """Token log-probs of the frozen reference, float32, shaped like `rows.completions`; None where not needed."""
    margins: np.ndarray
    """float32 [row, reward]: each margin reward of the chosen minus that of the rejected completion; of a single one,
    less the mean over the training rows."""
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """bool [row]: whether the completion is desirable; empty where rows have no label."""

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Padded:
    """One row a sequence, padded on the right."""

    attention_mask: Bool[Tensor, "row position"]


@dataclass(frozen=True)
class PromptGroup:
    """A part of a row: a prompt's tokens, then those of each of its completions, which do not see one another."""

    prompt: int
    completions: tuple[int, ...]


@dataclass(frozen=True)
class Stretches:
    """A row that shares prompts as stretches, each with keys of its own: [prompt | completion], and each further one.

    A further completion attends to the keys of its prompt and of itself.
    """

    key_at: Int[Tensor, " key"] | None
    """The position of the row that each key comes from; None where they are the row as it is."""
    starts: Int[Tensor, " bound"]
    """int32: where each stretch begins in the row, and where the last one ends."""
    key_starts: Int[Tensor, " bound"]
    """int32: the same among the keys."""
    longest: int
    longest_keys: int


@dataclass(frozen=True)
class SharedPrefix:
    """All sequences in one row without padding, each prompt once: [prompt | completion | completion | prompt ...]."""

    position_ids: Int[Tensor, "row position"]
    """Where each token stands in its own sequence."""
    groups: tuple[PromptGroup, ...]
    """What the row holds, in order."""
    stretches: Stretches
    """The same for a kernel that reads the whole row at once."""
    masks: dict[Any, Tensor] = field(default_factory=dict, compare=False, repr=False)
    """What every layer asks for, kept by who makes it, as long as the row."""


@dataclass(frozen=True)
class Batch:
    """Sequences and where their completion tokens are. Shapes as in the module's first lines.

    `distinct` counts the completion tokens that are computed: fewer than `token` where sequences of one prompt have the
    same completion and the layout computes it once.
    """

    row_ids: tuple[str, ...]
    input_ids: Int[Tensor, "row position"]
    layout: Padded | SharedPrefix
    predicted_at: Int[Tensor, " distinct"]
    """Where in the flattened [row * position] hidden states each of them is predicted."""
    targets: Int[Tensor, " distinct"]
    token_at: Int[Tensor, " token"]
    """Which of the distinct tokens each completion token is."""
    lengths: Int[Tensor, " sequence"]
    """Completion tokens of each sequence, EOS counted."""
    counts: Int[np.ndarray, " sequence"]
    """The same for the host."""
    share: Float[Tensor, " unit"]
    """What each row's loss counts in this batch's loss; 0 for a row that only fills up a process's share."""

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device (the name by which Lightning asks for it)."""
        return moved(self, torch.device(device))


@dataclass(frozen=True)
class PairBatch(Batch):
    """A batch of pairs: `sequence` is chosen_0 .. chosen_n, rejected_0 .. rejected_n."""

    reference: Float[Tensor, " token"]
    """The reference's log-probs; 0 where the objective asks for none."""
    margins: Float[Tensor, "pair reward"]


@dataclass(frozen=True)
class LabelledBatch(Batch):
    """A batch of labelled rows: `sequence` is own_0 .. own_n, then, where asked for, mismatched_0 .. mismatched_n."""

    reference: Float[Tensor, " token"]
    margins: Float[Tensor, "unit reward"]
    labels: Bool[Tensor, " unit"]


@dataclass(frozen=True)
class LogProbs:
    """Log-probs of completions, token by token. float32."""

    tokens: Float[Tensor, " token"]
    lengths: Int[Tensor, " sequence"]
    log_collisions: Float[Tensor, " token"] | None = None
    """log sum_v p_v^2: the log-prob that two draws of a token agree, without a gradient; None where nobody asked."""

    def sums(self) -> Float[Tensor, " sequence"]:
        """Summed over the completion tokens of each sequence."""
        sequences = torch.arange(len(self.lengths), device=self.lengths.device)
        sequence = sequences.repeat_interleave(self.lengths, output_size=len(self.tokens))
        return torch.zeros(len(self.lengths), device=self.tokens.device, dtype=self.tokens.dtype).index_add(
            0, sequence, self.tokens
        )

    def means(self) -> Float[Tensor, " sequence"]:
        """The mean over the completion tokens of each sequence, EOS counted."""
        return self.sums() / self.lengths

    def aligned_means(self) -> Float[Tensor, " sequence"]:
        """The same of log p - log sum_v p_v^2: near 0 for what the model would write, however sure it is.

        Plain means where nobody asked for the collisions. WPO's "sampled alignment", 2406.11827 section 3.
        """
        if self.log_collisions is None:
            return self.means()
        return replace(self, tokens=self.tokens - self.log_collisions).means()

    def weighted(self, weights: Float[Tensor, " token"]) -> "LogProbs":
        """Each token's log-prob times its weight."""
        return replace(self, tokens=self.tokens * weights)


@dataclass(frozen=True)
class PairLogProbs:
    """What a pairwise objective is told of a batch; `sequence` is chosen_0 .. chosen_n, rejected_0 .. rejected_n."""

    policy: LogProbs
    reference: LogProbs
    """All 0 for an objective that asks for no reference."""
    seeds: Int[np.ndarray, " pair"]
    """For what an objective draws of a pair: by the run's seed, the step and the row, never by batch or process."""
    counts: Int[np.ndarray, " sequence"] = field(default_factory=lambda: np.zeros(0, np.int64))
    """The policy's `lengths` for the host, where it has them already: to ask a GPU for them is to wait for it."""

    def counted(self) -> Int[np.ndarray, " sequence"]:
        """Tokens of each sequence."""
        return self.counts if len(self.counts) else self.policy.lengths.cpu().numpy()


@dataclass(frozen=True)
class PairLosses:
    """What a pairwise objective makes of a batch."""

    loss: Float[Tensor, " pair"]
    logit: Float[Tensor, " pair"]
    """How strongly the chosen completion is preferred, margin and all."""
    rewards: Float[Tensor, " sequence"]
    """What the policy alone says that each completion is worth; it holds no margin, so that runs compare."""


def moved(thing: Thing, device: torch.device) -> Thing:
    """A dataclass with all its tensors, and those of the dataclasses within it, on a device."""
    return with_tensors(thing, iter(sent(list(tensors_in(thing)), device)))


def tensors_in(thing: Any) -> Iterator[Tensor]:
    """Those of a dataclass and of the dataclasses within it."""
    for value in vars(thing).values():
        if isinstance(value, Tensor):
            yield value
        elif is_dataclass(value):
            yield from tensors_in(value)


def with_tensors(thing: Thing, tensors: Iterator[Tensor]) -> Thing:
    """The same dataclass with other tensors, in the order of `tensors_in`."""
    changed = {}
    for name, value in vars(thing).items():
        if isinstance(value, Tensor):
            changed[name] = next(tensors)
        elif is_dataclass(value):
            changed[name] = with_tensors(value, tensors)
    return replace(thing, **changed)  # type: ignore[type-var]


def sent(tensors: Sequence[Tensor], device: torch.device) -> list[Tensor]:
    """Tensors of the host on a device; on a CUDA device by one copy from pinned memory, and nobody waits for it.

    They are parts of one buffer there. torch keeps pinned memory until the copy is done.
    """
    if device.type != "cuda" or any(each.device.type != "cpu" for each in tensors):
        return [each.to(device) for each in tensors]
    sizes = [-(-each.nbytes // ALIGNED) * ALIGNED for each in tensors]
    packed = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=True)
    for each, part in zip(tensors, parts(packed, sizes, tensors), strict=True):
        part.copy_(each)
    return parts(packed.to(device, non_blocking=True), sizes, tensors)


def parts(packed: Tensor, sizes: Sequence[int], like: Sequence[Tensor]) -> list[Tensor]:
    """The tensors that lie one behind the other in a buffer of bytes, shaped and typed as others."""
    stretches = zip(packed.split(list(sizes)), like, strict=True)
    return [part[: each.nbytes].view(each.dtype).view(each.shape) for part, each in stretches]
