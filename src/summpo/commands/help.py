"""What `--help` prints: a command's options with their defaults and docstrings, and the options of each group."""

from __future__ import annotations

import ast
import inspect
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

import summpo.commands.options
from summpo.commands.compose import SCHEMAS
from summpo.config.tree import conf_dir


def wants_help(command: str, arguments: list[str]) -> bool:
    """Prints the command's help where it is asked for."""
    if "--help" not in arguments and "-h" not in arguments:
        return False
    print(help_of(command))
    return True


def help_of(command: str) -> str:
    """The help of a command that is configured by keys."""
    schema = SCHEMAS[command]
    lines = [f"usage: summpo {command} [option=value ...]" + (" [-m for a sweep]" if command == "train" else ""), ""]
    lines += ["options:", *_options(schema, ""), "", "groups (GROUP=OPTION; keys of the option as GROUP.KEY=VALUE):"]
    for group in sorted(path for path in conf_dir().iterdir() if path.is_dir()):
        names = sorted(path.stem for path in group.glob("*.yaml"))
        if names and group.name in _groups(command):
            lines.append(f"  {group.name}: {', '.join(names)}")
    return "\n".join(lines)


def _options(schema: type, prefix: str) -> list[str]:
    docs = field_docs()
    lines = []
    for field in fields(schema):
        default = field.default if field.default is not MISSING else _made(field.default_factory)
        key = f"{prefix}{field.name}"
        if is_dataclass(default):
            lines += _options(type(default), f"{key}.")
            continue
        owner = next(c for c in schema.__mro__ if field.name in vars(c).get("__annotations__", {}))
        doc = docs.get((owner.__name__, field.name), "")
        lines.append(f"  {key} = {default!r}" if default not in (None, "???") else f"  {key}")
        if doc:
            lines.append(f"      {doc}")
    return lines


def _made(factory: Any) -> Any:
    return factory() if factory is not MISSING else None


def _groups(command: str) -> set[str]:
    """The groups that the command's own yaml chooses from; `documents` of pairs is no group."""
    chosen = OmegaConf.load(conf_dir() / f"{command}.yaml").defaults
    return {str(name) for entry in chosen if isinstance(entry, DictConfig) for name in entry}


def field_docs() -> dict[tuple[str, str], str]:
    """The docstring under each field of the configuration's dataclasses, by (class, field)."""
    docs = {}
    for node in ast.parse(inspect.getsource(summpo.commands.options)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, doc in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(doc, ast.Expr):
                docs[node.name, field.target.id] = ast.literal_eval(doc.value)
    return docs
