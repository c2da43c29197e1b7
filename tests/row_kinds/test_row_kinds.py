"""The kind of rows that an objective names: ours by a word, another package's by its module, and no file to edit."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from omegaconf import OmegaConf

import summpo.row_kinds
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
