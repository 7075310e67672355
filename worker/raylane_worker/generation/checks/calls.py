"""Checks calls: arguments that name files, modules or functions, and methods that may only be called directly."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.allowed.arguments import (
    CALLED_DIRECTLY,
    DECORATORS_ONLY,
    FUNCTION_ARGUMENTS,
    FUNCTIONS_CALLED_DIRECTLY,
    HAND_ARGUMENTS_ON,
    HAND_ARGUMENTS_ON_IF_GIVEN,
    NO_VALUES,
    RAY_CALLS,
    REFUSED_ARGUMENTS,
    TEXT_METHODS,
    TYPES_ONLY,
    UNPACKING_FUNCTIONS,
    UNPACKING_METHODS,
)
from raylane_worker.generation.checks.allowed.attributes import ATTRIBUTES
from raylane_worker.generation.checks.annotations import Types
from raylane_worker.generation.checks.bindings import Bindings
from raylane_worker.generation.checks.classes import check_classes
from raylane_worker.generation.checks.conversions import PROBLEM, Conversions
from raylane_worker.generation.checks.fields import check_fields
from raylane_worker.generation.checks.formats import Formats
from raylane_worker.generation.checks.functions import NamedFunctions
from raylane_worker.generation.checks.script import AstScript, finding_at, quote, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.generate import Finding
    from raylane_worker.generation.checks.attributes import Attributes
    from raylane_worker.generation.checks.variables import Variables

_ATTRIBUTES_BY_NAME: Final = frozenset({"operator.attrgetter", "operator.methodcaller"})
_OPTIONS_BY_NAME: Final = frozenset(
    {"pandas.get_option", "pandas.option_context", "pandas.reset_option", "pandas.set_option"}
)
_DIRECT: Final = FUNCTIONS_CALLED_DIRECTLY | _ATTRIBUTES_BY_NAME | _OPTIONS_BY_NAME
_DECORATED: Final = (ast.AsyncFunctionDef, ast.ClassDef, ast.FunctionDef)
# Any other option could name a module that pandas imports, such as `plotting.backend`.
_DISPLAY_OPTION: Final = re.compile(r"display\.[a-z_.]{1,60}|mode\.(chained_assignment|copy_on_write)")
# What may build arrays from parts that are not checked against each other.
_MAY_BE_BUILT_FROM_ARRAYS: Final = frozenset(
    {
        "pandas.IntervalIndex.from_arrays",
        "pandas.MultiIndex.from_arrays",
        "pyarrow.RecordBatch.from_arrays",
        "pyarrow.StructArray.from_arrays",
        "pyarrow.Table.from_arrays",
    }
)


def check_calls(script: AstScript, variables: Variables, attributes: Attributes) -> Iterator[Finding]:
    """Yields a finding for each call whose arguments are not allowed, and for methods that are not called directly."""
    bindings = Bindings(script, variables)
    functions, formats = NamedFunctions(script, variables, bindings), Formats(attributes, bindings)
    conversions = Conversions(script, bindings)
    yield from check_classes(script, bindings)
    yield from check_fields(script, bindings)
    yield from _check_values(script, bindings)
    for node in script.nodes:
        match node:
            case ast.Call():
                yield from _check_arguments(script, bindings, node)
                for part, problem in functions.problems_of(node):
                    yield finding_at("function_by_name", part, problem)
                for part in conversions.unwritten(node):
                    yield finding_at("type_not_written", part, PROBLEM)
                yield from _check_function(script, attributes, node)
                yield from _check_method(script, bindings, node)
            case ast.Attribute(attr="format" | "format_map"):
                for problem in formats.problems_of(node):
                    yield finding_at("format", node, problem)
            case _:
                pass


def _check_values(script: AstScript, bindings: Bindings) -> Iterator[Finding]:
    """Finds methods and functions with checked arguments that are not called where they are named."""
    types, decorators = Types(script, bindings), dict(_decorators(script))
    for node in script.nodes:
        if not isinstance(node, ast.Attribute | ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        parent = script.parents.get(node)
        origin = script.references.get(node, "")
        if origin in DECORATORS_ONLY:
            if not decorators.get(node, False):
                message = f"write {origin} as a decorator, next to the function or class: @{origin.rpartition('.')[2]}"
                yield finding_at("method_not_allowed", node, message)
        elif isinstance(parent, ast.Call) and parent.func is node:
            continue
        elif origin in NO_VALUES:
            if not types.is_type(node):
                instead = f"; use {TYPES_ONLY[origin]}" if origin in TYPES_ONLY else ""
                message = f"{origin} may only be a base class, or a type as in isinstance(x, np.ndarray){instead}"
                yield finding_at("method_not_allowed", node, message)
        elif origin in _DIRECT or (origin == "ray.remote" and node not in decorators):
            yield finding_at("method_not_allowed", node, f"{origin} may only be called directly")
        elif isinstance(node, ast.Attribute) and node.attr in CALLED_DIRECTLY and not _is_options(node, parent):
            message = f".{node.attr} may only be called directly; for a column of this name write x[{quote(node.attr)}]"
            yield finding_at("method_not_allowed", node, message)


def _is_options(node: ast.Attribute, parent: ast.AST | None) -> bool:
    """Returns whether the attribute is that of `pandas.options.display`."""
    return node.attr == "options" and isinstance(parent, ast.Attribute)


def _decorators(script: AstScript) -> Iterator[tuple[ast.AST, bool]]:
    """Yields what decorates a function or class, called or not, with whether it gets the function or class itself."""
    for node in script.nodes:
        if isinstance(node, _DECORATED):
            is_innermost = True
            for decorator in reversed(node.decorator_list):
                named = decorator.func if isinstance(decorator, ast.Call) else decorator
                yield named, is_innermost
                is_innermost = is_innermost and script.references.get(named) == "functools.total_ordering"


def _check_arguments(script: AstScript, bindings: Bindings, call: ast.Call) -> Iterator[Finding]:
    origin = script.origin(call)
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    is_own_method = method not in ATTRIBUTES and not origin and bindings.defines_function(method)
    is_own = is_own_method or bindings.is_own_callable(call.func)
    if origin in TYPES_ONLY:
        yield finding_at("method_not_allowed", call, f"{origin} may not be called; use {TYPES_ONLY[origin]}")
    arguments = [(one.arg, one.value) for one in call.keywords]
    takes_any = bool(arguments) and (is_own or _may_unpack(bindings, call, origin, method))
    if any(name is None for name, _ in arguments):
        if takes_any:
            arguments = [one for one in arguments if one[0] is not None]
        elif (unpacked := _unpacked_arguments(arguments)) is not None:
            arguments = unpacked
        else:
            message = "write the names of the arguments in the call: a dictionary after ** may hold any"
            yield finding_at("unpacked_arguments", call, message)
    allowed = RAY_CALLS.get(origin) or RAY_CALLS.get(method)
    for name, value in arguments:
        if name == "runtime_env":
            yield finding_at("runtime_env", call, "remove runtime_env; Raylane sets the environment of the run")
        elif not takes_any and name in REFUSED_ARGUMENTS and not _is_none(value):
            yield finding_at(
                "argument_not_allowed", call, f"the argument {quote(name or '')} may not be used; remove it"
            )
        elif allowed is not None and name not in allowed:
            others = f"it may have {', '.join(sorted(allowed))}"
            message = f"{origin or method}() may not have the argument {quote(name or '')}; {others}"
            yield finding_at("argument_not_allowed", call, message)


def _may_unpack(bindings: Bindings, call: ast.Call, origin: str, method: str) -> bool:
    """Returns whether any keyword argument is harmless for the call."""
    if origin:
        is_partial = origin == "functools.partial" and bool(call.args) and bindings.is_own_callable(call.args[0])
        return is_partial or (origin.startswith(UNPACKING_FUNCTIONS) and origin not in HAND_ARGUMENTS_ON)
    if method in HAND_ARGUMENTS_ON_IF_GIVEN:
        return not call.args and all(one.arg != "func" for one in call.keywords)
    if method:
        return method in UNPACKING_METHODS
    return isinstance(call.func, ast.Name) and call.func.id == "dict" and "dict" not in bindings.variables.bound


def _unpacked_arguments(
    arguments: list[tuple[str | None, ast.expr]],
) -> list[tuple[str | None, ast.expr]] | None:
    """Returns the arguments with those that a `**{"name": value}` holds; None if a name is not a literal."""
    unpacked: list[tuple[str | None, ast.expr]] = []
    for name, value in arguments:
        if name is not None:
            unpacked.append((name, value))
        elif isinstance(value, ast.Dict) and all(text_of(key) is not None for key in value.keys):
            unpacked += [(text_of(key), one) for key, one in zip(value.keys, value.values, strict=True)]
        else:
            return None
    return unpacked


def _check_function(script: AstScript, attributes: Attributes, call: ast.Call) -> Iterator[Finding]:
    """Checks functions that take attributes or options by name, or that have only a few harmless arguments."""
    origin = script.origin(call)
    if origin in _ATTRIBUTES_BY_NAME or (isinstance(call.func, ast.Name) and call.func.id == "getattr"):
        named = call.args if origin == "operator.attrgetter" else call.args[1:2] if not origin else call.args[:1]
        for node in named:
            yield from _check_attribute_text(attributes, node)
        if origin == "operator.methodcaller" and not named:
            yield finding_at("method_not_allowed", call, "write the name of the method as a literal")
    elif origin in _OPTIONS_BY_NAME:
        # option_context takes pairs, set_option a pair or several.
        step = 2 if origin in ("pandas.option_context", "pandas.set_option") else 1
        for node in call.args[::step]:
            if not _DISPLAY_OPTION.fullmatch(text_of(node) or ""):
                message = "only options of the display may be used, as literals: pd.set_option('display.max_rows', 50)"
                yield finding_at("option_not_allowed", node, message)
        if call.keywords or any(isinstance(one, ast.Starred) for one in call.args):
            yield finding_at("option_not_allowed", call, f"write the options of {origin} as literals")
    elif origin in FUNCTION_ARGUMENTS:
        count, names = FUNCTION_ARGUMENTS[origin]
        if len(call.args) > count or any(one.arg not in names for one in call.keywords):
            message = (
                f"{origin} may have {count} arguments by position, and by name: {', '.join(sorted(names)) or 'none'}"
            )
            yield finding_at("argument_not_allowed", call, message)


def _check_attribute_text(attributes: Attributes, node: ast.expr) -> Iterator[Finding]:
    text = text_of(node)
    for name in (text or "").split("."):
        if text is None:
            problem: str | None = "write the name of the attribute as a literal, or use x[name] for a column"
        else:
            problem = attributes.problem_of_text(name)
        if problem is not None:
            yield finding_at("method_not_allowed", node, problem)


def _check_method(script: AstScript, bindings: Bindings, call: ast.Call) -> Iterator[Finding]:
    if not isinstance(call.func, ast.Attribute):
        return
    method, origin = call.func.attr, script.origin(call)
    if (allowed := TEXT_METHODS.get(method)) is not None:
        if call.args or any(one.arg not in allowed for one in call.keywords):
            message = (
                f".{method}() may write a file; use answer.file(data, 'name.csv') or answer.table(data), or call it "
                f"without a path, with no arguments but {', '.join(sorted(allowed))}, by name"
            )
            yield finding_at("method_not_allowed", call, message)
    elif method == "from_arrays" and origin not in _MAY_BE_BUILT_FROM_ARRAYS:
        message = "use pa.Table.from_arrays, pa.array or pd.MultiIndex.from_arrays, by its whole name"
        yield finding_at("method_not_allowed", call, message)
    elif method == "from_bytes" and not bindings.variables.is_builtin(call.func.value, "int"):
        yield finding_at("method_not_allowed", call, "only int.from_bytes() may be used: others run what the bytes say")
    elif method == "info" and len(call.args) > 1 and text_of(call.args[0]) is None:
        yield finding_at("method_not_allowed", call, "call .info() without a buffer; it prints")


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
