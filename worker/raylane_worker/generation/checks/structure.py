"""Checks the structure of a script: one `ray.init()`, some output, and no unbounded result in the driver."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_worker.generation.checks.script import AstScript, finding_at, line_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import Source

# A CSV file takes several times its size as rows in the driver, which shares its node with other work.
_LARGE_BYTES: Final = 64 * 1024 * 1024
_INIT_KEYWORDS: Final = frozenset({"address", "ignore_reinit_error", "log_to_driver"})
_REPEATED: Final = (
    ast.For | ast.AsyncFor | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda
)

_NO_ARGUMENTS: Final = "call ray.init() without arguments; Ray finds the cluster automatically"


def check_structure(script: AstScript, sources: Sequence[Source]) -> Iterator[Finding]:
    """Yields findings about `ray.init()`, output and unbounded results. `sources` are those that the script reads."""
    yield from _check_init(script)
    if not any(_is_output(call) for call in script.calls):
        yield Finding(rule="no_output", message="the script prints nothing; print the result")
    if any(source.size_bytes is None or source.size_bytes > _LARGE_BYTES for source in sources):
        yield from _check_unbounded(script)


def _check_init(script: AstScript) -> Iterator[Finding]:
    calls = [call for call in script.calls if script.origin(call) == "ray.init"]
    if len(calls) != 1:
        line = line_of(calls[1]) if calls else None
        message = f"ray.init() is called {len(calls)} times; call it exactly once, before anything else of Ray"
        yield Finding(rule="ray_init", message=message, line=line)
        return
    (call,) = calls
    for keyword in call.keywords:
        if keyword.arg not in _INIT_KEYWORDS or (keyword.arg == "address" and text_of(keyword.value) != "auto"):
            yield finding_at("ray_init", call, _NO_ARGUMENTS)
    if call.args:
        yield finding_at("ray_init", call, _NO_ARGUMENTS)
    enclosing = list(script.ancestors(call))
    if not script.runs_on_driver(call) or any(isinstance(one, _REPEATED) for one in enclosing):
        message = "call ray.init() at the top of the script, not in a loop or in a function that Ray calls"
        yield finding_at("ray_init", call, message)
    elif _is_late(script, call):
        message = (
            "call ray.init() before anything else of Ray: otherwise Ray starts automatically, and a second start fails"
        )
        yield finding_at("ray_init", call, message)


def _is_late(script: AstScript, init: ast.Call) -> bool:
    """Returns whether Ray Data is used before `init`, in the same function or both outside of functions."""
    scope = _scope(script, init)
    return any(
        script.origin(call).startswith("ray.data.read_") and call.lineno < init.lineno and _scope(script, call) is scope
        for call in script.calls
    )


def _scope(script: AstScript, node: ast.AST) -> ast.AST | None:
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


def _check_unbounded(script: AstScript) -> Iterator[Finding]:
    for call in script.calls:
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Attribute(attr="limit")))):
                continue
            case ast.Call(func=ast.Attribute(attr="take_all" | "to_pandas" as method), args=[], keywords=[]):
                if script.runs_on_driver(call):
                    hint = "use .take(1000), or .limit(1000) before it"
                    message = f".{method}() has no limit and the source is large; {hint}"
                    yield finding_at("unbounded", call, message)
            case _:
                pass
