"""Checks the types to which pyarrow and Ray convert values.

Ray keeps Python objects in columns of a type of its own, as pickles. Binary values that a script converts to that type
are unpickled when they are read, and a pickle runs code. So a script writes a type with pyarrow's own functions, and
does not take it from a column.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.allowed.arguments import (
    CONVERTING_FUNCTIONS,
    CONVERTING_METHODS,
    TYPE_FUNCTIONS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.bindings import Bindings
    from raylane_worker.generation.checks.script import AstScript

PROBLEM: Final = (
    "write the type with pyarrow's functions, such as pa.float64() or pa.schema([('city', pa.string())]), "
    "and names as a list: a type that comes from a column may be any"
)
_BUILTIN_TYPES: Final = frozenset({"bool", "float", "int", "object", "str"})
_COPYING_BUILTINS: Final = frozenset({"list", "sorted", "tuple"})
# Keeps the search shallow: nobody nests types deeper.
_MAX_DEPTH: Final = 40


@dataclass(frozen=True)
class Conversions:
    """Finds out whether a script itself writes the types to which it converts values."""

    script: AstScript
    bindings: Bindings
    _variables: dict[str, bool] = field(default_factory=dict)

    def unwritten(self, call: ast.Call) -> Iterator[ast.expr]:
        """Yields the types and schemas in a call that the script does not write itself."""
        origin = self.script.origin(call)
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        row = CONVERTING_FUNCTIONS.get(origin)
        if row is None and not origin.startswith(("ray.data.from_", "typing.")):
            row = CONVERTING_METHODS.get(method)
        if row is None:
            return
        positions, keywords = row
        for position, argument in enumerate(call.args):
            is_type = position in positions or (isinstance(argument, ast.Starred) and position <= positions[-1])
            if is_type and not self._is_written(argument, 0):
                yield argument
        for keyword in call.keywords:
            if keyword.arg is None or (keyword.arg in keywords and not self._is_written(keyword.value, 0)):
                yield keyword.value

    def _is_written(self, node: ast.expr, depth: int) -> bool:
        if depth > _MAX_DEPTH:
            return False
        deeper = depth + 1
        match node:
            case ast.Constant():
                return True
            case ast.Tuple(elts=[_, kind]):
                return self._is_written(kind, deeper)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return all(self._is_written(item, deeper) for item in items)
            case ast.Dict(values=values):
                return None not in node.keys and all(self._is_written(value, deeper) for value in values)
            case ast.ListComp(elt=item) | ast.DictComp(value=item):
                return self._is_written(item, deeper) or self._is_text(item)
            case ast.IfExp(body=left, orelse=right):
                return self._is_written(left, deeper) and self._is_written(right, deeper)
            case ast.JoinedStr():
                return True
            case ast.Call():
                return self._is_written_call(node)
            case ast.Attribute(attr="column_names" | "columns" | "names"):
                return True
            case ast.Attribute():
                return self.script.references.get(node, "").startswith(("numpy.", "pandas."))
            case ast.Name(id=name):
                return self._is_written_variable(node, name, deeper)
            case _:
                return False

    def _is_written_call(self, call: ast.Call) -> bool:
        """Returns whether a call makes a type. What it is given is checked where the call itself is."""
        origin = self.script.origin(call)
        module, _, name = origin.rpartition(".")
        if module == "pyarrow":
            return name in TYPE_FUNCTIONS
        if origin.startswith(("numpy.", "pandas.", "ray.data.datatype.DataType.")):
            return True
        # A list of names, or of the fields of a schema; neither is a schema.
        is_builtin = isinstance(call.func, ast.Name) and call.func.id in _COPYING_BUILTINS
        return is_builtin and not self._is_bound(call.func)

    def _is_bound(self, node: ast.expr) -> bool:
        variables = self.bindings.variables
        return isinstance(node, ast.Name) and (node.id in variables.bound or node.id in variables.imported)

    def _is_text(self, node: ast.expr) -> bool:
        return isinstance(node, ast.JoinedStr | ast.Constant)

    def _is_written_variable(self, node: ast.Name, name: str, depth: int) -> bool:
        if not self._is_bound(node):
            return name in _BUILTIN_TYPES
        if node in self.script.references:
            return self.script.references[node].startswith(("numpy.", "pandas."))
        if name not in self._variables:
            self._variables[name] = False
            bound = self.bindings.of(name)
            # A list could get other types later; a type or a schema never changes.
            self._variables[name] = name not in self.bindings.variables.imported and all(
                isinstance(one.value, ast.Call | ast.Constant) and not one.path and self._is_written(one.value, depth)
                for one in bound
            )
        return self._variables[name]
