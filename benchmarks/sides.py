"""The two sides of the comparison: a step of summpo's and one of TRL's DPOTrainer, on equal weights and equal pairs.

A step is the loss of a batch that is made already, its gradients, the optimizer's step and its zeroing. TRL stands here
in three ways: at its defaults (activation checkpointing, the reference computed in each step), at its best real setting
(neither), and compact: the best, with the LM head on completion positions alone. TRL itself does the last on CUDA only;
on the CPU it is forced to, so that its processor path alone does not decide.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from summpo.batches import pair_batch
from summpo.layouts import pad, share_prefixes
from summpo.log_probs import completion_log_probs
from summpo.models import Lora, Model
from summpo.models.adapters import add_lora
from summpo.models.loading import load_base, load_tokenizer, quiet
from summpo.models.recomputing import recompute_activations, start_recomputing
from summpo.module import pair_values
from summpo.objectives.dpo import DPO
from summpo.optimizers import AdamW
from summpo.records import FrozenColumns, PairBatch, TokenRows
from summpo.scoring import score_completions

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj"]
LORA = Lora(r=64, alpha=64, target_modules=LAYERS)
BETA = 0.1
DEFAULTS, BEST, COMPACT = "TRL defaults", "TRL best real", "TRL compact"
SUMMPO, SUMMPO_CHECKPOINTED = "summpo", "summpo, checkpointing"
TOLERANCE = 1e-4
"""Of the loss, and of a completion's log-prob beside float32's own 1e-5 of its size."""


@dataclass(frozen=True)
class Setting:
    """On what both sides compute."""

    model: Path
    """A folder of safetensors."""
    device: str
    autocast: torch.dtype | None
    """None: float32 throughout."""

    def precision(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.autocast is None else torch.autocast(self.device, dtype=self.autocast)


class Side(Protocol):
    """Who takes steps."""

    def batch(self, columns: FrozenColumns, rows: np.ndarray) -> Any:
        """The batch of these rows, as this side reads it."""
        ...

    def step(self, batch: Any) -> None:
        """One optimizer step."""
        ...

    def loss(self, batch: Any) -> Tensor:
        """The mean loss of the batch's pairs."""
        ...

    def log_probs(self, batch: Any) -> Tensor:
        """[sequence]: the policy's, chosen then rejected."""
        ...


@dataclass(frozen=True)
class Summpo:
    """Shared prefixes, frozen reference."""

    setting: Setting
    policy: Any
    optimizer: torch.optim.Optimizer

    def batch(self, columns: FrozenColumns, rows: np.ndarray) -> PairBatch:
        share = np.full(len(rows), 1 / len(rows))
        return pair_batch(columns, rows, share, share_prefixes).to(self.setting.device)  # type: ignore[return-value]

    def padded(self, columns: FrozenColumns, rows: np.ndarray) -> PairBatch:
        """The same as padded rows."""
        share = np.full(len(rows), 1 / len(rows))
        return pair_batch(columns, rows, share, partial(pad, pad_id=0)).to(self.setting.device)  # type: ignore[return-value]

    def step(self, batch: PairBatch) -> None:
        self.loss(batch).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def loss(self, batch: PairBatch) -> Tensor:
        with self.setting.precision():
            values = pair_values(
                self.policy, batch, DPO(BETA), torch.zeros(0, device=self.setting.device), np.arange(len(batch.row_ids))
            )
        return (values["loss"] * batch.share).sum()

    def log_probs(self, batch: PairBatch) -> Tensor:
        with torch.no_grad(), self.setting.precision():
            return completion_log_probs(self.policy, batch).sums()


@dataclass(frozen=True)
class Trl:
    """TRL's DPOTrainer."""

    setting: Setting
    trainer: Any
    optimizer: torch.optim.Optimizer
    is_compact: bool

    def batch(self, columns: FrozenColumns, rows: np.ndarray) -> dict[str, Tensor]:
        """What its collator makes of the rows of its data set."""
        sides = columns.rows.completions
        examples: list[dict[str, Any]] = []
        for row in rows:
            ids = (columns.rows.prompts[row], *(side[row] for side in sides))
            example: dict[str, Any] = dict(
                zip(("prompt_ids", "chosen_ids", "rejected_ids"), (i.tolist() for i in ids), strict=True)
            )
            if self.trainer.precompute_ref_logps:
                assert columns.reference is not None
                chosen, rejected = (float(side[row].sum(dtype=np.float64)) for side in columns.reference)
                example |= {"ref_chosen_logps": chosen, "ref_rejected_logps": rejected}
            examples.append(example)
        return {name: value.to(self.setting.device) for name, value in self.trainer.data_collator(examples).items()}

    def step(self, batch: dict[str, Tensor]) -> None:
        self.loss(batch).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        with self._ready():
            return self.trainer.compute_loss(self.trainer.model, batch)

    def log_probs(self, batch: dict[str, Tensor]) -> Tensor:
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        with torch.no_grad(), self._ready():
            output = self.trainer.model(**inputs, labels=labels, use_cache=False, fused_lm_head=True)
        return output.log_probs.sum(dim=1)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """In its precision, and with its head as this way has it."""
        head = patch("trl.trainer.utils._use_triton", lambda device: True) if self.is_compact else nullcontext()
        with head, self.setting.precision():
            yield


def make_sides(names: Sequence[str], setting: Setting) -> dict[str, Side]:
    """Each with a model of its own; the weights are equal."""
    return {name: make_side(name, setting) for name in names}


def make_side(name: str, setting: Setting) -> Side:
    """One of `SUMMPO`, `SUMMPO_CHECKPOINTED`, `DEFAULTS`, `BEST`, `COMPACT`."""
    if name not in (SUMMPO, SUMMPO_CHECKPOINTED):
        trainer = trl_trainer(setting, at_defaults=name == DEFAULTS)
        draw_adapter(trainer.model)
        return Trl(setting, trainer, optimizer_of(trainer.model), name == COMPACT)
    base = load_base(setting.model, Model(path=str(setting.model)))
    recompute_activations(base, name == SUMMPO_CHECKPOINTED)
    policy = add_lora(base, LORA).to(setting.device)
    start_recomputing(policy)
    draw_adapter(policy)
    return Summpo(setting, policy, optimizer_of(policy))


def trl_trainer(setting: Setting, at_defaults: bool) -> Any:
    """A DPOTrainer as it stands when its `train` begins. It is given one pair: batches come from elsewhere."""
    with quiet():
        import trl
        from peft import LoraConfig
        from transformers import AutoModelForCausalLM

        from datasets import Dataset

        base = AutoModelForCausalLM.from_pretrained(setting.model, dtype=torch.float32, attn_implementation="sdpa")
        changed: dict[str, Any] = {"gradient_checkpointing": False, "precompute_ref_log_probs": True}
        arguments = trl.DPOConfig(
            output_dir=tempfile.gettempdir(),
            beta=BETA,
            max_length=None,
            bf16=False,
            use_cpu=setting.device == "cpu",
            report_to="none",
            **({} if at_defaults else changed),
        )
        trainer = trl.DPOTrainer(
            base,
            args=arguments,
            train_dataset=Dataset.from_list([{"prompt": "a b", "chosen": " c", "rejected": " d"}]),
            processing_class=load_tokenizer(setting.model),
            peft_config=LoraConfig(r=64, lora_alpha=64, target_modules=LAYERS, task_type="CAUSAL_LM"),
        )
    if arguments.activation_checkpointing:  # transformers' `Trainer.train` does so
        trainer.model.activation_checkpointing_enable()
    trainer.model.train()
    return trainer


def draw_adapter(policy: Any) -> None:
    """Puts the same numbers into every policy's adapter, none of them 0, so that policy and reference differ."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in sorted(policy.named_parameters()):
        if weight.requires_grad:
            scale = weight.shape[1] ** -0.5 if "lora_A" in name else 0.002
            weight.data.copy_(scale * torch.randn(weight.shape, generator=generator))


def optimizer_of(policy: Any) -> torch.optim.Optimizer:
    return AdamW(lr=1e-6).build(policy.parameters(), total_steps=1000)[0]


def with_reference(side: Side, rows: TokenRows, batch_size: int = 8) -> FrozenColumns:
    """The rows with the log-probs of the base model, by summpo's scoring pass."""
    assert isinstance(side, Summpo)
    with side.policy.disable_adapter():
        reference = score_completions(
            side.policy,
            rows,
            batch_size=batch_size,
            layout=share_prefixes,
            autocast=side.setting.autocast,
            progress=False,
        )
    return FrozenColumns(rows, reference, np.zeros((len(rows), 0), np.float32))


def assert_equal(sides: Mapping[str, Side], columns: FrozenColumns, rows: np.ndarray) -> str:
    """Checks that all sides give the same loss and log-probs of a batch (float32), and says how far they are apart.

    Raises:
        AssertionError: they do not.
    """
    found = {}
    for name, side in sides.items():
        batch = side.batch(columns, rows)
        found[name] = (side.loss(batch).detach().cpu(), side.log_probs(batch).cpu())
    loss, log_probs = found[SUMMPO]
    loss_gap = max(float((other - loss).abs()) for other, _ in found.values())
    gap = max(float((other - log_probs).abs().max()) for _, other in found.values())
    for name, (other_loss, other) in found.items():
        assert torch.allclose(other_loss, loss, rtol=0, atol=TOLERANCE), f"{name}: loss {other_loss}, summpo {loss}"
        assert torch.allclose(other, log_probs, rtol=1e-5, atol=TOLERANCE), f"{name}: {other}, summpo {log_probs}"
    return f"same loss to {loss_gap:.0e}, same log-probs ({log_probs.mean():.1f} nats a completion) to {gap:.0e}"
