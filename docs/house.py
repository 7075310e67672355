"""Measures a checkout: module sizes, comments, docstrings, types, tests, and the import graph between its rooms.

Run as `python docs/house.py [DIR] [--json]`. These definitions make two runs comparable:

- Comment % counts comments of any kind, docstring % the lines that docstrings cover, both of all lines.
- A public function or class has no leading underscore, is not inside a function and not inside a private class.
- "Raises named" counts the functions, private ones too, whose docstring contains the word "raises".
- A function's length runs from its `def` line to its last line, with the docstring and without decorators.
- A room is a module or package directly below an import root, except the root's `__init__`. An arrow is a pair of
  rooms where one imports the other, also under `if TYPE_CHECKING`. A circle is a set of rooms that reach each other.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import tokenize
from dataclasses import asdict, dataclass
from importlib.util import resolve_name
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOTS: Final = {"common": "raylane_common", "producer": "raylane", "worker": "raylane_worker"}
HEADER: Final = (
    "| part | files / lines | median / 3 largest | comment % | docstring % | public functions documented "
    "| public classes documented | raises named | return types | function median / p95 / max "
    "| test functions (files, lines) |\n|---|---|---|---|---|---|---|---|---|---|---|"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Part:
    """The measures of some modules. Sizes are in lines; a pair is (those that have it, all)."""

    files: int
    lines: int
    lua_lines: int
    module_median: float
    largest_modules: list[int]
    comment_percent: float
    docstring_percent: float
    public_functions_documented: tuple[int, int]
    public_classes_documented: tuple[int, int]
    docstrings_naming_raises: int
    return_types: tuple[int, int]
    function_median_p95_max: tuple[float, int, int]
    test_functions: int


@dataclass(frozen=True)
class Graph:
    """Which room imports which: an arrow is (importer, imported), a circle a sorted list of rooms."""

    rooms: list[str]
    arrows: list[tuple[str, str]]
    circles: list[list[str]]


def measure(folders: Sequence[Path]) -> Part:
    """Measures every Python file below the folders. Raises `SyntaxError` if one does not parse."""
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    trees = [_tree(path) for path in paths]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    public = [node for tree in trees for node in _public(tree)]
    functions = [node for node in nodes if isinstance(node, Function)]
    naming_raises = [node for node in functions if re.search(r"\b[Rr]aises\b", ast.get_docstring(node) or "")]
    described = [node for node in nodes if isinstance(node, ast.Module | Definition) and ast.get_docstring(node)]
    modules = sorted(_line_count(path) for path in paths) or [0]
    lengths = sorted(_span(node) for node in functions) or [0]
    return Part(
        files=len(paths),
        lines=sum(modules),
        lua_lines=sum(_line_count(path) for folder in folders for path in folder.rglob("*.lua")),
        module_median=median(modules),
        largest_modules=modules[-3:],
        comment_percent=round(100 * sum(_comments(path) for path in paths) / max(sum(modules), 1), 1),
        docstring_percent=round(100 * sum(_span(node.body[0]) for node in described) / max(sum(modules), 1), 1),
        public_functions_documented=_documented([node for node in public if isinstance(node, Function)]),
        public_classes_documented=_documented([node for node in public if isinstance(node, ast.ClassDef)]),
        docstrings_naming_raises=len(naming_raises),
        return_types=(sum(node.returns is not None for node in functions), len(functions)),
        function_median_p95_max=(median(lengths), lengths[int(0.95 * len(lengths))], lengths[-1]),
        test_functions=sum(node.name.startswith("test_") for node in functions),
    )


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _comments(path: Path) -> int:
    with path.open("rb") as file:
        return sum(token.type == tokenize.COMMENT for token in tokenize.tokenize(file.readline))


def _public(node: ast.AST) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Definition):
            if child.name.startswith("_"):
                continue
            yield child
        if not isinstance(child, Function):
            yield from _public(child)


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _documented(nodes: Sequence[Definition]) -> tuple[int, int]:
    return sum(ast.get_docstring(node) is not None for node in nodes), len(nodes)


def import_graph(checkout: Path, folders: Sequence[str]) -> Graph:
    """Returns the graph of the rooms, each named `root.room`. `folders` are keys of `ROOTS`."""
    bases = [checkout / folder for folder in folders]
    files = {_module(path.relative_to(base)): path for base in bases for path in base.rglob("*.py")}
    rooms = {_room(name) for name in files} - set(ROOTS.values())
    pairs = {(_room(name), _room(target)) for name in files for target in _imports(name, files)}
    arrows = sorted(pair for pair in pairs if rooms.issuperset(pair) and pair[0] != pair[1])
    reached = {room: {target for source, target in arrows if source == room} for room in rooms}
    for middle in rooms:  # Warshall's algorithm: what reaches the middle room also reaches everything behind it
        for targets in reached.values():
            if middle in targets:
                targets |= reached[middle]
    circles = {frozenset(other for other in reached[room] if room in reached[other]) for room in rooms}
    return Graph(sorted(rooms), arrows, sorted(sorted(circle) for circle in circles if circle))


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _imports(importer: str, files: dict[str, Path]) -> Iterator[str]:
    package = importer if files[importer].stem == "__init__" else importer.rpartition(".")[0]
    for node in ast.walk(_tree(files[importer])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            submodules = (f"{source}.{alias.name}" for alias in node.names)
            yield from (name if name in files else source for name in submodules)


def row(name: str, part: Part, tests: str = "") -> str:
    """Returns the Markdown row of a part. Percentages of a pair are rounded down, so 100 % means all."""
    pairs = (part.public_functions_documented, part.public_classes_documented, part.return_types)
    functions, classes, types = (f"{100 * having // max(total, 1)} % of {total}" for having, total in pairs)
    size = f"{part.files} / {part.lines:,}" + (f" (+{part.lua_lines} Lua)" if part.lua_lines else "")
    modules = f"{part.module_median:g} / {', '.join(map(str, part.largest_modules))}"
    lengths = " / ".join(f"{length:g}" for length in part.function_median_p95_max)
    docstrings = (part.comment_percent, part.docstring_percent, functions, classes, part.docstrings_naming_raises)
    return f"| {' | '.join(map(str, (name, size, modules, *docstrings, types, lengths, tests)))} |"


def main() -> None:
    """Prints the measures of the checkout DIR, by default the current folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of Markdown")
    options = parser.parse_args()
    groups = {"whole": list(ROOTS)} | {folder: [folder] for folder in ROOTS}
    parts = {name: measure([options.checkout / folder for folder in group]) for name, group in groups.items()}
    graphs = {name: import_graph(options.checkout, group) for name, group in groups.items()}
    tests = measure([options.checkout / "tests"])
    if options.json:
        json.dump({"parts": parts | {"tests": tests}, "graphs": graphs}, sys.stdout, default=asdict, indent=2)
        return
    lines = [HEADER, row("whole", parts.pop("whole"), f"{tests.test_functions} ({tests.files}, {tests.lines:,})")]
    lines += [row(name, part) for name, part in parts.items()]
    lines += ["", "| import graph | rooms | arrows | circles |", "|---|---|---|---|"]
    lines += [f"| {name} | {len(g.rooms)} | {len(g.arrows)} | {len(g.circles)} |" for name, g in graphs.items()]
    lines += ["", *(f"- circle: {', '.join(circle)}" for circle in graphs["whole"].circles)]
    for importer, pairs in groupby(graphs["whole"].arrows, key=itemgetter(0)):
        lines.append(f"- {importer} → {', '.join(imported for _, imported in pairs)}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
