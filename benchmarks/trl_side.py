"""A step of TRL's DPOTrainer, in three ways.

At its defaults (activation checkpointing, the reference computed in each step), at its best real setting (neither), and
compact: the best, with the LM head on completion positions alone. TRL itself does the last on CUDA only; on the CPU it
is forced to, so that its processor path alone does not decide. The precision is always summpo's: TRL's own default,
bfloat16 autocast, where a row says so, and float32 elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from setting import BETA, LAYERS, Setting, draw_adapter, optimizer_of
from summpo.models.weights.loading import quiet
from summpo.records import FrozenColumns

AT_ITS_BEST: Mapping[str, Any] = {"gradient_checkpointing": False, "precompute_ref_log_probs": True}
ONE_PAIR = ({"prompt": "a b", "chosen": " a", "rejected": " b"},)
"""For a trainer whose batches come from elsewhere."""


@dataclass(frozen=True)
class Trl:
    """One trainer and its optimizer."""

    setting: Setting
    trainer: Any
    optimizer: torch.optim.Optimizer
    is_compact: bool

    @property
    def policy(self) -> Any:
        return self.trainer.model

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
        with head, self.setting.autocasting():
            yield


def trl_side(setting: Setting, at_defaults: bool, is_compact: bool) -> Trl:
    """With a fresh policy."""
    trainer = trl_trainer(setting, {} if at_defaults else AT_ITS_BEST, ONE_PAIR)
    if trainer.args.activation_checkpointing:  # transformers' `Trainer.train` does so
        trainer.model.activation_checkpointing_enable()
    trainer.model.train()
    draw_adapter(trainer.model)
    return Trl(setting, trainer, optimizer_of(trainer.model), is_compact)


def trl_trainer(setting: Setting, changed: Mapping[str, Any], pairs: Sequence[Mapping[str, str]]) -> Any:
    """A DPOTrainer before its `train`; `changed` are settings of its DPOConfig."""
    with quiet():
        import trl
        from peft import LoraConfig

        from datasets import Dataset

        arguments: dict[str, Any] = {
            "output_dir": tempfile.gettempdir(),
            "beta": BETA,
            "max_length": None,
            "bf16": False,  # the comparison's own autocast stands around each step
            "use_cpu": setting.device == "cpu",
            "report_to": "none",
        }
        return trl.DPOTrainer(
            setting.base.plain(setting.weights, setting.device),
            args=trl.DPOConfig(**(arguments | dict(changed))),
            train_dataset=Dataset.from_list([dict(pair) for pair in pairs]),
            processing_class=setting.base.tokenizer(),
            peft_config=LoraConfig(r=64, lora_alpha=64, target_modules=LAYERS, task_type="CAUSAL_LM"),
        )
