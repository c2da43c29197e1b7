"""What summaries are written from: typed, and light: no file is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from summpo.config.nodes import require_types
from summpo.config.record import node_of
from summpo.datasets import SPLITS, Split, SummaryDataset
from summpo.errors import require_choice, require_number
from summpo.files.cache import cache_folder
from summpo.models import Model
from summpo.models.devices import check_name, device_named
from summpo.text.prompts import Prompt
from summpo.text.tokens import Limits
from summpo.writing.decoding import Decoding, require_backend
from summpo.writing.long_documents import LongDocuments


@dataclass(frozen=True)
class WritingSettings:
    """What it takes to write summaries of documents, before anything is loaded.

    Raises:
        UserError: a value out of range, or a back end that is not installed.
    """

    model: Model
    """The model that writes, with its adapter."""
    dataset: SummaryDataset
    """Whose documents."""
    prompt: Prompt = field(default_factory=Prompt)
    tokens: Limits = field(default_factory=Limits)
    generation: Decoding = field(default_factory=Decoding)
    long: LongDocuments = field(default_factory=LongDocuments)
    split: Split = "test"
    """Whose documents of the data set."""
    input: str | None = None
    """Instead of the data set's: a text, rows, a folder of texts, or - for stdin."""
    seed: int = 42
    """Seed of the draws."""
    accelerator: str = "cpu"
    """cpu, gpu, or auto: a GPU where there is one; cuda:1 is the second one."""
    cache_dir: str = field(default_factory=cache_folder)
    """Where converted models are kept."""

    def __post_init__(self) -> None:
        require_types(self)
        require_number("seed", self.seed, low=0)
        check_name(self.accelerator)
        require_choice("split", self.split, SPLITS)
        require_backend(self.generation)

    @property
    def device(self) -> str:
        """cpu, or cuda:0.

        Raises:
            UserError: a GPU is asked for that is not there.
        """
        return device_named(self.accelerator)

    @property
    def device_kind(self) -> str:
        """cpu, or gpu: which of several decides nothing of a summary."""
        return "cpu" if self.device == "cpu" else "gpu"

    @property
    def record(self) -> dict[str, Any]:
        """The settings as plain data, under their config keys."""
        own = ("prompt", "tokens", "generation", "split", "input", "seed", "cache_dir")
        return {
            "model": node_of(self.model, with_target=True),
            "dataset": node_of(self.dataset, with_target=True),
            **{name: node_of(getattr(self, name)) for name in own},
            "accelerator": self.device_kind,
            "long_documents": self.long.how,
            "map_reduce": {
                "part_template": self.long.part.template,
                "join_template": self.long.join.template,
                "part_max_new_tokens": self.long.part_max_new_tokens,
            },
        }
