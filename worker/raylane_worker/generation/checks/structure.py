"""How code starts and what it gives back: one `ray.init()`, some output, no more on the driver than fits there."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_worker.generation.checks.script import Script, line_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import CsvSource, TableSource

_LARGE_BYTES: Final = 64 * 1024 * 1024
_INIT_KEYWORDS: Final = frozenset({"address", "ignore_reinit_error", "log_to_driver"})
_REPEATING: Final = (
    ast.For | ast.AsyncFor | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda
)


def check_flow(script: Script, read: Sequence[CsvSource | TableSource]) -> Iterator[Finding]:
    """Findings about initialisation, output and unbounded results; `read` are the sources that the code reads."""
    yield from _init(script)
    if not any(_is_output(call) for call in script.calls):
        yield Finding(rule="no_output", message="the script prints nothing; print the result")
    if any(source.size_bytes is None or source.size_bytes > _LARGE_BYTES for source in read):
        yield from _unbounded(script)


def _init(script: Script) -> Iterator[Finding]:
    calls = [call for call in script.calls if script.origin(call) == "ray.init"]
    if len(calls) != 1:
        line = line_of(calls[1]) if calls else None
        message = f"ray.init() is called {len(calls)} times; call it exactly once, before anything else of Ray"
        yield Finding(rule="ray_init", message=message, line=line)
        return
    (call,) = calls
    for keyword in call.keywords:
        if keyword.arg not in _INIT_KEYWORDS or (keyword.arg == "address" and text_of(keyword.value) != "auto"):
            message = "call ray.init() without arguments; the cluster is found by itself"
            yield Finding(rule="ray_init", message=message, line=line_of(call))
    if call.args:
        message = "call ray.init() without arguments; the cluster is found by itself"
        yield Finding(rule="ray_init", message=message, line=line_of(call))
    enclosing = list(script.ancestors(call))
    if not script.runs_on_driver(call) or any(isinstance(one, _REPEATING) for one in enclosing):
        message = "call ray.init() at the top of the script, not in a loop or in a function that Ray calls"
        yield Finding(rule="ray_init", message=message, line=line_of(call))
    elif _is_late(script, call):
        message = "call ray.init() before anything else of Ray; Ray would start by itself, and a second start fails"
        yield Finding(rule="ray_init", message=message, line=line_of(call))


def _is_late(script: Script, init: ast.Call) -> bool:
    """Whether Ray Data is used before, in the same function or both outside of any."""
    scope = _scope(script, init)
    return any(
        script.origin(call).startswith("ray.data.read_") and call.lineno < init.lineno and _scope(script, call) is scope
        for call in script.calls
    )


def _scope(script: Script, node: ast.AST) -> ast.AST | None:
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    return next((one for one in script.ancestors(node) if isinstance(one, functions)), None)


def _is_output(call: ast.Call) -> bool:
    match call.func:
        case ast.Name(id="print"):
            return True
        case ast.Attribute(attr=method):
            return method == "show" or method.startswith("write_")
        case _:
            return False


def _unbounded(script: Script) -> Iterator[Finding]:
    for call in script.calls:
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr="limit")))):
                continue
            case ast.Call(func=ast.Attribute(attr="take_all" | "to_pandas" as method), args=[], keywords=[]):
                if script.runs_on_driver(call):
                    hint = "use .take(1000), or .limit(1000) before it"
                    message = f".{method}() has no limit and the source is large; {hint}"
                    yield Finding(rule="unbounded", message=message, line=line_of(call))
            case _:
                pass
