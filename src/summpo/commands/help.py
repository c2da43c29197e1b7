"""What `--help` prints: an example, a command's keys and those of the options that are chosen, with values and meaning.

A key's meaning is the docstring under its field, in the dataclass that guards it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from itertools import pairwise
from textwrap import dedent, wrap
from typing import Any

from omegaconf import DictConfig, Node, OmegaConf

from summpo.commands.compose import SCHEMAS, composed, schema_of
from summpo.config.nodes import located
from summpo.config.tree import conf_dir, options_of
from summpo.errors import UserError
from summpo.margin_rewards.margins import WeightedMargin
from summpo.training.trainer_arguments import TRAINER, TrainerArguments

WIDTH = 100


def wants_help(command: str, arguments: list[str]) -> bool:
    """Prints the command's help where it is asked for, for the options that stand beside --help."""
    if "--help" not in arguments and "-h" not in arguments:
        return False
    chosen = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    try:
        print(help_with(command, composed(command, chosen), chosen))
    except UserError as error:
        print(f"{help_of(command)}\n\nThis is the help of the defaults: {error}")
    return True


def help_of(command: str, overrides: list[str] | None = None) -> str:
    """The help of a command that is configured by keys; of its defaults where the overrides do not compose."""
    try:
        return help_with(command, composed(command, overrides or []), overrides or [])
    except UserError:
        return help_with(command, composed(command, []), [])


def help_with(command: str, config: DictConfig, overrides: list[str]) -> str:
    """The help of a command whose overrides compose to this configuration."""
    sweep = " [-m for a sweep: key=a,b]" if command == "train" else ""
    lines = [f"usage: summpo {command} [key=value ...]{sweep}", f"example: {example_of(command)}"]
    groups = groups_of(command)
    own = [name for name in schema_of(command) if name not in groups and not is_section(command, str(name))]
    lines += ["", "options", *keys_in(config, own, "", [SCHEMAS[command]])]
    for name in [
        *(str(name) for name in schema_of(command) if name not in own),
        *sorted(groups - set(schema_of(command))),
    ]:
        now = chosen_of(command, name, overrides) if name in groups else ""
        heading = f"{name}: {options_of(name)}  (choose one: {name}=OPTION{now})" if name in groups else name
        meaning = docs_of(SCHEMAS[command]).get(name, "")
        lines += ["", heading, *indented(meaning), *section(command, config, name)]
    return "\n".join(lines)


def example_of(command: str) -> str:
    """The command line in the head of the command's yaml."""
    head = (conf_dir() / f"{command}.yaml").read_text("utf-8").splitlines()[0]
    return head.removeprefix("#").strip()


def groups_of(command: str) -> set[str]:
    """The groups that the command's own yaml chooses from; `documents` of pairs is no group."""
    chosen = OmegaConf.load(conf_dir() / f"{command}.yaml").defaults
    return {
        str(name)
        for entry in chosen
        if isinstance(entry, DictConfig)
        for name in entry
        if (conf_dir() / str(name)).is_dir()
    }


def chosen_of(command: str, group: str, overrides: list[str]) -> str:
    """What of a group is chosen, for its heading; nothing where none is."""
    typed = [each.partition("=")[2] for each in overrides if each.partition("=")[0] == group]
    defaults = OmegaConf.load(conf_dir() / f"{command}.yaml").defaults
    usual = [entry[group] for entry in defaults if isinstance(entry, DictConfig) and group in entry]
    named = [*typed[-1:], *usual][:1]
    return f"; now {OmegaConf.to_container(named[0]) if OmegaConf.is_config(named[0]) else named[0]}" if named else ""


def is_section(command: str, name: str) -> bool:
    """Whether a key has keys of its own by the schema."""
    node = schema_of(command)._get_node(name)
    return isinstance(node, DictConfig) and is_dataclass(node._metadata.object_type)


def section(command: str, config: DictConfig, name: str) -> Iterator[str]:
    """The lines of a typed node, or of what a group's option sets."""
    node = config._get_node(name) if name in schema_of(command) else None
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing():
        return
    made_by = schema_of(command)._get_node(name)
    if isinstance(made_by, DictConfig) and is_dataclass(made_by._metadata.object_type):
        yield from keys_in(node, list(node), f"{name}.", [made_by._metadata.object_type])
    elif "_target_" in node:
        yield from plug_in(node, f"{name}.")
    else:
        for option in node:
            child = node._get_node(option)
            if isinstance(child, DictConfig) and "_target_" in child:
                yield from plug_in(child, f"{name}.{option}.")


def plug_in(node: DictConfig, under: str) -> Iterator[str]:
    """The lines of a node with a `_target_`; a margin reward's weight and scaling stand beside its own keys."""
    target = str(node._target_)
    try:
        owners = [TrainerArguments] if target == TRAINER else [located(target, under), WeightedMargin]
    except UserError:
        owners = []
    if target == TRAINER:
        node = OmegaConf.merge(OmegaConf.create(TrainerArguments().given), node)  # type: ignore[assignment]
    yield from keys_in(node, [name for name in node if name != "_target_"], under, owners)
    if target == TRAINER:
        yield from [f"  {under}<any other>", *indented(docs_of(TrainerArguments)["others"])]


def keys_in(node: DictConfig, names: list[Any], under: str, owners: list[Any]) -> Iterator[str]:
    """A line for each key with its value, and its meaning under it; nested typed nodes follow with their own keys."""
    for name in map(str, names):
        child = node._get_node(name)
        doc = next((docs_of(owner)[name] for owner in owners if name in docs_of(owner)), "")
        if isinstance(child, DictConfig) and is_dataclass(child._metadata.object_type) and not child._is_none():
            yield from indented(doc)
            yield from keys_in(child, list(child), f"{under}{name}.", [child._metadata.object_type])
            continue
        yield f"  {under}{name}{value_of(child)}"
        yield from indented(doc)


def value_of(node: Node | None) -> str:
    """A key's value as one would type it, behind =; nothing for null and what is still to be given."""
    if node is None or node._is_none() or node._is_missing():
        return ""
    value = OmegaConf.to_container(node) if OmegaConf.is_config(node) else node._value()
    return f" = {value!r}"


def indented(text: str) -> list[str]:
    return [f"      {line}" for line in wrap(" ".join(text.split()), WIDTH - 6)]


@cache
def docs_of(made: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, those that it inherits too; none of what is not written so."""
    docs: dict[str, str] = {}
    for owner in reversed(getattr(made, "__mro__", ())):
        if not is_dataclass(owner):
            continue
        (written,) = ast.parse(dedent(inspect.getsource(owner))).body
        body = written.body if isinstance(written, ast.ClassDef) else []
        for field, doc in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(doc, ast.Expr):
                docs[field.target.id] = ast.literal_eval(doc.value)
    return docs
