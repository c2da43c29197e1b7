"""Hydra's and OmegaConf's errors as one sentence in a user's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hydra.errors import OverrideParseException

from summpo.config import tree
from summpo.config.tree import options_of


def why_unread(override: str) -> str:
    """What keeps Hydra's grammar from reading an option, in a user's words."""
    if "=" not in override:
        return "an option is typed key=value, e.g. w=0.1"
    if any(override.count(opening) != override.count(closing) for opening, closing in ("[]", "{}", "()")):
        return (
            "its brackets do not match; a list is one word without spaces, key=[a,b], or stands in the shell's quotes"
        )
    return "put its value in double quotes within the shell's, e.g. 'key=\"a value\"'"


@dataclass(frozen=True)
class Options:
    """What may be set on a command line."""

    command: str
    keys: Sequence[str]
    """Full keys, with their dots."""


def unknown(key: str, options: Options | None) -> str:
    """The sentence for a key that there is not, with the nearest of those that there are."""
    if options is None:
        return f"unknown option {key}"
    if key in options.keys:  # of another option of its group
        return f"unknown option {key}: what is chosen for {key.split('.')[0]} has no option of this name"
    near = get_close_matches(key, options.keys, n=1)
    if near:
        return f"unknown option {key}; did you mean {near[0]}?"
    return f"unknown option {key}; summpo {options.command} --help lists the options"


def sentence_of(error: BaseException, under: str = "", options: Options | None = None) -> str:
    """What Hydra or OmegaConf found wrong, as one sentence with the full key and the value.

    Args:
        under: the key that the error's keys lie under, where they do not say so.
        options: those of the command that is meant, where it is known.
    """
    cause: BaseException = error
    while cause.__cause__ is not None and not getattr(cause, "full_key", None):
        cause = cause.__cause__
    key = getattr(cause, "full_key", None) or ""
    key = key if not under or key.startswith(f"{under}.") else ".".join(part for part in (under, key) if part)
    text = str(cause if key else error)
    for tail in ("\n    full_key:", "\nTo append to your config", "\nSee https://hydra.cc", "\nConfig search path"):
        text = text.split(tail)[0]
    absent = re.match(r"In '.*': Could not (?:find|load) '(.*)/(.*?)'", text)
    if absent:
        return f"{absent[1]} has no option {absent[2]}; there are {options_of(absent[1])}"
    text = re.sub(r"\s+", " ", text).strip()
    no_group = re.match(r"Could not override '(\w+)'\. No match in the defaults list", text)
    if no_group:
        return unknown(no_group[1], options)
    no_values = re.match(r"force-add of config groups is not supported: '\+\+(\w+)=", text)
    if no_values:  # pairs' documents, of the same name as a group
        return f"{no_values[1]} must be a dictionary, {{name: value}} (config key {no_values[1]})"
    several = re.match(r"Ambiguous value for argument '(.*?)=(.*?)' 1\.", text)
    if several:
        option, values = several.groups()
        return f"{option} takes one value, got {values}; a list is {option}=[{values}], a sweep is summpo train -m"
    mistyped = re.match(r"Value '(.*?)' (?:(?:of type '.*?' )?could not be converted to|is not a valid) (\w+)", text)
    if mistyped:
        kind = {"Float": "a number", "Integer": "a whole number", "bool": "true or false"}.get(mistyped[2], mistyped[2])
        return f"{key.rsplit('.', 1)[-1]} must be {kind}, got {mistyped[1]} (config key {key})"
    if re.match(r"Cannot assign \w+ to Dict\[", text):
        return f"{key.rsplit('.', 1)[-1]} must be a dictionary, {{name: value}} (config key {key})"
    if key and re.search(r"^field '.*' is not Optional", text):
        return f"{key.rsplit('.', 1)[-1]} must not be null (config key {key})"
    followed = re.match(r"While dereferencing interpolation '\$\{(.*?)\}': Incompatible value '(.*?)'", text)
    if followed:
        name, value = followed[1], followed[2]
        return f"{name.rsplit('.', 1)[-1]} must not be {value} (config key {name}, which {key} follows)"
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override}: {why_unread(str(error.override))}"
    reward = re.fullmatch(r"margin_reward\.(\w+)", key)
    if reward and (tree.conf_dir() / "margin_reward" / f"{reward[1]}.yaml").is_file():
        return f"{key} is set and this margin reward is not chosen: name it, as in margin_reward=[{reward[1]}]"
    if key and re.search(r"is not in struct|not in '\w+'|Could not override", text):
        return unknown(key, options)
    followed = re.match(r"MissingMandatoryValue while resolving interpolation: Missing mandatory value: (\S+)", text)
    if followed or re.search(r"issing mandatory value", text):
        return f"{followed[1] if followed else key or text.split(':')[-1].strip()} is required, got ???"
    return f"{key}: {text}" if key else text
