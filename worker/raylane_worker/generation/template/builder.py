"""Builds the text of a script: imports, then statements, in fewer than 25 lines."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.template.values import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The usual line length.
_WIDTH: Final = 100
# A script fits on a screen.
MAX_LINES: Final = 24
# Modules of Python itself that a script may import.
_STANDARD: Final = frozenset({"datetime", "decimal"})


class ScriptBuilder:
    """Collects the parts of a script. Every name, value and path in a statement must be written with `repr`.

    If `compact`, what has many parts is on one line, however long.
    """

    def __init__(self, *, compact: bool = False) -> None:
        self.compact = compact
        self._modules: set[str] = set()
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._statements: list[str] = []

    def import_module(self, module: str) -> None:
        """Imports a module, such as `pandas as pd`."""
        self._modules.add(module)

    def import_names(self, module: str, *names: str) -> None:
        """Imports names from a module."""
        self._names[module].update(names)

    def add(self, *statements: str) -> None:
        """Adds statements, one or more lines each."""
        self._statements += statements

    def call(self, function: str, arguments: Sequence[str], ending: str = "") -> str:
        """Returns the call on one line, or with one argument per line if it is long. `ending` follows it."""
        return self._brackets(f"{function}(", arguments, f"){ending}")

    def mapping(self, items: Sequence[tuple[str, str]], before: str = "", ending: str = "") -> str:
        """Returns a dictionary of names and code between `before` and `ending`, one item on each line if it is long."""
        return self._brackets(f"{before}{{", [f"{quoted(name)}: {code}" for name, code in items], f"}}{ending}")

    def chain(self, before: str, start: str, calls: Sequence[str]) -> str:
        """Returns `start` with the calls of methods after it, one on each line if they are long."""
        line = f"{before}{start}{''.join(calls)}"
        if self.compact or len(line) <= _WIDTH or len(calls) < 2:
            return line
        return f"{before}(\n    {start}\n" + "".join(f"    {call}\n" for call in calls) + ")"

    def _brackets(self, opening: str, parts: Sequence[str], closing: str) -> str:
        line = f"{opening}{', '.join(parts)}{closing}"
        if self.compact or len(line) <= _WIDTH or not parts:
            return line
        return f"{opening}\n" + "".join(f"    {part},\n" for part in parts) + closing

    def text(self) -> str:
        """Returns the whole script."""
        standard = _imports(self._modules & _STANDARD, {k: v for k, v in self._names.items() if k in _STANDARD})
        others = _imports(self._modules - _STANDARD, {k: v for k, v in self._names.items() if k not in _STANDARD})
        parts = ["\n".join(standard), "\n".join(others), "\n".join(self._statements)]
        return ("\n" if self.compact else "\n\n").join(part for part in parts if part) + "\n"


def build(header: str, write: Callable[[ScriptBuilder], None]) -> str:
    """Returns the script that `write` adds to a builder, below the header. A long one is written compactly."""
    for compact in (False, True):
        script = ScriptBuilder(compact=compact)
        write(script)
        text = f"{header}\n{script.text()}"
        if text.count("\n") <= MAX_LINES:
            break
    return text


def _imports(modules: set[str], names: dict[str, set[str]]) -> list[str]:
    return [f"import {name}" for name in sorted(modules)] + [
        f"from {module} import {', '.join(sorted(found))}" for module, found in sorted(names.items())
    ]
