"""A dataclass as plain data, the inverse of what `nodes` makes of a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def node_of(value: Any, with_target: bool = False) -> Any:
    """The value as JSON has it: dataclasses as dictionaries of their fields, sequences as lists.

    Args:
        with_target: whether the class of a dataclass is told too, as `_target_`; not of those within it.
    """
    if is_dataclass(value) and not isinstance(value, type):
        target = {"_target_": f"{type(value).__module__}.{type(value).__qualname__}"} if with_target else {}
        return target | {one.name: node_of(getattr(value, one.name)) for one in fields(value) if one.init}
    if isinstance(value, Mapping):
        return {str(name): node_of(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [node_of(inner) for inner in value]
    return value
