"""Finds what Python refuses only when it compiles a script: jumps out of place, and late imports from `__future__`.

The script is not compiled for this: Python compiles each `finally` block twice, so each level of nesting doubles the
time.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from raylane_worker.generation.checks.script import NOT_READABLE, AstScript, finding_at, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.generate import Finding


@dataclass(frozen=True)
class _Place:
    """What encloses a statement or an expression."""

    in_function: bool = False
    in_async_function: bool = False
    in_loop: bool = False
    in_group_handler: bool = False


def check_compiles(script: AstScript) -> Iterator[Finding]:
    """Yields a finding for each statement that Python refuses although it can parse it."""
    yield from _late_future_imports(script)
    after_loops = {
        node for loop in script.nodes if isinstance(loop, ast.For | ast.AsyncFor | ast.While) for node in loop.orelse
    }
    group_handlers = {handler for node in script.nodes if isinstance(node, ast.TryStar) for handler in node.handlers}
    places: dict[ast.AST, _Place] = {}
    # Each node comes after the one that encloses it, except operators and contexts, which are shared.
    for node in script.nodes:
        parent = script.parents.get(node)
        place = _inside(parent, places[parent]) if parent in places else _Place()
        if node in after_loops and parent in places:
            place = replace(place, in_loop=places[parent].in_loop)
        if parent in group_handlers:
            place = replace(place, in_loop=False, in_group_handler=True)
        places[node] = place
        if (problem := _problem(node, place)) is not None:
            yield finding_at("syntax", node, f"{NOT_READABLE}: {problem}")


def _inside(node: ast.AST, place: _Place) -> _Place:
    """Returns the place of what the node encloses."""
    match node:
        case ast.AsyncFunctionDef():
            return _Place(in_function=True, in_async_function=True)
        case ast.FunctionDef() | ast.Lambda():
            return _Place(in_function=True)
        case ast.ClassDef():
            return _Place()
        case ast.For() | ast.AsyncFor() | ast.While():
            return replace(place, in_loop=True)
        case _:
            return place


def _problem(node: ast.AST, place: _Place) -> str | None:
    match node:
        case ast.Return() if not place.in_function:
            return "'return' outside function"
        case ast.Return() if place.in_group_handler:
            return "'return' in an 'except*' block"
        case ast.Yield() | ast.YieldFrom() if not place.in_function:
            return "'yield' outside function"
        case ast.Await() if not place.in_async_function:
            return "'await' outside async function"
        case ast.AsyncFor() if not place.in_async_function:
            return "'async for' outside async function"
        case ast.AsyncWith() if not place.in_async_function:
            return "'async with' outside async function"
        case ast.Break() if not place.in_loop:
            return "'break' in an 'except*' block" if place.in_group_handler else "'break' outside loop"
        case ast.Continue() if not place.in_loop:
            return "'continue' in an 'except*' block" if place.in_group_handler else "'continue' outside loop"
        case _:
            return None


def _late_future_imports(script: AstScript) -> Iterator[Finding]:
    module = script.nodes[0]
    statements = module.body if isinstance(module, ast.Module) else []
    if statements and isinstance(statements[0], ast.Expr) and text_of(statements[0].value) is not None:
        statements = statements[1:]
    begun = False
    for node in statements:
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if is_future and begun:
            yield finding_at("syntax", node, "an import from __future__ must be the first statement")
        begun = begun or not is_future
