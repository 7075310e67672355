"""Puts a script together: imports, functions, settings, then the lines that do the work."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.template.intent import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINE_CHARACTERS: Final = 100

_SHOW: Final = f'''\
def cell(value):
    """A value as text: floats to 6 decimals, below 0.001 to 6 digits; "null" where it is missing."""
    if value is None or value != value:
        return "null"
    if isinstance(value, float):
        return f"{{value:.6g}}" if 0 < abs(value) < 0.001 else f"{{value + 0.0:.6f}}".rstrip("0").rstrip(".")
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(value)).replace("|", "\\\\|")
    return text if len(text) <= 80 else text[:79] + "…"


def show(columns, rows):
    """Prints rows, which are dictionaries, as a table: a header, a rule, at most {MAX_ROWS:,} rows, their number."""
    shown = rows[:{MAX_ROWS}]
    header = [cell(column) for column in columns]
    body = [[cell(row[column]) for column in columns] for row in shown]
    widths = [max(1, *map(len, texts)) for texts in zip(header, *body)]
    is_number = [all(row[one] is None or isinstance(row[one], (int, float)) for row in shown) for one in columns]
    for cells in [header, *body]:
        aligned = zip(cells, widths, is_number)
        print(" | ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in aligned))
        if cells is header:
            print("-+-".join("-" * width for width in widths))
    number = "1 row" if len(rows) == 1 else f"{{len(rows)}} rows"
    print(f"({{number}})" if len(rows) <= {MAX_ROWS} else "(the first {MAX_ROWS:,} rows; there are more)")'''


class Script:
    """The parts of a script while it is written. Names, values and paths in lines must have gone through `repr`."""

    def __init__(self) -> None:
        self._modules = {"ray"}
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._functions = [_SHOW]
        self._context: list[str] = []
        self._lines: list[str] = []

    def use_module(self, module: str) -> None:
        """Imports a module: `heapq`, `pyarrow as pa`."""
        self._modules.add(module)

    def use(self, module: str, *names: str) -> None:
        """Imports names out of a module."""
        self._names[module].update(names)

    def define(self, function: str) -> None:
        """Adds a function, or what belongs above one."""
        self._functions.append(function)

    def set_context(self, setting: str, reason: str) -> None:
        """Sets an attribute of Ray's data context."""
        self._context.append(f"context.{setting}  # {reason}")

    def add(self, *lines: str) -> None:
        """Adds lines to the work."""
        self._lines += lines

    def text(self) -> str:
        """The whole script."""
        standard = [f"import {name}" for name in sorted(self._modules & {"datetime", "heapq"})]
        others = [f"import {name}" for name in sorted(self._modules - {"datetime", "heapq"})]
        others += [f"from {name} import {', '.join(sorted(found))}" for name, found in sorted(self._names.items())]
        context = ["context = ray.data.DataContext.get_current()", *self._context] if self._context else []
        parts = [
            "\n".join(standard),
            "\n".join(others),
            *(f"\n{function}" for function in self._functions),
            "\n" + "\n".join(["ray.init()", *context, *self._lines]),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"


def call(function: str, arguments: Sequence[str]) -> str:
    """The call on one line, or with one argument a line if it is long."""
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= _LINE_CHARACTERS:
        return line
    return f"{function}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"
