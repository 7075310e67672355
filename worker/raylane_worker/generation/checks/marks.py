"""Marks the parts of a script that matter for Ray Data's expressions: expressions, integers, text that is not ASCII.

A variable is an expression or an integer only if everything that is bound to it is. It is not ASCII if anything is.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import AstScript, argument, text_of
from raylane_worker.generation.checks.variables import target_names
from raylane_worker.generation.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from raylane_common.wire.sources import Source

# Functions of `ray.data.expressions` that return an expression.
_MAKERS: Final = frozenset({"ray.data.expressions.col", "ray.data.expressions.lit"})
# Methods of an expression that return something else.
_RETURN_OTHER_THINGS: Final = frozenset({"get_type", "name", "structurally_equals", "to_field", "to_pyarrow"})
# Builtins that return the items of their argument.
_COPIES: Final = frozenset({"list", "set", "sorted", "str", "tuple"})
# Each pass follows one more variable. A longer chain of variables is not followed.
_PASSES: Final = 4
# Methods after which the type of any column may be another one.
_CHANGES_TYPES: Final = frozenset(
    {"flat_map", "from_items", "from_pandas", "map", "map_batches", "map_groups", "rename_columns", "with_columns"}
)
# Types of Arrow and of Hive. Decimals keep the fraction, even those without digits after the point.
_INTEGERS: Final = frozenset(
    {"bigint", "int", "int8", "int16", "int32", "int64", "integer", "smallint", "tinyint", "uint8", "uint16", "uint32"}
)


@dataclass
class Marks:
    """The marked nodes of a script."""

    expressions: set[ast.AST] = field(default_factory=set)
    integers: set[ast.AST] = field(default_factory=set)
    not_ascii: set[ast.AST] = field(default_factory=set)


def mark(script: AstScript, sources: Sequence[Source]) -> Marks:
    """Returns the marks of a script that reads these sources. Takes linear time."""
    if _MAKERS.isdisjoint(script.references.values()):
        return Marks()
    bound, unclear, flows = _bindings(script)
    columns = _integer_columns(script, sources)
    names: dict[str, set[str]] = {"expressions": set(), "integers": set(), "not_ascii": set()}
    marks = Marks()
    for _ in range(_PASSES):
        # A node comes after the one that encloses it, so this order has the inner ones first.
        for node in reversed(script.nodes):
            _mark_node(node, script, marks, names, columns)
        more: dict[str, set[str]] = {
            "expressions": {name for name, values in bound.items() if marks.expressions.issuperset(values)} - unclear,
            "integers": {name for name, values in bound.items() if marks.integers.issuperset(values)} - unclear,
            "not_ascii": {name for name, values in flows.items() if not marks.not_ascii.isdisjoint(values)},
        }
        if more == names:
            break
        names = more
    return marks


def _mark_node(
    node: ast.AST, script: AstScript, marks: Marks, names: Mapping[str, set[str]], columns: frozenset[str]
) -> None:
    if _is_expression(node, script, marks.expressions, names["expressions"]):
        marks.expressions.add(node)
    if _is_integer(node, script, marks.integers, names["integers"], columns):
        marks.integers.add(node)
    is_text = isinstance(node, ast.Constant) and not (text_of(node) or "").isascii()
    if is_text or (isinstance(node, ast.Name) and node.id in names["not_ascii"]):
        marks.not_ascii.add(node)
    parent = script.parents.get(node)
    if node in marks.not_ascii and parent is not None and _keeps_text(parent, script, marks.expressions):
        marks.not_ascii.add(parent)


def _is_expression(node: ast.AST, script: AstScript, known: set[ast.AST], names: set[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if value in known:
            return attr not in _RETURN_OTHER_THINGS
        case ast.Call():
            return script.origin(node) in _MAKERS
        case ast.Attribute(value=value) | ast.NamedExpr(value=value):
            return value in known
        case ast.UnaryOp(op=ast.Invert(), operand=operand):
            return operand in known
        case ast.BinOp(left=left, right=right):
            return left in known or right in known
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            is_test = isinstance(operator, ast.Is | ast.IsNot | ast.In | ast.NotIn)
            return not is_test and (left in known or right in known)
        case _:
            return False


def _is_integer(
    node: ast.AST, script: AstScript, known: set[ast.AST], names: set[str], columns: frozenset[str]
) -> bool:
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Constant(value=value):
            return isinstance(value, int) and not isinstance(value, bool)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            return left in known and right in known
        case ast.Call(args=[value]) if script.origin(node) == "ray.data.expressions.lit":
            return value in known
        case ast.Call(args=[value]) if script.origin(node) == "ray.data.expressions.col":
            return text_of(value) in columns
        case _:
            return False


def _keeps_text(parent: ast.AST, script: AstScript, expressions: set[ast.AST]) -> bool:
    """Returns whether the text of an inner node may be part of the value of the node that encloses it."""
    match parent:
        case ast.Call(func=ast.Name(id=name)) if name in _COPIES:
            return True
        case ast.Call(func=ast.Attribute(value=value)):
            return script.origin(parent) in _MAKERS or value in expressions
        case ast.Call():
            return script.origin(parent) in _MAKERS
        case ast.Compare() | ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.IfExp() | ast.NamedExpr():
            return True
        case ast.List() | ast.Tuple() | ast.Set() | ast.Dict() | ast.JoinedStr() | ast.FormattedValue():
            return True
        case ast.Subscript() | ast.Starred() | ast.Attribute() | ast.keyword():
            return True
        case _:
            return False


def _bindings(
    script: AstScript,
) -> tuple[dict[str, list[ast.expr]], set[str], dict[str, list[ast.expr]]]:
    """Returns the values of the variables: those that are assigned, and those that may reach them.

    The second result are the variables that are bound in other ways too, such as parameters.
    """
    bound: dict[str, list[ast.expr]] = defaultdict(list)
    flows: dict[str, list[ast.expr]] = defaultdict(list)
    unclear: set[str] = set()
    assigned: set[ast.AST] = set()
    for node in script.nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        bound[target.id].append(value)
                        assigned.add(target)
            case ast.AnnAssign(target=ast.Name(id=name) as target, value=ast.expr() as value):
                bound[name].append(value)
                assigned.add(target)
            case ast.NamedExpr(target=target, value=value) | ast.AugAssign(target=ast.Name() as target, value=value):
                bound[target.id].append(value)
                assigned.add(target)
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                for name in target_names(target):
                    flows[name].append(value)
            case ast.arg(arg=name):
                unclear.add(name)
    unclear.update(
        node.id
        for node in script.nodes
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node not in assigned
    )
    for name, value in _passed(script):
        flows[name].append(value)
    for name, values in bound.items():
        flows[name] += values
    return bound, unclear, flows


def _passed(script: AstScript) -> Iterator[tuple[str, ast.expr]]:
    """Yields the parameters of the script's own functions with the values that calls by name pass to them."""
    functions = {node.name: node.args for node in script.nodes if isinstance(node, ast.FunctionDef)}
    for call in script.calls:
        if isinstance(call.func, ast.Name) and call.func.id in functions:
            parameters = functions[call.func.id]
            for parameter, value in zip([*parameters.posonlyargs, *parameters.args], call.args, strict=False):
                yield parameter.arg, value
            for keyword in call.keywords:
                if keyword.arg is not None:
                    yield keyword.arg, keyword.value


def _integer_columns(script: AstScript, sources: Sequence[Source]) -> frozenset[str]:
    """Returns the columns that surely hold integers: those of the sources, and counts that the script names."""
    counts: set[str] = set()
    others: set[str] = set()
    is_known = True
    for call in script.calls:
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        named = {one.arg: one.value for one in call.keywords}
        if alias := text_of(named.get("alias_name")):
            is_count = script.origin(call).removeprefix("ray.data.aggregate.") in ("Count", "CountDistinct")
            (counts if is_count else others).add(alias)
        if method in ("add_column", "alias", "with_column"):
            others.add(text_of(argument(call, 0, "col", "column_name", "name")) or "")
        if method in _CHANGES_TYPES or "convert_options" in named:
            is_known = False
    columns = [column for source in sources for column in columns_of(source)]
    known = {column.name for column in columns if column.native_type in _INTEGERS}
    mixed = {column.name for column in columns if column.native_type not in _INTEGERS}
    return frozenset(((known - mixed if is_known else set()) | counts) - others)
