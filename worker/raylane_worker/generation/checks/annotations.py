"""Finds out whether a script uses an expression only as a type, so that nothing can be done with the class itself."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.bindings import Binding

if TYPE_CHECKING:
    from raylane_worker.generation.checks.bindings import Bindings
    from raylane_worker.generation.checks.script import AstScript

# Functions that get a type, and do not hand it out again.
_TYPING: Final = frozenset({"typing.NewType", "typing.TypeVar"})
# Nobody nests types deeper.
_MAX_DEPTH: Final = 40


@dataclass(frozen=True)
class Types:
    """Tells the types of a script from its other values."""

    script: AstScript
    bindings: Bindings
    _aliases: dict[str, bool] = field(default_factory=dict)
    _plain: dict[str, bool] = field(default_factory=dict)

    def is_type(self, node: ast.AST) -> bool:
        """Returns whether the node is part of an annotation, a base class, a type of `isinstance`, or an alias."""
        child = node
        for parent in islice(self.script.ancestors(node), _MAX_DEPTH):
            match parent:
                case ast.Tuple() | ast.List() | ast.keyword():
                    child = parent
                case ast.Subscript(value=kind):
                    if not self.is_plain(kind):
                        return False
                    child = parent
                case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                    if not self.is_plain(right if child is left else left):
                        return False
                    child = parent
                case ast.arg() | ast.MatchClass():
                    return True
                case ast.FunctionDef(returns=annotation) | ast.AsyncFunctionDef(returns=annotation):
                    return annotation is child
                case ast.AnnAssign(annotation=annotation) if annotation is child:
                    return True
                case ast.ClassDef(bases=bases):
                    return child in bases
                case ast.Call():
                    return self._takes_type(parent, child)
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    return self._is_alias(parent, name)
                case _:
                    return False
        return False

    def is_plain(self, node: ast.expr, depth: int = 0) -> bool:
        """Returns whether the expression is a type, and surely no text or object that the script makes."""
        deeper = depth + 1
        match node:
            case _ if depth > _MAX_DEPTH:
                return False
            case ast.Constant(value=value):
                return value is None or isinstance(value, str)
            case ast.Name(id=name) if name in self.bindings.variables.bound:
                if name not in self._plain:
                    self._plain[name] = False  # ends the recursion for a name that is bound to itself
                    self._plain[name] = all(self._is_plain_binding(one, deeper) for one in self.bindings.of(name))
                return self._plain[name]
            case ast.Name():
                return True
            case ast.Attribute():
                return node in self.script.references
            case ast.Subscript(value=kind):
                return not isinstance(kind, ast.Constant) and self.is_plain(kind, deeper)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self.is_plain(left, deeper) and self.is_plain(right, deeper)
            case _:
                return False

    def _is_plain_binding(self, binding: Binding, depth: int) -> bool:
        match binding:
            case Binding(value=ast.ClassDef(), path=()):
                return True
            case Binding(value=ast.Attribute() | ast.BinOp() | ast.Name() | ast.Subscript() as value, path=()):
                return self.is_plain(value, depth)
            case _:
                return False

    def _takes_type(self, call: ast.Call, argument: ast.AST) -> bool:
        match call:
            case ast.Call(func=function, args=[_, types]) if types is argument:
                variables = self.bindings.variables
                if any(variables.is_builtin(function, name) for name in ("isinstance", "issubclass")):
                    return True
            case ast.Call(args=[kind, _]) if kind is argument and self.script.origin(call) == "typing.cast":
                return True
            case _:
                pass
        return self.script.origin(call) in _TYPING

    def _is_alias(self, assignment: ast.AST, name: str) -> bool:
        """Returns whether the assignment names a type that the script uses only as a type."""
        if name not in self._aliases:
            self._aliases[name] = True  # for a type that names itself
            self._aliases[name] = all(map(self.is_type, self.bindings.reads(name)))
        return self._aliases[name] and not isinstance(self.bindings.variables.scope_of(assignment), ast.ClassDef)
