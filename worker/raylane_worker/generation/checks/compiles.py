"""Finds what Python refuses only when it compiles a script, such as jumps out of place and repeated arguments.

The script is not compiled for this: Python compiles each `finally` block twice, so each level of nesting doubles the
time.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import NOT_READABLE, AstScript, finding_at, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from raylane_common.wire.generate import Finding


_TAKES_STARS: Final = (ast.List, ast.Tuple, ast.Set, ast.Call, ast.ClassDef, ast.arg)


@dataclass(frozen=True)
class _Place:
    """What encloses a statement or an expression."""

    in_function: bool = False
    in_async_generator: bool = False
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
        if (problem := _problem(node, place) or _misplaced(node, parent)) is not None:
            yield finding_at("syntax", node, f"{NOT_READABLE}: {problem}")


def _inside(node: ast.AST, place: _Place) -> _Place:
    """Returns the place of what the node encloses."""
    match node:
        case ast.AsyncFunctionDef():
            return _Place(in_function=True, in_async_generator=_yields(node), in_async_function=True)
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
        case ast.Return(value=ast.expr()) if place.in_async_generator:
            return "'return' with value in async generator"
        case ast.Yield() | ast.YieldFrom() if not place.in_function:
            return "'yield' outside function"
        case ast.YieldFrom() if place.in_async_function:
            return "'yield from' inside async function"
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


def _yields(function: ast.AsyncFunctionDef) -> bool:
    """Returns whether the function itself has a `yield`, not only one inside it."""
    found: list[ast.AST] = [*function.body]
    for node in found:
        if isinstance(node, ast.Yield):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            found += ast.iter_child_nodes(node)
    return False


def _misplaced(node: ast.AST, parent: ast.AST | None) -> str | None:
    """Returns what is wrong with a part that must be last, or only once, or elsewhere."""
    match node:
        case ast.Call(keywords=keywords) | ast.ClassDef(keywords=keywords):
            repeated = _repeated(keyword.arg for keyword in keywords)
            return None if repeated is None else f"keyword argument repeated: {repeated}"
        case ast.Try(handlers=[*others, _]) if any(handler.type is None for handler in others):
            return "default 'except:' must be last"
        case ast.Match(cases=[*others, _]) if any(case.guard is None and _takes_all(case.pattern) for case in others):
            return "a pattern that matches everything makes the remaining ones unreachable; it must be last"
        case ast.MatchOr(patterns=[*others, _]) if any(map(_takes_all, others)):
            return "a pattern that matches everything makes the remaining ones unreachable; it must be last"
        case ast.MatchSequence(patterns=parts) if sum(isinstance(part, ast.MatchStar) for part in parts) > 1:
            return "multiple starred names in sequence pattern"
        case ast.MatchClass(kwd_attrs=names) if (repeated := _repeated(names)) is not None:
            return f"attribute name repeated in class pattern: {repeated}"
        case ast.pattern() if isinstance(parent, ast.match_case) and (repeated := _repeated(_captured(node))):
            return f"multiple assignments to name {repeated!r} in pattern"
        case ast.List(ctx=ast.Store()) | ast.Tuple(ctx=ast.Store()) if _stars(node.elts) > 1:
            return "multiple starred expressions in assignment"
        case ast.Starred() if not isinstance(parent, _TAKES_STARS):
            return "can't use starred expression here"
        case _:
            return None


def _stars(nodes: Iterable[ast.expr]) -> int:
    return sum(isinstance(node, ast.Starred) for node in nodes)


def _takes_all(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchAs(pattern=None):
            return True
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return _takes_all(inner)
        case ast.MatchOr(patterns=parts):
            return any(map(_takes_all, parts))
        case _:
            return False


def _captured(pattern: ast.pattern) -> Iterator[str | None]:
    """Yields the names that the pattern assigns; of alternatives, which have the same ones, those of the first."""
    found: list[ast.AST] = [pattern]
    for node in found:
        match node:
            case ast.MatchOr(patterns=[first, *_]):
                found.append(first)
                continue
            case ast.MatchAs(name=name) | ast.MatchStar(name=name):
                yield name
            case ast.MatchMapping(rest=rest):
                yield rest
        found += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.pattern)]


def _repeated(names: Iterable[str | None]) -> str | None:
    """Returns the first name that comes twice."""
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            return name
        seen.add(name)
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
