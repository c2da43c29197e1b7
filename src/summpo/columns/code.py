"""The code that computes a column: ours file by file, libraries by their versions.

It is found by following the imports of the module in which a thing is defined, in the source and not in what was
imported: also those inside functions, those by a name that is a text (`importlib.import_module`), and those of packages
of the user's own. A name that is put together while it runs is not seen, and what is read as a file while a thing
computes (a list of words) is not seen either: a margin reward with such a file says so by its `fingerprint`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec, resolve_name, spec_from_file_location
from pathlib import Path
from typing import Any

from summpo.errors import UserError

OURS = "summpo"
LEAVES_IT_TO = {
    "transformers": ("tokenizers", "jinja2", "bitsandbytes", "flash_attn", "kernels"),
    "rouge_score": ("nltk",),
}
"""Libraries that compute on behalf of another, where they are installed."""
NO_PART = {"absl", "filelock", "httpx", "huggingface_hub", "jaxtyping", "tqdm"}
"""Libraries whose version changes no number: they show progress, check shapes, wait and fetch."""
BY_NAME = ("import_module", "__import__")
"""Functions that import a module whose name they are given."""

_READ: dict[str, tuple[ModuleSpec, bytes]] = {}


def code_of(
    *made: type | Callable[..., Any], given: Sequence[type] = (), alone: Sequence[str] = ()
) -> dict[str, dict[str, str]]:
    """What computes with these classes and functions.

    Args:
        given: classes of objects that they are given, such as a tokenizer.
        alone: modules that have a part in it themselves, and not all that they import.

    Returns:
        files: the SHA-256 of each file of ours, and of the user's, by the name of its module.
        versions: of summpo, of Python, and of each library that has a part.

    Raises:
        UserError: one is defined in no file, so that another time it could not be told whether it is the same.
    """
    roots = {inspect.unwrap(one).__module__ for one in made}
    files, used = _followed(tuple(sorted(roots)), tuple(sorted({one.__module__ for one in given})), tuple(alone))
    versions = {OURS: version(OURS), "python": "{}.{}".format(*sys.version_info)}
    versions |= {name: of for name in sorted(used - NO_PART) if (of := _installed(name)) is not None}
    return {"files": files, "versions": versions}


def _followed(
    roots: tuple[str, ...], given: tuple[str, ...], alone: tuple[str, ...]
) -> tuple[dict[str, str], set[str]]:
    """The files of these modules and of all that they come to by their imports; and the libraries met on the way.

    The package of a root is followed also where it is an installed one.
    """
    own = {_top(name) for name in (*roots, *alone, OURS)}
    files: dict[str, str] = {}
    libraries: set[str] = set()
    seen: set[str] = set()
    pending = [*roots, *given, *alone]
    while pending:
        name = pending.pop()
        if name in seen or (_top(name) in sys.stdlib_module_names and name not in roots):  # __main__ is among them
            continue
        seen.add(name)
        if _top(name) not in own and _installed(_top(name)) is not None:
            libraries |= {_top(name), *LEAVES_IT_TO.get(_top(name), ())}
            continue
        spec = _spec(name)
        if name in roots and (spec is None or not spec.has_location):
            raise UserError(f"{name} is no file, so that a change of what it defines would go unseen: make it a module")
        if spec is None:  # not installed, or no module but what one defines
            continue
        pending.append(name.rpartition(".")[0] or name)  # a package's __init__ runs before its modules
        if spec.has_location and spec.origin is not None:
            source = _source(name, spec)
            files[name] = hashlib.sha256(source).hexdigest()
            # summpo's own __init__ imports what a library's user asks it for, and has no part in its modules
            if spec.origin.endswith(".py") and name not in (*alone, OURS):
                pending += _imports(source, spec.parent or "")
    return dict(sorted(files.items())), libraries


def _source(name: str, spec: ModuleSpec) -> bytes:
    """A module's file as it was when first asked for, until it is imported anew: an edit meanwhile does not run."""
    if name not in _READ or _READ[name][0] is not spec:
        assert spec.origin is not None
        _READ[name] = spec, Path(spec.origin).read_bytes()
    return _READ[name][1]


def _top(name: str) -> str:
    return name.partition(".")[0]


def _spec(name: str) -> ModuleSpec | None:
    """Where a module stands; None where there is none of this name. Nothing is imported for it."""
    found = getattr(sys.modules.get(name), "__spec__", None)
    parent = name.rpartition(".")[0]
    if found is not None:
        return found
    if parent:
        package = _spec(parent)
        return None if package is None else PathFinder.find_spec(name, package.submodule_search_locations or [])
    try:
        return find_spec(name)
    except ValueError:  # a script: __main__ has no spec
        file = getattr(sys.modules[name], "__file__", None)
        return None if file is None else spec_from_file_location(name, file)


@cache
def _installed(top: str) -> str | None:
    """The version of an installed library; None where there is none, or where it is source code that may be edited."""
    spec = _spec(top)
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    if not any({"site-packages", "dist-packages"} & set(Path(place).parts) for place in places):
        return None
    try:
        return version(top)
    except PackageNotFoundError:  # scikit-learn is imported as sklearn
        names = sorted(set(packages_distributions().get(top, ())))
        return ", ".join(f"{name} {version(name)}" for name in names) or None


@cache
def _imports(source: bytes, package: str) -> list[str]:
    """The modules that a file imports when it runs, and whatever else it imports by name."""
    found: list[str] = []
    pending: list[ast.AST] = [ast.parse(source)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            pending += node.orelse
            continue
        pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = resolve_name("." * node.level + module, package)
            found += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return [*found, *_imports_by_name(source, package)]


def _imports_by_name(source: bytes, package: str) -> list[str]:
    """The modules that a file may give `importlib.import_module`: what it calls by that name is given one of its texts.

    A text without a dot is taken for a module only in the call itself.
    """
    nodes = list(ast.walk(ast.parse(source)))
    renamed = [one for node in nodes if isinstance(node, ast.ImportFrom) for one in node.names if one.name in BY_NAME]
    names = {*BY_NAME, *(one.asname for one in renamed)}
    calls = [node for node in nodes if isinstance(node, ast.Call) and _last_name(node.func) in names]
    given = [argument for call in calls for argument in (*call.args[:1], *(word.value for word in call.keywords))]
    texts = [text for node in given if (text := _text(node))]
    texts += [text for node in nodes if calls and (text := _text(node)) and "." in text]
    found = [text for text in texts if re.fullmatch(r"\.*[^\W\d]\w*(?:\.[^\W\d]\w*)*", text)]
    packages = package.split(".") if package else []  # more dots than these, and it is a text of another kind
    return [resolve_name(name, package) for name in found if len(name) - len(name.lstrip(".")) <= len(packages)]


def _last_name(node: ast.AST) -> str | None:
    """What a function is called where it is called: import_module, also of importlib.import_module."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
