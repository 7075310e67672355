"""The variables of a function or a module while its statements are followed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from raylane_worker.generation.checks.values import Value, join_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Written = dict[str, Value]


class Scope:
    """Variables, with those of the enclosing scope.

    `returned` are the values that the function returns, `is_generator` whether it yields any, `jumped` whether a
    `break` or `continue` was met, and `rebound` the variables that were bound more than once.
    """

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False) -> None:
        """A new scope without variables. The functions of a class do not see its variables."""
        self.parent = parent
        self.is_class = is_class
        self.is_generator = False
        self.returned: list[Value] = []
        self.jumped = False
        self.rebound: set[str] = set()
        self._values: dict[str, Value] = {}
        self._before: list[dict[str, tuple[Value, ...]]] = []
        self._touched: list[set[str]] = []

    def holder(self, name: str) -> Scope | None:
        """Returns the scope that binds the name; None if none does."""
        scope: Scope | None = self
        while scope is not None and name not in scope._values:
            scope = scope.parent
        return scope

    def get(self, name: str) -> Value:
        """Returns the value of a name in this scope alone."""
        return self._values.get(name)

    def bind(self, name: str, value: Value) -> None:
        """Binds a name to a value."""
        if name in self._values:
            self.rebound.add(name)
        if self._before:
            self._before[-1].setdefault(name, (self._values[name],) if name in self._values else ())
        if self._touched:
            self._touched[-1].add(name)
        self._values[name] = value

    @contextmanager
    def branch(self) -> Iterator[Written]:
        """Undoes the bindings that are made inside, and adds them to the dictionary that it yields."""
        written: Written = {}
        self._before.append({})
        try:
            yield written
        finally:
            for name, before in self._before.pop().items():
                written[name] = self._values.pop(name)
                if before:
                    (self._values[name],) = before

    @contextmanager
    def touching(self) -> Iterator[set[str]]:
        """Adds all names that are bound inside to the set that it yields, even if `branch` undoes that."""
        touched: set[str] = set()
        self._touched.append(touched)
        try:
            yield touched
        finally:
            self._touched.pop()
            if self._touched:
                self._touched[-1] |= touched

    def merge(self, branches: Sequence[Written]) -> None:
        """Binds each name to what it may be after any one of the branches."""
        for name in dict.fromkeys(name for written in branches for name in written):
            known = [written[name] for written in branches if name in written]
            if len(known) < len(branches) and name in self._values:
                known.append(self._values[name])
            self.bind(name, join_all(known))
