"""Finds misuse of Ray Data's expressions: what fails on Ray, and what gives a wrong result without an error.

Each rule was checked on Ray 2.60. See docs/decisions/0027.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.marks import mark
from raylane_worker.generation.checks.script import AstScript, argument, finding_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.generate import Finding
    from raylane_common.wire.sources import Source
    from raylane_worker.generation.checks.marks import Marks

FAILS: Final = "fails_on_ray"
WRONG: Final = "wrong_result"

# Attributes that pandas, polars or Spark have, and what Ray's expressions have instead.
RENAMED: Final = {
    "astype": ".cast(DataType.float64()) with DataType from ray.data.datatype",
    "between": "(expression >= low) & (expression <= high)",
    "contains": ".str.contains(...)",
    "endswith": ".str.ends_with(...)",
    "fillna": "map_batches with pandas",
    "isin": ".is_in([...])",
    "isna": ".is_null()",
    "isnull": ".is_null()",
    "lower": ".str.lower()",
    "notna": ".is_not_null()",
    "notnull": ".is_not_null()",
    "otherwise": "map_batches with pandas",
    "startswith": ".str.starts_with(...)",
    "upper": ".str.upper()",
    "when": "map_batches with pandas",
}
RENAMED_TEXT: Final = {
    "endswith": ".str.ends_with(...)",
    "isdigit": ".str.is_digit()",
    "startswith": ".str.starts_with(...)",
}
RENAMED_TIME: Final = {
    "date": '.dt.floor("day")',
    "day_name": '.dt.strftime("%A")',
    "dayofweek": '.dt.strftime("%u"), which is "1" for Monday',
    "month_name": '.dt.strftime("%B")',
    "quarter": "map_batches with pandas",
    "weekday": '.dt.strftime("%u"), which is "1" for Monday',
}
_TIME_METHODS: Final = frozenset({"day", "hour", "minute", "month", "second", "year"})
# Functions that need a value. The methods of an expression do the same for a column.
_NEED_VALUES: Final = frozenset({"abs", "all", "any", "bool", "float", "int", "len", "max", "min", "round", "sum"})
_MODULES_OF_VALUES: Final = ("math.", "numpy.", "pandas.", "pyarrow.compute.", "statistics.")
# Methods of Dataset that take columns by name only.
_TAKES_NAMES: Final = frozenset({"drop_columns", "groupby", "select_columns", "sort", "unique"})


def check_operators(script: AstScript, sources: Sequence[Source]) -> Iterator[Finding]:
    """Yields a finding for each misuse of an expression. `sources` are those that the script reads."""
    marks = mark(script, sources)
    for node in script.nodes:
        if isinstance(node, ast.Call):
            yield from _check_call(script, node, marks)
        elif isinstance(node, ast.Attribute):
            if node.value in marks.expressions and (problem := _renamed(script, node)):
                yield finding_at(FAILS, node, problem)
        elif (found := _check_operator(node, marks)) is not None:
            yield finding_at(found[0], node, found[1])


def _check_operator(node: ast.AST, marks: Marks) -> tuple[str, str] | None:
    """Returns the rule that an operator or a condition breaks and the message; None if it breaks none."""
    known = marks.expressions
    match node:
        case ast.BoolOp(op=operator, values=values) if not known.isdisjoint(values):
            word, sign = ("and", "&") if isinstance(operator, ast.And) else ("or", "|")
            return WRONG, f"'{word}' keeps only one of the conditions; write (a) {sign} (b), with parentheses"
        case ast.UnaryOp(op=ast.Not(), operand=operand) if operand in known:
            return FAILS, "'not' does not work with expressions; write ~(condition)"
        case ast.Compare(left=left, ops=[_, _, *_], comparators=others) if not known.isdisjoint([left, *others]):
            return WRONG, "a chained comparison keeps only its last part; write (low < x) & (x < high)"
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()]) if left in known:
            return FAILS, "'in' does not work with expressions; use .is_in([...]) or .not_in([...])"
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if test in known:
            return WRONG, "an expression is always true in Python; compute the column in map_batches with pandas"
        case ast.BinOp(left=left, op=ast.Div(), right=right) if {left, right} <= marks.integers:
            if left in known or right in known:
                return WRONG, "Ray drops the fraction when it divides integers: 3 / 2 is 1; write (a * 1.0) / b"
        case ast.BinOp(left=left, op=ast.Pow()) if left in known:
            return FAILS, "'**' does not work with expressions; use .power(n)"
        case ast.UnaryOp(op=ast.USub(), operand=operand) if operand in known:
            return FAILS, "'-' before an expression fails; write expression * -1"
        case _:
            pass
    return None


def _renamed(script: AstScript, node: ast.Attribute) -> str | None:
    """Returns what is wrong with an attribute of an expression; None if nothing is."""
    space = node.value.attr if isinstance(node.value, ast.Attribute) else ""
    parent = script.parents.get(node)
    is_called = isinstance(parent, ast.Call) and parent.func is node
    if space == "dt" and node.attr in _TIME_METHODS and not is_called:
        return f".dt.{node.attr} is a method of Ray's expressions; write .dt.{node.attr}()"
    names = {"": RENAMED, "str": RENAMED_TEXT, "dt": RENAMED_TIME}.get(space, {})
    if node.attr not in names:
        return None
    what = f".{space}.{node.attr}" if space else f".{node.attr}"
    return f"Ray's expressions have no {what}; use {names[node.attr]}"


def _check_call(script: AstScript, call: ast.Call, marks: Marks) -> Iterator[Finding]:
    function, origin = call.func, script.origin(call)
    arguments = [*call.args, *(one.value for one in call.keywords)]
    arguments += [item for one in arguments if isinstance(one, ast.List | ast.Tuple) for item in one.elts]
    takes_one = not marks.expressions.isdisjoint(arguments)
    if isinstance(function, ast.Name) and function.id in _NEED_VALUES and takes_one:
        yield finding_at(FAILS, call, f"{function.id}() needs a value; an expression has methods such as .abs()")
    elif origin.startswith(_MODULES_OF_VALUES) and takes_one:
        message = f"{origin}() cannot take an expression; use its methods, such as .ln(), or map_batches"
        yield finding_at(FAILS, call, message)
    elif origin.startswith("ray.data.aggregate."):
        yield from _check_aggregate(call, origin.removeprefix("ray.data.aggregate."), marks)
    elif isinstance(function, ast.Attribute):
        if function.value in marks.expressions:
            yield from _check_method(call, function.attr)
        elif function.attr == "filter":
            yield from _check_filter(call, marks)
        elif function.attr == "with_column" and isinstance(argument(call, 1, "expr"), ast.Lambda):
            yield finding_at(FAILS, call, "with_column takes an expression, not a function; use map_batches")
        elif function.attr == "with_columns" and any(one.value in marks.expressions for one in call.keywords):
            message = "with_columns ignores keywords; write with_columns({'name': expression})"
            yield finding_at(WRONG, call, message)
        elif function.attr == "sort" and {"ascending", "by"} & {one.arg for one in call.keywords}:
            yield finding_at(FAILS, call, "sort has no such argument; write sort(column, descending=True)")
        elif function.attr in _TAKES_NAMES and takes_one:
            message = f"{function.attr} takes names of columns, not expressions; write the name as text"
            yield finding_at(FAILS, call, message)


def _check_aggregate(call: ast.Call, name: str, marks: Marks) -> Iterator[Finding]:
    column = argument(call, 0, "on")
    if column in marks.expressions or isinstance(column, ast.List | ast.Tuple):
        message = f"{name} takes the name of one column as text; write one {name} for each column"
        yield finding_at(FAILS, call, message)
    if name == "Quantile" and isinstance(argument(call, 1, "q"), ast.List | ast.Tuple):
        message = "Quantile computes only the first of several; write one for each, with an alias_name"
        yield finding_at(WRONG, call, message)


def _check_method(call: ast.Call, method: str) -> Iterator[Finding]:
    if method == "round" and (call.args or call.keywords):
        message = "round() of an expression has no argument; round the number that you answer"
        yield finding_at(FAILS, call, message)
    elif method == "cast" and _is_plain_type(argument(call, 0, "target_type")):
        message = "cast takes a DataType; write .cast(DataType.float64()) with DataType from ray.data.datatype"
        yield finding_at(FAILS, call, message)


def _is_plain_type(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in ("bool", "float", "int", "str"))


def _check_filter(call: ast.Call, marks: Marks) -> Iterator[Finding]:
    if call.args and call.args[0] in marks.expressions:
        yield finding_at(FAILS, call, "filter takes a condition by name only; write filter(expr=...)")
    expression = next((one.value for one in call.keywords if one.arg == "expr"), None)
    if isinstance(expression, ast.Constant | ast.JoinedStr):
        message = "write the condition with col() and lit() from ray.data.expressions, not as text"
        yield finding_at("text_expression", call, message)
    elif expression in marks.not_ascii:
        # Ray 2.60 puts the expression into the name of a metric, which must be ASCII.
        message = (
            "Ray cannot filter by an expression with text that is not ASCII; write the condition in Python: "
            'ds.filter(lambda row: row["city"] == "Köln"), where a missing value is None'
        )
        yield finding_at("text_not_ascii", call, message)
