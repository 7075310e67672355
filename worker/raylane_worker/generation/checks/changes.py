"""Which variables of a script are changed in place, and by which keys. Aliases are not followed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.script import AstScript

_CHANGING: Final = frozenset(
    {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
)


@dataclass(frozen=True)
class Changes:
    """What a script changes in place.

    `keys` are the texts by which anything is set, and those that the script looks for with `in`: such a column may
    exist although nothing known makes it. `names` are the variables that are changed, `freely` those that may get keys
    which are not in `keys`.
    """

    keys: frozenset[str]
    names: frozenset[str]
    freely: frozenset[str]


def changes_in(script: AstScript) -> Changes:
    """Returns what a script changes in place."""
    keys: set[str] = set()
    names: set[str] = set()
    freely: set[str] = set()
    for node in script.nodes:
        changed: ast.expr | None = None
        literals: list[str] = []
        match node:
            case ast.Subscript(value=changed, slice=key, ctx=ast.Store()):
                literals = [str(literal.value) for literal in _literals(key)]
            case ast.Attribute(value=changed, ctx=ast.Store()):
                pass
            case ast.Call(func=ast.Attribute(value=changed, attr=method)) if _changes(node, method):
                texts = [child for argument in node.args for child in _texts(argument)]
                literals = texts if method in ("insert", "setdefault") else []
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()]):
                keys.update(str(literal.value) for literal in texts_of(left))
                continue
            case _:
                continue
        keys.update(literals)
        if (name := _base(changed)) is not None:
            names.add(name)
            if not literals:
                freely.add(name)
    return Changes(frozenset(keys), frozenset(names), frozenset(freely))


def _changes(call: ast.Call, method: str) -> bool:
    return method in _CHANGING or any(keyword.arg == "inplace" for keyword in call.keywords)


def _literals(key: ast.expr) -> Iterator[ast.Constant]:
    """Yields the texts of an index such as `"x"`, `["x", "y"]` or `rows, "x"`."""
    yield from texts_of(key)
    if isinstance(key, ast.Tuple):
        for item in key.elts:
            if isinstance(item, ast.List):
                yield from texts_of(item)


def _texts(argument: ast.expr) -> list[str]:
    return [str(literal.value) for literal in texts_of(argument)]


def _base(node: ast.expr | None) -> str | None:
    """Returns the variable of an expression such as `frame.loc[...]`; None if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
