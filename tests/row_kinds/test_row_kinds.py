"""The kind of rows that an objective names: ours by a word, another package's by its module, and no file to edit."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from omegaconf import OmegaConf

import summpo.row_kinds
from summpo.commands import main
from summpo.config.nodes import from_target
from summpo.config.tree import conf_dir
from summpo.objectives import OBJECTIVES
from summpo.objectives.dpo import DPO
from summpo.objectives.reward_model import RewardModel
from summpo.objectives.sft import SFT
from summpo.objectives.sft_term import WithSFT
from summpo.row_kinds import RowKind, kind_of
from summpo.row_kinds.completions import Completions
from summpo.row_kinds.pairs import Pairs
from support.train_runs import metrics_of

MEMBERS = {name for name in vars(RowKind) if not name.startswith("_")} | set(RowKind.__annotations__)
YAMLS = sorted((conf_dir() / "objective").glob("*.yaml"))


@pytest.mark.parametrize(
    ("objective", "kind"),
    [
        (SFT(), Completions(SFT())),
        (DPO(0.3), Pairs(DPO(0.3))),
        (RewardModel(), Pairs(RewardModel())),
        (WithSFT(DPO(), 0.5), Pairs(WithSFT(DPO(), 0.5))),
    ],
)
def test_a_kind_holds_its_objective(objective: Any, kind: RowKind) -> None:
    assert kind_of(objective) == kind


@pytest.mark.parametrize("file", YAMLS, ids=lambda file: file.stem)
def test_every_objective_has_a_kind_and_a_kind_all_that_the_protocol_asks(file: Path) -> None:
    kind = kind_of(from_target(OmegaConf.load(file), "objective", OBJECTIVES))  # type: ignore[arg-type]
    assert [name for name in MEMBERS if not hasattr(kind, name)] == []
    assert [field.name for field in fields(kind)] == ["objective"]  # type: ignore[arg-type]


def test_every_file_of_a_kind_says_which_it_is() -> None:
    files = {file.stem for file in Path(summpo.row_kinds.__path__[0]).glob("*.py")} - {"__init__", "metrics"}
    named = {kind_of(from_target(OmegaConf.load(file), "objective", OBJECTIVES)).__module__ for file in YAMLS}  # type: ignore[arg-type]
    assert named == {f"summpo.row_kinds.{name}" for name in files}


def test_a_kind_of_another_package_is_named_by_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Ranked:
        objective: Any

    @dataclass(frozen=True)
    class Ranking:
        learns_from: ClassVar[str] = "their.ranked"

    module = ModuleType("their.ranked")
    module.KIND = Ranked  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their", ModuleType("their"))
    monkeypatch.setitem(sys.modules, "their.ranked", module)
    assert kind_of(Ranking()) == Ranked(Ranking())  # type: ignore[arg-type]


THEIRS = '''
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from summpo.objectives.dpo import DPO
from summpo.row_kinds.pairs import Pairs
from support.train_runs import metrics_of
from summpo.text.rows import PairRow


@runtime_checkable
class Threads(Protocol):
    def threads(self, split): ...


@dataclass(frozen=True)
class Forum:
    """Answers of a forum, of which the first was liked."""

    limit: int | None = None

    def threads(self, split):
        return [PairRow(f"{split}{n}", f"Question number {n}.", f"It is {n}.", "Who knows.") for n in range(8)]


@dataclass(frozen=True)
class Liked:
    beta: float = 0.1
    learns_from: ClassVar[str] = "their_forum.rows"
    needs_reference: ClassVar[bool] = True


@dataclass(frozen=True)
class Thread:
    objective: Liked
    name: ClassVar[str] = "threads"
    reader: ClassVar[type] = Threads
    otherwise: ClassVar[str] = ""
    weighs_margins: ClassVar[bool] = True

    def read(self, dataset, split):
        return dataset.threads(split)

    def __getattr__(self, name):
        return getattr(Pairs(DPO(self.objective.beta)), name)


KIND = Thread
'''


def test_it_trains_with_its_objective_and_data_set(
    tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of the three is of a class or a protocol of summpo's."""
    package = tmp_path / "their_forum"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rows.py").write_text(THEIRS, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    line = ["objective=sft", "objective._target_=their_forum.rows.Liked", "margin_reward=none", "~dataset"]
    line += ["+dataset={_target_: their_forum.rows.Forum}", f"model.path={tiny_model_path}", "tokens.max_length=100"]
    line += [f"cache_dir={tmp_path / 'cache'}", f"output_dir={tmp_path / 'run'}", "validation.samples=0", "lora.r=4"]
    assert main(["train", *line, "trainer.max_steps=2", "trainer.enable_progress_bar=false"]) == 0
    assert metrics_of(tmp_path / "run")[0]["train/loss"] == pytest.approx(math.log(2), abs=1e-5)
