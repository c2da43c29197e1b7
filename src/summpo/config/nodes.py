"""From a configuration's nodes to the objects that they describe, each guarded. Knows none of their classes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from summpo.config.complaints import sentence_of
from summpo.errors import UserError, require, require_field

T = TypeVar("T")


def from_target(node: Any, key: str, asked_for: tuple[type, ...]) -> Any:
    """The object that a group's node describes.

    Raises:
        UserError: the node has no `_target_`, an unknown key, a value of the wrong type or out of range, or makes
            something that is none of `asked_for`.
    """
    option, node = key.split(".")[0], resolved(node, key)
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise UserError(
            f"{key} is set and nothing was chosen for it: there is no _target_; choose an option of the group "
            f"{option} that makes {key}, or take the setting away"
        )
    target = str(node["_target_"])
    made = located(target, key)
    require(is_dataclass(made), f"{key}._target_: {target} is not a dataclass")
    built = from_fields(made, {name: value for name, value in node.items() if name != "_target_"}, key)
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


def from_fields(made: type[T], node: Mapping[Any, Any], key: str) -> T:
    """A dataclass from a node with the dataclass's own fields and no others.

    Raises:
        UserError: an unknown key, a missing one, or a value of the wrong type or out of range.
    """
    node = resolved(node, key)
    known = {field.name: field for field in fields(made) if field.init}  # type: ignore[arg-type]
    for name in node:
        if name not in known:
            raise UserError(f"unknown option {key}.{name}; {key} has {', '.join(known) or 'no options'}")
    for name, field in known.items():
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        require(name in node or has_default, f"{key}.{name} is required")
    hints = get_type_hints(made)
    for name, value in node.items():
        if not fits(value, hints[str(name)]):
            raise UserError(f"{name} must be {named(hints[str(name)])}, got {value!r} (config key {key}.{name})")
    is_tuple = {name for name in node if get_origin(hints[str(name)]) is tuple}
    return made(**{str(name): tuple(value) if name in is_tuple else value for name, value in node.items()})


def resolved(node: Any, key: str) -> Any:
    """A node of a configuration as plain data; what is plain data already stays as it is.

    Raises:
        UserError: a value is missing, or follows what is not there.
    """
    if not OmegaConf.is_config(node):
        return node
    try:
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(sentence_of(error, key)) from None


def require_types(thing: Any, within: str = "") -> None:
    """Guards the types of a dataclass's fields, for who makes it in Python and not of a node.

    Args:
        within: the config key that its fields lie in.

    Raises:
        FieldError: naming the first field whose value is of another type.
    """
    hints = get_type_hints(type(thing))
    for one in fields(thing):
        value, key = getattr(thing, one.name), f"{within}.{one.name}" if within else one.name
        is_made = not isinstance(value, type) and fits(
            list(value) if isinstance(value, tuple) else value, hints[one.name]
        )
        require_field(key, is_made, f"{one.name} must be {named(hints[one.name])}, got {value!r}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of an annotated type: scalars, unions, literals and sequences of them."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if origin is Mapping and arguments[1] is not Any:  # of anything, its own guard knows better words
        return isinstance(value, Mapping) and all(fits(item, arguments[1]) for item in value.values())
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
    if get_origin(hint) is Mapping:
        return f"a mapping of names to {named(arguments[1])}"
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
    return words.get(hint) or getattr(hint, "__name__", str(hint))
