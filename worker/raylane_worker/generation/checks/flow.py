"""Follows the statements of a script in their order, to know which values are datasets and which columns these have.

Nothing is executed. Functions of the script are followed where they are called, with what is known of the arguments;
those that are never called here, such as methods, are followed last. Where paths meet, only what holds on all of them
is kept. What is not surely known is never reported. See docs/decisions/0023.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.changes import changes_in
from raylane_worker.generation.checks.evaluate import Evaluator, TooLong
from raylane_worker.generation.checks.scope import Scope, Written
from raylane_worker.generation.checks.script import name_bound_by
from raylane_worker.generation.checks.values import (
    FrameGroups,
    Function,
    Items,
    Keyed,
    Labelled,
    Many,
    Mapping,
    Value,
    item_of,
    items_of,
    join,
    join_all,
)
from raylane_worker.generation.checks.variables import names_bound_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.names import Engine
    from raylane_worker.generation.checks.datasets import Arguments
    from raylane_worker.generation.checks.found import Found
    from raylane_worker.generation.checks.locations import Locations
    from raylane_worker.generation.checks.script import AstScript

# Nobody writes suffixes of more parts.
_MAX_PARTS: Final = 9


def follow(script: AstScript, locations: Locations, engine: Engine) -> Found:
    """Returns what following the script finds. `locations` are those that it may read, by this engine."""
    flow = Flow(script, locations, engine)
    is_whole = flow.run()
    missing = [one for one in flow.found.missing if not _may_be_made_of(one.text.value, flow.changes.keys)]
    if flow.keys_are_uncertain or not is_whole:
        missing = [one for one in missing if not one.is_key]
    return replace(flow.found, missing=missing)


def _may_be_made_of(name: str, keys: frozenset[str]) -> bool:
    """Returns whether the name is one of the keys, or one with a suffix, as `merge` adds one such as `_x`."""
    parts = name.split("_", _MAX_PARTS)
    return name in keys or any("_".join(parts[:count]) in keys for count in range(1, len(parts)))


class Flow(Evaluator):
    """Follows statements and functions.

    `keys_are_uncertain` says whether rows or frames may get columns in a way that is not followed.
    """

    def __init__(self, script: AstScript, locations: Locations, engine: Engine) -> None:
        """`locations` are those that the script may read, by this engine."""
        super().__init__(script, locations, engine)
        self.changes = changes_in(script)
        self.keys_are_uncertain = False
        self._shared = {
            name for node in script.nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
        }
        self._defined: list[Function] = []
        self._followed: set[ast.AST] = set()
        self._active: list[ast.AST] = []
        self._is_late = False

    def run(self) -> bool:
        """Follows the whole script; returns False if it is too long."""
        module = self.script.nodes[0]
        try:
            self._block(module.body if isinstance(module, ast.Module) else [], Scope())
            self._is_late = True
            for function in self._defined:  # grows while functions in functions are met
                if function.node not in self._followed:
                    self.call_function(function, None)
        except TooLong:
            return False
        return True

    def look_up(self, name: str, scope: Scope) -> Value:
        """Returns the value of a variable; nothing if it may have had another value when the code ran."""
        holder = scope.holder(name)
        if holder is None or (self._is_late and name in holder.rebound):
            return None
        return holder.get(name)

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Binds a target of an assignment. Of what is changed in place somewhere, nothing is known."""
        if isinstance(target, ast.Name):
            value = self._steady(target.id, value)
        super().bind(target, value, scope)

    def _steady(self, name: str, value: Value) -> Value:
        if name in self._shared:
            return None
        one = value.item if isinstance(value, Many) else value
        is_indexed = isinstance(one, Keyed | Labelled | FrameGroups)
        if is_indexed and name in self.changes.freely:
            self.keys_are_uncertain = True
            return None
        return None if isinstance(value, Items | Mapping | Many) and name in self.changes.names else value

    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> Function:
        """Returns the function that a definition makes."""
        function = Function(node, scope.parent if scope.is_class and scope.parent is not None else scope)
        self._defined.append(function)
        return function

    def call_function(self, function: Function, arguments: Arguments | None) -> Value:
        """Follows a call of a function of the script; if `arguments` is None, nothing is known of them."""
        node = function.node
        if node in self._active:
            return None
        self._followed.add(node)
        self._active.append(node)
        scope = Scope(function.scope)
        self._bind_parameters(node.args, arguments, scope)
        if isinstance(node, ast.Lambda):
            value = self.evaluate(node.body, scope)
        else:
            falls = self._block(node.body, scope)
            value = join_all([*scope.returned, *([None] if falls else [])])
        self._active.pop()
        return None if isinstance(node, ast.AsyncFunctionDef) or scope.is_generator else value

    def _bind_parameters(self, parameters: ast.arguments, arguments: Arguments | None, scope: Scope) -> None:
        plain = [*parameters.posonlyargs, *parameters.args]
        defaults = dict(zip(reversed(plain), reversed(parameters.defaults), strict=False))
        defaults |= {
            one: value for one, value in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True) if value
        }
        for position, one in enumerate([*plain, *parameters.kwonlyargs]):
            value: Value = None
            if arguments is not None:
                at = position if position < len(plain) else len(arguments.positional)
                if arguments.has(at, one.arg):
                    value = arguments.get(at, one.arg)
                elif arguments.is_complete and one in defaults and scope.parent is not None:
                    value = self.evaluate(defaults[one], scope.parent)
            self._bind_name(one.arg, value, scope)
        for rest in (parameters.vararg, parameters.kwarg):
            if rest is not None:
                scope.bind(rest.arg, None)

    def _bind_name(self, name: str, value: Value, scope: Scope) -> None:
        scope.bind(name, self._steady(name, value))

    def _block(self, statements: Iterable[ast.stmt], scope: Scope) -> bool:
        """Follows statements; returns whether execution can reach their end."""
        with self.deeper():
            return all(self._statement(statement, scope) for statement in statements)

    def _statement(self, node: ast.stmt, scope: Scope) -> bool:
        self.step()
        match node:
            case ast.Assign(targets=targets, value=inner):
                value = self.evaluate(inner, scope)
                for target in targets:
                    self.bind(target, value, scope)
            case ast.AnnAssign(target=target, value=inner) if inner is not None:
                self.bind(target, self.evaluate(inner, scope), scope)
            case ast.AugAssign(target=target, value=inner):
                self.evaluate(inner, scope)
                self._augment(target, scope)
            case ast.Expr(value=inner):
                self.evaluate(inner, scope)
            case ast.Return(value=inner):
                scope.returned.append(self.evaluate(inner, scope))
                return False
            case ast.Raise(exc=inner):
                self.evaluate(inner, scope)
                return False
            case ast.Break() | ast.Continue():
                scope.jumped = True
                return False
            case ast.Assert(test=inner):
                self.evaluate(inner, scope)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.bind(target, None, scope)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    scope.bind(name_bound_by(alias), None)
            case _:
                return self._compound(node, scope)
        return True

    def _compound(self, node: ast.stmt, scope: Scope) -> bool:
        match node:
            case ast.If():
                return self._if(node, scope)
            case ast.For(target=target, iter=inner) | ast.AsyncFor(target=target, iter=inner):
                return self._for(node, target, self.evaluate(inner, scope), scope)
            case ast.While(test=test, body=body, orelse=orelse):
                self.evaluate(test, scope)
                self._repeat(body, None, None, scope)
                return self._block(orelse, scope)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                return self._with(items, body, scope)
            case ast.Try() | ast.TryStar():
                return self._try(node, scope)
            case ast.Match(subject=subject, cases=cases):
                self.evaluate(subject, scope)
                return self._branches([case.body for case in cases] + [[]], scope, [_captured(case) for case in cases])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                for decorator in node.decorator_list:
                    self.evaluate(decorator, scope)
                function = self.define(node, scope)
                self._bind_name(name, None if node.decorator_list else function, scope)
            case ast.ClassDef(name=name, body=body):
                self._block(body, Scope(scope, is_class=True))
                scope.bind(name, None)
            case _:
                pass
        return True

    def _if(self, node: ast.If, scope: Scope) -> bool:
        bodies: list[list[ast.stmt]] = []
        rest: list[ast.stmt] = [node]
        while len(rest) == 1 and isinstance(one := rest[0], ast.If):  # an `elif` is an `if` in an `else`
            self.evaluate(one.test, scope)
            bodies.append(one.body)
            rest = one.orelse
        return self._branches([*bodies, rest], scope)

    def _augment(self, target: ast.expr, scope: Scope) -> None:
        """Follows `+=` and its like, of which the result is not known."""
        if isinstance(target, ast.Name) and isinstance(self.look_up(target.id, scope), Keyed):
            self.keys_are_uncertain = True
        self.bind(target, None, scope)

    def _branches(self, bodies: Sequence[list[ast.stmt]], scope: Scope, unknown: Sequence[Iterable[str]] = ()) -> bool:
        """Follows branches of which one is taken; in each, the names of `unknown` are bound to something unknown."""
        reaching: list[Written] = []
        for position, body in enumerate(bodies):
            with scope.branch() as written:
                for name in unknown[position] if position < len(unknown) else ():
                    scope.bind(name, None)
                falls = self._block(body, scope)
            if falls:
                reaching.append(written)
        scope.merge(reaching)
        return bool(reaching)

    def _for(self, node: ast.For | ast.AsyncFor, target: ast.expr, value: Value, scope: Scope) -> bool:
        items = items_of(value)
        if items is None:
            self._repeat(node.body, target, item_of(value), scope)
            return self._block(node.orelse, scope)
        before, scope.jumped = scope.jumped, False
        falls = True
        with scope.touching() as touched:
            for item in items:
                self.bind(target, item, scope)
                falls = self._block(node.body, scope)
                if not falls or scope.jumped:
                    break
        if scope.jumped:
            self._forget(touched, scope)
        has_ended = falls or scope.jumped
        scope.jumped = before
        return has_ended and self._block(node.orelse, scope)

    def _repeat(self, body: list[ast.stmt], target: ast.expr | None, item: Value, scope: Scope) -> None:
        """Follows a body once that may run any number of times. What it changes is not known afterwards."""
        before, scope.jumped = scope.jumped, False
        with scope.touching() as touched, scope.branch() as written:
            if target is not None:
                self.bind(target, item, scope)
            self._block(body, scope)
        jumped, scope.jumped = scope.jumped, before
        for name in touched:
            old = scope.get(name)
            is_same = not jumped and name in written and join(old, written[name]) == old
            scope.bind(name, old if is_same else None)

    def _forget(self, names: Iterable[str], scope: Scope) -> None:
        for name in names:
            scope.bind(name, None)

    def _with(self, items: Sequence[ast.withitem], body: list[ast.stmt], scope: Scope) -> bool:
        calls = [item.context_expr for item in items if isinstance(item.context_expr, ast.Call)]
        suppresses = any(self.script.origin(call) == "contextlib.suppress" for call in calls)
        for item in items:
            self.evaluate(item.context_expr, scope)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, None, scope)
        self.in_try += suppresses
        falls = self._block(body, scope)
        self.in_try -= suppresses
        return falls or suppresses

    def _try(self, node: ast.Try | ast.TryStar, scope: Scope) -> bool:
        self.in_try += bool(node.handlers)
        with scope.touching() as touched, scope.branch() as written:
            falls = self._block([*node.body, *node.orelse], scope)
        self.in_try -= bool(node.handlers)
        reaching = [written] if falls else []
        for handler in node.handlers:
            with scope.branch() as handled:
                self._forget([*touched, *([handler.name] if handler.name else [])], scope)
                falls = self._block(handler.body, scope)
            if falls:
                reaching.append(handled)
        scope.merge(reaching)
        return self._block(node.finalbody, scope) and bool(reaching)


def _captured(case: ast.match_case) -> list[str]:
    """Returns the names that a pattern binds."""
    return [name for node in ast.walk(case.pattern) for name in names_bound_by(node)]
