"""Settings checked by the signature of the callable that takes them: a logger, a strategy, Lightning's Trainer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from summpo.config.nodes import fits, named
from summpo.errors import UserError, require


def check_arguments(
    taker: Callable[..., Any], settings: Mapping[str, Any], key: str, rest: Callable[..., Any] | None = None
) -> None:
    """Checks settings by the signature of a callable, and of what it hands the rest to.

    Args:
        key: the config key that the settings lie under.
        rest: what takes the arguments that are not the taker's own; None where that is not known.

    Raises:
        UserError: one is unknown or of another type.
    """
    own = parameters_of(taker)
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values())
    more = parameters_of(rest) if takes_more and rest is not None else {}
    for name, value in settings.items():
        parameter = own.get(name) or more.get(name)
        is_known = parameter is not None or (takes_more and rest is None)
        require(is_known, f"unknown option {key}.{name}; {key} has {', '.join(known_of(own))}")
        hint = Any if parameter is None or parameter.annotation is inspect.Parameter.empty else parameter.annotation
        if not isinstance(hint, str) and not fits(value, hint):
            raise UserError(f"{name} must be {named(hint)}, got {value!r} (config key {key}.{name})")


def parameters_of(taker: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a callable takes, with its types where they can be read."""
    try:
        return inspect.signature(taker, eval_str=True).parameters
    except NameError:  # a type that is imported for type checkers alone
        return inspect.signature(taker).parameters


def known_of(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """The names of a signature's parameters, but for those that take any."""
    return [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
