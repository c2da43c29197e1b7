"""The order of the wings: who may import whom, read from the imports of every file, those within functions too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import summpo

FLOORS = (
    ("commands",),
    ("evaluation",),
    ("training", "synthesis"),
    ("columns", "writing", "teacher", "documents", "inspection"),
    ("row_kinds", "margin_rewards", "runs"),
    ("models", "datasets"),
    ("objectives", "config", "text", "files"),
    ("records", "errors"),
)
"""From the roof down. A wing imports from floors below its own, and from nowhere else."""
HEIGHT = {wing: len(FLOORS) - floor for floor, wings in enumerate(FLOORS) for wing in wings}
SOURCES = Path(summpo.__file__).parent
FILES = sorted(SOURCES.rglob("*.py"))


def wing_of(module: str) -> str:
    """The second part of a dotted name; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imports(file: Path) -> Iterator[str]:
    """The modules of summpo that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("summpo."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            if node.module == "summpo":
                yield from (f"summpo.{name.name}" for name in node.names if name.name in HEIGHT)
            elif (node.module or "").startswith("summpo."):
                yield str(node.module)


def test_every_file_lies_in_a_wing() -> None:
    found = {path.relative_to(SOURCES).parts[0].removesuffix(".py") for path in FILES}
    assert found - {"__init__"} == set(HEIGHT)


def test_no_arrow_goes_back() -> None:
    back = []
    for file in FILES:
        wing = file.relative_to(SOURCES).parts[0].removesuffix(".py")
        for module in imports(file):
            other = wing_of(module)
            if wing not in ("__init__", other) and HEIGHT[other] >= HEIGHT[wing]:
                back.append(f"{file.relative_to(SOURCES)} imports {module}")
    assert not back


def test_hydra_and_omegaconf_end_at_the_door() -> None:
    """Below commands/ there are typed settings; config/ is where a configuration's nodes become them."""
    found = set()
    for file in FILES:
        wing = file.relative_to(SOURCES).parts[0]
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & {"hydra", "omegaconf"}:
                found.add(wing)
    assert found == {"commands", "config"}


def file_of(module: str) -> Path | None:
    """Where a module of ours stands."""
    place = SOURCES.joinpath(*module.split(".")[1:])
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path in FILES), None)


def files_imported(file: Path) -> set[Path]:
    """The files of ours that a file imports, wherever in it; a package's own file only for what stands in that."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("summpo"):
            for name in node.names:
                found.add(file_of(f"{node.module}.{name.name}") or file_of(str(node.module)))
        elif isinstance(node, ast.Import):
            found |= {file_of(name.name) for name in node.names if name.name.startswith("summpo")}
    return {one for one in found if one is not None and one != file}


def test_no_files_import_each_other() -> None:
    order = list(TopologicalSorter({file: files_imported(file) for file in FILES}).static_order())
    assert set(order) == set(FILES)
