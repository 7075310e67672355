"""Builds the text of a script: imports, functions, settings, then the statements."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.template.question import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

# The usual line length, minus the indentation within a function.
_MAX_LINE_CHARACTERS: Final = 100

# Modules of Python itself that a script may import.
_STANDARD: Final = {"datetime", "decimal", "heapq"}

# The functions that print the result, part of every script.
_SHOW: Final = f'''\
def cell(value):
    """Returns a value as text. Floats of more than 12 digits are rounded: to 6 decimals, below 0.001 to 6 digits."""
    if is_missing(value):
        return "null"
    if isinstance(value, decimal.Decimal):
        return f"{{value:f}}"
    if isinstance(value, float):
        if abs(value) >= 1e9:
            return f"{{value:.15g}}"
        exact = f"{{value + 0.0:.12g}}"
        if float(exact) == value:
            return exact
        return f"{{value:.6g}}" if abs(value) < 0.001 else f"{{value:.6f}}".rstrip("0").rstrip(".")
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(value)).replace("|", "\\\\|")
    return text if len(text) <= 80 else text[:79] + "…"


def is_missing(value):
    """Returns whether there is no value."""
    return value is None or value != value


def show(columns, rows):
    """Prints rows (dictionaries) as a table: a header, a rule, at most {MAX_ROWS:,} rows, and how many there are."""
    shown = rows[:{MAX_ROWS}]
    header = [cell(column) for column in columns]
    body = [[cell(row[column]) for column in columns] for row in shown]
    widths = [max(1, *map(len, texts)) for texts in zip(header, *body)]
    numbers = (int, float, decimal.Decimal)
    is_number = [all(row[one] is None or isinstance(row[one], numbers) for row in shown) for one in columns]
    for cells in [header, *body]:
        aligned = zip(cells, widths, is_number)
        print(" | ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in aligned))
        if cells is header:
            print("-+-".join("-" * width for width in widths))
    number = "1 row" if len(rows) == 1 else f"{{len(rows)}} rows"
    number = number if len(rows) <= {MAX_ROWS} else "the first {MAX_ROWS:,} rows; there are more"
    has_missing = any(is_missing(row[column]) for row in shown for column in columns)
    print(f"({{number}}; null: no value)" if has_missing else f"({{number}})")'''


class ScriptBuilder:
    """Collects the parts of a script. Every name, value and path in a statement must be written with `repr`."""

    def __init__(self) -> None:
        self._modules = {"decimal", "ray"}
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._functions = [_SHOW]
        self._context: list[str] = []
        self._statements: list[str] = []

    def import_module(self, module: str) -> None:
        """Imports a module, such as `heapq` or `pyarrow as pa`."""
        self._modules.add(module)

    def import_names(self, module: str, *names: str) -> None:
        """Imports names from a module."""
        self._names[module].update(names)

    def add_function(self, function: str) -> None:
        """Adds a function, with the constants that belong above it."""
        self._functions.append(function)

    def set_context(self, setting: str, reason: str) -> None:
        """Sets an attribute of Ray's data context: `setting`, such as `a = 1`. `reason` becomes a comment."""
        self._context.append(f"context.{setting}  # {reason}")

    def add_statements(self, *statements: str) -> None:
        """Adds statements, one or more lines each."""
        self._statements += statements

    def text(self) -> str:
        """Returns the whole script."""
        standard = [f"import {name}" for name in sorted(self._modules & _STANDARD)]
        others = [f"import {name}" for name in sorted(self._modules - _STANDARD)]
        others += [f"from {name} import {', '.join(sorted(found))}" for name, found in sorted(self._names.items())]
        context = ["context = ray.data.DataContext.get_current()", *self._context] if self._context else []
        parts = [
            "\n".join(standard),
            "\n".join(others),
            *(f"\n{function}" for function in self._functions),
            "\n" + "\n".join(["ray.init()", *context, *self._statements]),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"


def format_call(function: str, arguments: Sequence[str]) -> str:
    """Returns the call on one line, or with one argument per line if it is long."""
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= _MAX_LINE_CHARACTERS:
        return line
    return f"{function}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"
