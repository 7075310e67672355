"""What following a script finds, for the checks that report it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

    from raylane_worker.generation.checks.values import Text


@dataclass(frozen=True)
class MissingColumn:
    """A name of a column, and the columns among which it is not. `is_key` says whether it indexes a row or a frame."""

    text: Text
    columns: frozenset[str]
    is_key: bool


@dataclass
class Found:
    """What following a script has found.

    `unbounded` are the calls that give the driver all rows of a large dataset. `absent` are the calls of methods that a
    dataset does not have on the cluster, each with the rule that it breaks and a message.
    """

    missing: list[MissingColumn] = field(default_factory=list)
    unbounded: list[ast.Call] = field(default_factory=list)
    absent: list[tuple[ast.Call, str, str]] = field(default_factory=list)
