"""Which expressions each variable of a script may hold at any time, without following the order of its statements."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.script import AstScript
    from raylane_worker.generation.checks.variables import Variables


class Part(Enum):
    """A part of a collection: any of its items when it is iterated, or any value of a dictionary."""

    ITEM = "item"
    VALUE = "value"


# Leads from an expression to what a variable holds: parts of collections, and positions in tuples.
Path = tuple[Part | int, ...]


@dataclass(frozen=True)
class Binding:
    """What a variable is bound to: the part of `value` that `path` leads to; None if the script does not tell."""

    value: ast.expr | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None
    path: Path = ()


UNKNOWN: Final = Binding(None)
# Decorators that return what they decorate, or a function that calls it. Others of these modules return anything:
# `@partial(lambda f: "to_pickle")`.
_KEEPING_DECORATORS: Final = frozenset(
    {
        "dataclasses.dataclass",
        "enum.unique",
        "functools.cache",
        "functools.lru_cache",
        "functools.total_ordering",
        "functools.wraps",
        "ray.remote",
    }
)
# Methods that add to a collection, with the position of the argument that they add.
MUTATORS: Final = {"add": 0, "append": 0, "appendleft": 0, "insert": 1, "setdefault": 1}


@dataclass(frozen=True)
class Bindings:
    """All bindings of a script, by the name of the variable. Variables of one name in several scopes count as one."""

    script: AstScript
    variables: Variables

    def of(self, name: str) -> list[Binding]:
        """Returns everything that a variable may be bound to."""
        return self._all.get(name, [UNKNOWN])

    def reads(self, name: str) -> list[ast.Name]:
        """Returns the places where the variable is read."""
        return self._reads.get(name, [])

    def functions_called(self, name: str) -> list[ast.FunctionDef] | None:
        """Returns the undecorated functions that the name may be; None if it may be anything else."""
        found = [one.value for one in self.of(name)]
        functions = [one for one in found if isinstance(one, ast.FunctionDef)]
        return functions if len(functions) == len(found) and name not in self.variables.imported else None

    def defines_function(self, name: str) -> bool:
        """Returns whether the script has a function or method of this name."""
        return name in self._functions

    def is_own_callable(self, node: ast.expr) -> bool:
        """Returns whether the expression is the name of a function or class of the script, and nothing else."""
        return isinstance(node, ast.Name) and node.id in self._own_callables

    def returned_by(self, function: ast.FunctionDef) -> list[ast.expr | None]:
        """Returns the values that a function returns, None for a bare `return` and for a generator."""
        return self._returns.get(function, [])

    @cached_property
    def _functions(self) -> frozenset[str]:
        return frozenset(
            node.name for node in self.script.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )

    @cached_property
    def _own_callables(self) -> frozenset[str]:
        return frozenset(
            name
            for name, bound in self._all.items()
            if name not in self.variables.imported
            and all(isinstance(one.value, ast.FunctionDef | ast.ClassDef) for one in bound)
        )

    @cached_property
    def _all(self) -> dict[str, list[Binding]]:
        bindings: dict[str, list[Binding]] = {}
        for node in self.script.nodes:
            for name, binding in self._bound_by(node):
                bindings.setdefault(name, []).append(binding)
        return bindings

    def _bound_by(self, node: ast.AST) -> Iterator[tuple[str, Binding]]:
        match node:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _unpacked(target, value, ())
            case ast.Assign(targets=targets, value=value):
                # Two names for one collection: what one adds, the other has.
                for target in targets:
                    yield from ((name, _if_constant(value, one)) for name, one in _unpacked(target, value, ()))
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                yield name, _if_constant(value, Binding(value))
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                # Text that is put together could be any name; a collection only grows.
                yield name, Binding(value) if isinstance(value, ast.List | ast.Dict | ast.Set) else UNKNOWN
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield from _unpacked(target, value, (Part.ITEM,))
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, Binding(node) if not node.decorator_list else self._decorated(node)
            case ast.arg(arg=name) | ast.AsyncFunctionDef(name=name):
                yield name, UNKNOWN
            case ast.ExceptHandler(name=str() as name) | ast.MatchMapping(rest=str() as name):
                yield name, UNKNOWN
            case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name):
                yield name, UNKNOWN
            case ast.With(items=items) | ast.AsyncWith(items=items):
                for item in items:
                    if item.optional_vars is not None:
                        yield from ((name, UNKNOWN) for name, _ in _unpacked(item.optional_vars, item.context_expr, ()))
            case ast.AsyncFor(target=target, iter=value):
                yield from ((name, UNKNOWN) for name, _ in _unpacked(target, value, ()))
            case _:
                pass

    def _decorated(self, node: ast.FunctionDef | ast.ClassDef) -> Binding:
        """Returns the function or class itself if all its decorators return one, else something unknown."""
        for decorator in node.decorator_list:
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            if self.script.references.get(function) not in _KEEPING_DECORATORS:
                return UNKNOWN
        return Binding(node)

    @cached_property
    def _reads(self) -> dict[str, list[ast.Name]]:
        reads: dict[str, list[ast.Name]] = {}
        for node in self.script.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                reads.setdefault(node.id, []).append(node)
        return reads

    @cached_property
    def _returns(self) -> dict[ast.AST, list[ast.expr | None]]:
        returns: dict[ast.AST, list[ast.expr | None]] = {}
        functions: dict[ast.AST, ast.AST] = {}
        for node in self.script.nodes:
            parent = self.script.parents.get(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                functions[node] = node
            elif parent in functions:
                functions[node] = functions[parent]
            if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node in functions:
                value = node.value if isinstance(node, ast.Return) else None
                returns.setdefault(functions[node], []).append(value)
        return returns


def _if_constant(value: ast.expr, binding: Binding) -> Binding:
    return binding if isinstance(value, ast.Constant) else UNKNOWN


def _unpacked(target: ast.expr, value: ast.expr, path: Path) -> Iterator[tuple[str, Binding]]:
    """Yields each name that an assignment of `value` binds, with the part of the value that it gets."""
    match target:
        case ast.Name(id=name):
            yield name, Binding(value, path)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            is_starred = any(isinstance(item, ast.Starred) for item in items)
            for position, item in enumerate(items):
                for name, binding in _unpacked(item, value, (*path, position)):
                    yield name, UNKNOWN if is_starred else binding
        case ast.Starred(value=inner):
            yield from ((name, UNKNOWN) for name, _ in _unpacked(inner, value, path))
        case _:
            pass
