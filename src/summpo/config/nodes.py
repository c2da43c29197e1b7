"""From a configuration's nodes to the objects that they describe, each guarded. Knows none of their classes."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from summpo.config.complaints import sentence_of
from summpo.errors import UserError, require

T = TypeVar("T")


def from_target(node: Any, key: str, asked_for: tuple[type, ...]) -> Any:
    """The object that a group's node describes.

    Raises:
        UserError: the node has no `_target_`, an unknown key, a value of the wrong type or out of range, or makes
            something that is none of `asked_for`.
    """
    option = key.split(".")[0]
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise UserError(
            f"{key} is set and nothing was chosen for it: there is no _target_; choose an option of the group "
            f"{option} that makes {key}, or take the setting away"
        )
    target = str(node["_target_"])
    made = located(target, key)
    require(is_dataclass(made), f"{key}._target_: {target} is not a dataclass")
    built = from_fields(made, without(node, "_target_"), key)
    kinds = " or ".join(kind.__name__ for kind in asked_for)
    require(isinstance(built, asked_for), f"{key}._target_: {target} is not a {kinds}, which {option} asks for")
    return built


def located(target: str, key: str) -> Any:
    """What a `_target_` names, imported.

    Raises:
        UserError: there is nothing of that name.
    """
    module_name, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:  # the last two: an empty name, a relative one
        raise UserError(f"{key}._target_: cannot find {target} ({error})") from None


def without(node: DictConfig, name: str) -> DictConfig:
    """The node but for one key; its interpolations (weight: ${w}) still find their way to the root."""
    rest = DictConfig({k: v for k, v in node.items_ex(resolve=False) if k != name}, key=node._key())
    rest._set_parent(node._get_parent())  # pyright: ignore[reportArgumentType]
    return rest


def from_fields(made: type[T], node: DictConfig, key: str) -> T:
    """A dataclass from a node with the dataclass's own fields and no others."""
    known = {field.name: field for field in fields(made) if field.init}  # type: ignore[arg-type]
    for name in node:
        if name not in known:
            raise UserError(f"unknown option {key}.{name}; {key} has {', '.join(known) or 'no options'}")
    for name, field in known.items():
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        require(name in node or has_default, f"{key}.{name} is required")
    values = resolved(node, key)
    hints = get_type_hints(made)
    for name, value in values.items():
        if not fits(value, hints[str(name)]):
            raise UserError(f"{name} must be {named(hints[str(name)])}, got {value!r} (config key {key}.{name})")
    return made(**{str(name): value for name, value in values.items()})


def resolved(node: DictConfig, key: str) -> dict[str, Any]:
    """A node as plain data.

    Raises:
        UserError: a value is missing, or follows what is not there.
    """
    try:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)  # pyright: ignore[reportReturnType]
    except OmegaConfBaseException as error:
        raise UserError(sentence_of(error, key)) from None


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of an annotated type: scalars, unions, literals and sequences of them."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if origin in (list, tuple, Sequence):
        return isinstance(value, list) and all(fits(item, arguments[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint is Any or not isinstance(hint, type) or isinstance(value, hint)


def named(hint: Any) -> str:
    """A type as a user would name it."""
    arguments = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(named(argument) for argument in arguments)
    if get_origin(hint) is Literal:
        return " or ".join(str(argument) for argument in arguments)
    if get_origin(hint) in (list, tuple, Sequence):
        return f"a list of {named(arguments[0])}"
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
    return words.get(hint) or getattr(hint, "__name__", str(hint))
