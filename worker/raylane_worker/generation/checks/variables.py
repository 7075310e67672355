"""Which names a script binds, and whether a name is its own variable or Python's builtin."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import imports_in, name_bound_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.script import AstScript

_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES: Final = (*_COMPREHENSIONS, *_FUNCTIONS, ast.ClassDef)


@dataclass(frozen=True)
class Variables:
    """The names that a script binds."""

    script: AstScript

    @cached_property
    def bound(self) -> frozenset[str]:
        """The names that are bound anywhere, except by an import."""
        return frozenset(name for node in self.script.nodes for name in names_bound_by(node))

    @cached_property
    def imported(self) -> dict[str, set[str]]:
        """The imported names, each with the full names of all that it may be."""
        origins: dict[str, set[str]] = {}
        for name, origin in imports_in(self.script.nodes):
            origins.setdefault(name, set()).add(origin)
        return origins

    @cached_property
    def references(self) -> dict[ast.AST, str]:
        """The script's references, without those whose name is a local variable at their place."""
        return {
            node: origin
            for node, origin in self.script.references.items()
            if not ((root := _root_of(node)).id in self.bound and self.is_local(root))
        }

    def unclear(self) -> Iterator[ast.AST]:
        """Yields the places where an imported name is bound to something else, too, so that it may be either."""
        for node in self.script.nodes:
            # The import would put the module into the enclosing function's variable.
            if isinstance(node, ast.Nonlocal) and self._imported_in.get(self._scopes[node], set()) & {*node.names}:
                yield node
            for name in names_bound_by(node):
                if name in self.imported and not self._is_field(node):
                    scope = self._scopes[node]
                    is_local = isinstance(scope, (*_FUNCTIONS, *_COMPREHENSIONS))
                    if not is_local or name in self._declared_global.get(scope, ()):
                        yield node

    def _is_field(self, node: ast.AST) -> bool:
        """Returns whether the name is that of a field of a class, whose body does not read it."""
        scope = self._scopes[node]
        if not isinstance(scope, ast.ClassDef):
            return False
        parent = self.script.parents.get(node)
        is_declared = isinstance(parent, ast.AnnAssign) and parent.value is None
        return is_declared or not any(name in self._read_in.get(scope, ()) for name in names_bound_by(node))

    @cached_property
    def _read_in(self) -> dict[ast.AST, set[str]]:
        """The names that the body of each class reads."""
        names: dict[ast.AST, set[str]] = {}
        for node in self.script.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                names.setdefault(self._scopes[node], set()).add(node.id)
        return names

    def is_builtin(self, node: ast.expr, name: str) -> bool:
        """Returns whether the expression is the builtin of this name, which the script nowhere replaces."""
        is_name = isinstance(node, ast.Name) and node.id == name
        return is_name and name not in self.bound and name not in self.imported

    def is_own(self, node: ast.Name) -> bool:
        """Returns whether the name cannot be Python's builtin of this name, whichever way the script runs.

        In a function, a name that the function binds is its variable. In the module, the variable exists only after an
        unconditional statement has bound it, and until something deletes it.
        """
        if node.id not in self.bound and node.id not in self.imported:
            return False
        if self.is_local(node):
            return True
        bound_at = self._bound_by_the_module.get(node.id)
        return bound_at is not None and (node.lineno, node.col_offset) > bound_at and node.id not in self._deleted

    def is_local(self, node: ast.Name) -> bool:
        """Returns whether the name is a variable or parameter of a function or comprehension, and no import."""
        scope = self._scopes[node]
        while not isinstance(scope, ast.Module):
            is_bound = node.id in self._local_names.get(scope, ())
            # A name that the body of a class binds is looked up there, in the module and in the builtins only.
            if node.id in self._declared_global.get(scope, ()) or (
                is_bound and isinstance(scope, ast.ClassDef) and scope is self._scopes[node]
            ):
                return False
            if is_bound and not isinstance(scope, ast.ClassDef):
                return node.id not in self._imported_in.get(scope, ())
            scope = self._scopes[scope]
        return False

    def scope_of(self, node: ast.AST) -> ast.AST:
        """Returns the module, or the innermost class, function or comprehension in which the node is evaluated."""
        return self._scopes[node]

    @cached_property
    def _scopes(self) -> dict[ast.AST, ast.AST]:
        """The scope of each node: the module, or the innermost class, function or comprehension around it."""
        module = self.script.nodes[0]
        scopes = {module: module}
        for node in self.script.nodes:
            outer = scopes[node]
            inner = node if isinstance(node, _SCOPES) else outer
            for child in ast.iter_child_nodes(node):
                scopes[child] = inner
            for child in self._evaluated_outside(node):
                scopes[child] = scopes[inner] if isinstance(node, _SCOPES) else scopes[outer]
        return scopes

    def _evaluated_outside(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yields the children that are evaluated in the scope around the node's own, such as default values."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from node.decorator_list
                if node.returns is not None:
                    yield node.returns
            case ast.ClassDef():
                yield from (*node.decorator_list, *node.bases, *node.keywords)
            case ast.arguments():
                yield from (default for default in (*node.defaults, *node.kw_defaults) if default is not None)
            case ast.arg(annotation=ast.expr() as annotation):
                yield annotation
            case ast.comprehension():
                parent = self.script.parents[node]
                if isinstance(parent, _COMPREHENSIONS) and parent.generators[0] is node:
                    yield node.iter
            case _:
                pass

    @cached_property
    def _local_names(self) -> dict[ast.AST, set[str]]:
        """The names that each function and comprehension binds."""
        names: dict[ast.AST, set[str]] = {}
        for node in self.script.nodes:
            scope = self._scopes[node]
            if isinstance(node, ast.Name) and isinstance(self.script.parents.get(node), ast.NamedExpr):
                while isinstance(scope, _COMPREHENSIONS):
                    scope = self._scopes[scope]
            names.setdefault(scope, set()).update(names_bound_by(node))
        return names

    @cached_property
    def _imported_in(self) -> dict[ast.AST, set[str]]:
        """The names that each function imports."""
        names: dict[ast.AST, set[str]] = {}
        for node in self.script.nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names.setdefault(self._scopes[node], set()).update(map(name_bound_by, node.names))
        return names

    @cached_property
    def _declared_global(self) -> dict[ast.AST, set[str]]:
        """The names that each function declares to be the module's or an enclosing function's."""
        names: dict[ast.AST, set[str]] = {}
        for node in self.script.nodes:
            if isinstance(node, ast.Global | ast.Nonlocal):
                names.setdefault(self._scopes[node], set()).update(node.names)
        return names

    @cached_property
    def _bound_by_the_module(self) -> dict[str, tuple[int, int]]:
        """Where the first unconditional statement that binds each name of the module ends."""
        module = self.script.nodes[0]
        ends: dict[str, tuple[int, int]] = {}
        for statement in module.body if isinstance(module, ast.Module) else []:
            match statement:
                case ast.Assign(targets=targets):
                    bound = [name for target in targets for name in target_names(target)]
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                    bound = [name]
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    bound = [name]
                case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                    bound = list(map(name_bound_by, aliases))
                case _:
                    bound = []
            for name in bound:
                ends.setdefault(name, (statement.end_lineno or 0, statement.end_col_offset or 0))
        return ends

    @cached_property
    def _deleted(self) -> frozenset[str]:
        """The names that a `del` or the end of an `except … as name` may delete."""
        return frozenset(
            name
            for node in self.script.nodes
            for name in (
                [node.id]
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)
                else [node.name]
                if isinstance(node, ast.ExceptHandler) and node.name
                else []
            )
        )


def _root_of(node: ast.AST) -> ast.Name:
    while isinstance(node, ast.Attribute):
        node = node.value
    assert isinstance(node, ast.Name)
    return node


def target_names(target: ast.expr) -> Iterator[str]:
    """Yields the names that an assignment to the target binds."""
    match target:
        case ast.Name(id=name):
            yield name
        case ast.Tuple(elts=items) | ast.List(elts=items):
            for item in items:
                yield from target_names(item)
        case ast.Starred(value=value):
            yield from target_names(value)
        case _:
            pass


def names_bound_by(node: ast.AST) -> Iterator[str]:
    """Yields the names that a node itself binds, except by an import."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case (
            ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name)
        ):
            yield name
        case ast.MatchMapping(rest=str() as name):
            yield name
        case _:
            pass
