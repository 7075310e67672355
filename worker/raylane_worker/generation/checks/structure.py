"""Checks the structure of a script: how it starts Ray, whether it gives an answer, what it asks of datasets."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_common.wire.names import Engine
from raylane_worker.generation.checks.allowed.kit_names import ANSWERS, READ
from raylane_worker.generation.checks.script import AstScript, finding_at, line_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_worker.generation.checks.found import Found

_INIT_KEYWORDS: Final = frozenset({"address", "ignore_reinit_error", "log_to_driver"})
_REPEATED: Final = (
    ast.For | ast.AsyncFor | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda
)

# Nobody writes more, and each is compared with the first.
_MAX_INIT_CALLS: Final = 4
_GIVE_ONE: Final = 'write answer.table(result), answer.value("name", number), answer.chart(…) or answer.file(…)'
_NO_ARGUMENTS: Final = "call ray.init() without arguments, or leave it out; Ray finds the cluster automatically"


def check_structure(script: AstScript, found: Found, engine: Engine) -> Iterator[Finding]:
    """Yields findings about `ray.init()`, the answer, and the calls in `found` that give the driver too many rows."""
    if engine is Engine.DISTRIBUTED:
        yield from _check_init(script)
    answers = [call for call in script.calls if script.origin(call) in ANSWERS]
    if not answers:
        prints = any(isinstance(node, ast.Name) and node.id == "print" for node in script.nodes)
        what = "only prints: what is printed is no answer" if prints else "gives no answer"
        yield Finding(rule="no_answer", message=f"the script {what}; {_GIVE_ONE}")
    elif unused := _only_in_unused(script, answers):
        message = f"only {unused}() gives an answer, but the script never calls it; call it at the end"
        yield Finding(rule="no_answer", message=message)
    for call in found.unbounded:
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        message = f".{method}() has no limit and the source is large; use .take(1000), or .limit(1000) before it"
        yield finding_at("unbounded", call, message)


def _check_init(script: AstScript) -> Iterator[Finding]:
    calls = [call for call in script.calls if script.origin(call) == "ray.init"]
    starting = [call for call in calls[: _MAX_INIT_CALLS + 1] if not _is_guarded(script, call)]
    second = next((call for call in starting[1:] if not _excludes(script, starting[0], call)), None)
    if second is not None or 0 < len(starting) < len(calls) or len(calls) > _MAX_INIT_CALLS:
        message = f"ray.init() is called {len(calls)} times; leave it out, since read() connects to Ray"
        yield Finding(rule="ray_init", message=message, line=line_of(second or calls[-1]))
        return
    called = _names(script, called=True) | {"__init__", "__enter__"}
    for call in calls:
        yield from _check_init_call(script, call, called)


def _check_init_call(script: AstScript, call: ast.Call, called: set[str]) -> Iterator[Finding]:
    for keyword in call.keywords:
        if keyword.arg not in _INIT_KEYWORDS or (keyword.arg == "address" and text_of(keyword.value) != "auto"):
            yield finding_at("ray_init", call, _NO_ARGUMENTS)
    if call.args:
        yield finding_at("ray_init", call, _NO_ARGUMENTS)
    is_passed = any(isinstance(one, ast.Lambda) or one.name not in called for one in _functions(script, call))
    if is_passed or any(isinstance(one, _REPEATED) for one in script.ancestors(call)):
        message = (
            "leave ray.init() out, or call it at the top of the script: not in a loop, nor in a function that is never "
            "called"
        )
        yield finding_at("ray_init", call, message)
    elif not _is_guarded(script, call) and _is_late(script, call):
        message = (
            "leave ray.init() out, or call it before the first read(), which connects to Ray: a second start fails"
        )
        yield finding_at("ray_init", call, message)


def _is_guarded(script: AstScript, call: ast.Call) -> bool:
    """Returns whether the call never starts Ray a second time."""
    for keyword in call.keywords:
        if keyword.arg == "ignore_reinit_error" and isinstance(keyword.value, ast.Constant) and keyword.value.value:
            return True
    child: ast.AST = call
    for one in script.ancestors(call):
        match one:
            case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=ast.Call() as test), body=body):
                if child in body and script.origin(test) == "ray.is_initialized":
                    return True
            case _:
                pass
        child = one
    return False


def _excludes(script: AstScript, first: ast.Call, second: ast.Call) -> bool:
    """Returns whether only one of two calls is executed, or the second one if the first one fails."""
    inner = {first, *script.ancestors(first)}
    child: ast.AST = second
    for one in script.ancestors(second):
        if one in inner:
            match one:
                case ast.If(body=body, orelse=orelse):
                    return (child in orelse and not inner.isdisjoint(body)) or (
                        child in body and not inner.isdisjoint(orelse)
                    )
                case ast.Try(body=body):
                    return isinstance(child, ast.ExceptHandler) and not inner.isdisjoint(body)
                case _:
                    return False
        child = one
    return False


def _is_late(script: AstScript, init: ast.Call) -> bool:
    """Returns whether data is read before `init`, in the same function or both outside of functions."""
    scope = next(_functions(script, init), None)
    return any(
        script.origin(call) == READ and call.lineno < init.lineno and next(_functions(script, call), None) is scope
        for call in script.calls
    )


def _only_in_unused(script: AstScript, answers: Sequence[ast.AST]) -> str | None:
    """Returns the name of a function that is never used, if all of these are in such functions."""
    used, unused = _names(script, called=False), None
    for node in answers:
        names = [one.name for one in _functions(script, node) if not isinstance(one, ast.Lambda)]
        # Python itself calls methods such as __init__; a decorator may pass a function to something that does.
        unused = next((name for name in names if name not in used and not name.startswith("__")), None)
        if unused is None:
            return None
    return unused


def _functions(script: AstScript, node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    """Yields the functions that enclose the node, from the inside out."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    return (one for one in script.ancestors(node) if isinstance(one, functions))


def _names(script: AstScript, *, called: bool) -> set[str]:
    """Returns the last parts of all names that the script reads, or calls."""
    nodes = (call.func for call in script.calls) if called else iter(script.nodes)
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in nodes
        if isinstance(one, ast.Name | ast.Attribute) and isinstance(one.ctx, ast.Load)
    }
