"""Checks functions given by name, as in `df.agg("mean")`: pandas looks the name up among all its methods."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.allowed.arguments import (
    FUNCTIONS_THAT_TAKE_NAMES,
    METHODS_THAT_TAKE_NAMES,
    TEXT_METHODS,
)
from raylane_worker.generation.checks.allowed.function_names import FUNCTION_NAMES, OPTION_VALUES
from raylane_worker.generation.checks.allowed.listing import listed
from raylane_worker.generation.checks.allowed.modules import MODULES
from raylane_worker.generation.checks.allowed.refused import REFUSED
from raylane_worker.generation.checks.bindings import MUTATORS, Binding, Bindings, Part, Path
from raylane_worker.generation.checks.script import AstScript, argument, quote, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.variables import Variables

# No column in a pair of pyarrow may have one of these names.
_NEVER_NAMED: Final = (
    REFUSED.keys() | TEXT_METHODS.keys() | listed("agg aggregate apply format map pipe pivot_table transform")
)
_NAMED_BY_KEYWORD: Final = frozenset({"agg", "aggregate", "apply", "transform"})
_CALLABLE_BUILTINS: Final = listed(
    "abs all any bool dict float int len list max min range repr reversed round set sorted str sum tuple"
)
_BUILTIN_TYPES: Final = listed("dict float int list set str tuple")
_AGGREGATES: Final = frozenset(f"ray.data.aggregate.{name}" for name in MODULES["ray.data.aggregate"])
# What returns a function or an aggregate when it is called, never text.
_RETURN_FUNCTIONS: Final = frozenset(
    {
        "numpy.vectorize",
        "operator.attrgetter",
        "operator.itemgetter",
        "operator.methodcaller",
        "pandas.NamedAgg",
        *_AGGREGATES,
    }
)
# pandas takes an object with one of these for a collection of functions.
_COLLECTION_METHODS: Final = frozenset({"__getitem__", "__iter__"})
_COPYING_BUILTINS: Final = listed("list reversed set sorted tuple")
_READING_BUILTINS: Final = _COPYING_BUILTINS | listed("all any dict enumerate len max min print repr str sum zip")
# Methods that get a collection and do not change it, keep it, or hand it to a function.
_HARMLESS_METHODS: Final = listed(
    """
    agg aggregate count drop drop_columns drop_duplicates dropna duplicated group_by groupby is_in isin join max mean
    melt merge min pivot_table reindex select select_columns set_index sort sort_by sort_values std sum transform unique
    """
)
_READING_METHODS: Final = listed("copy count get index items keys values")
_MAKE_FIELDS_FROM_TEXT: Final = frozenset({"collections.namedtuple", "typing.NamedTuple"})
# Keeps the search shallow: nobody nests the functions of an aggregation deeper.
_MAX_DEPTH: Final = 40


class _Kind(IntEnum):
    """What an expression may hold, the worst last."""

    ATOM = 1  # an allowed name or a function
    FLAT = 2  # a collection of atoms, which the script could change
    NESTED = 3  # a collection of collections
    UNKNOWN = 4


@dataclass(frozen=True)
class NamedFunctions:
    """Finds out whether an expression names only allowed functions."""

    script: AstScript
    variables: Variables
    bindings: Bindings
    _known: dict[tuple[str, Path], _Kind] = field(default_factory=dict)
    _only_read: dict[tuple[str, _Kind], bool] = field(default_factory=dict)
    _mappings: dict[str, bool] = field(default_factory=dict)
    _results: dict[str, _Kind] = field(default_factory=dict)
    _aggregates: dict[str, bool] = field(default_factory=dict)

    def problems_of(self, call: ast.Call) -> Iterator[tuple[ast.AST, str]]:
        """Yields what is wrong with the functions that a call names."""
        origin = self.script.origin(call)
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if origin in FUNCTIONS_THAT_TAKE_NAMES:
            position, keyword = FUNCTIONS_THAT_TAKE_NAMES[origin]
            method = origin
        elif method in METHODS_THAT_TAKE_NAMES:
            position, keyword = METHODS_THAT_TAKE_NAMES[method]
        else:
            return
        starred = next((one for one in call.args[: position + 1] if isinstance(one, ast.Starred)), None)
        function = starred or argument(call, position, keyword)
        if function is not None and not self._is_allowed(function):
            yield function, _problem(method, function)
        if method not in _NAMED_BY_KEYWORD:
            yield from ((one.value, _problem(method, one.value)) for one in call.keywords if one.arg is None)
        elif function is None or method == "aggregate":
            for one in call.keywords:
                is_allowed = self._is_named_aggregation if one.arg is not None else self._is_mapping_of_aggregations
                if not is_allowed(one.value):
                    yield one.value, _problem(method, one.value)

    def _is_allowed(self, node: ast.expr) -> bool:
        match node:
            case ast.List(elts=items) if items and all(_is_pair(item) for item in items):
                return all(self._kind(item.elts[1], 0) < _Kind.UNKNOWN for item in items if isinstance(item, ast.Tuple))
            case _:
                return self._kind(node, 0) < _Kind.UNKNOWN

    def _is_named_aggregation(self, node: ast.expr) -> bool:
        match node:
            case ast.Tuple(elts=[_, function]):
                return self._kind(function, 0) < _Kind.UNKNOWN
            case ast.Constant(value=str(text)) if text in OPTION_VALUES:
                return True
            case ast.Constant(value=None):
                return True
            case _:
                return self._kind(node, 0) < _Kind.UNKNOWN

    def _is_mapping_of_aggregations(self, node: ast.expr) -> bool:
        match node:
            case ast.Dict(values=values):
                return all(self._is_named_aggregation(value) for value in values)
            case ast.DictComp(value=value):
                return self._is_named_aggregation(value)
            case ast.Name(id=name):
                if name not in self._mappings:
                    bound = [one.value if not one.path else None for one in self.bindings.of(name)]
                    displays = [one for one in bound if isinstance(one, ast.Dict | ast.DictComp)]
                    self._mappings[name] = (
                        len(displays) == len(bound)
                        and all(self._is_mapping_of_aggregations(one) for one in displays)
                        and self._is_only_read(name, _Kind.NESTED)
                    )
                return self._mappings[name]
            case _:
                return False

    def _kind(self, node: ast.expr | None, depth: int) -> _Kind:
        """Returns what the expression may hold."""
        if depth > _MAX_DEPTH:
            return _Kind.UNKNOWN
        deeper = depth + 1
        match node:
            case ast.Constant(value=str(text)):
                return _Kind.ATOM if text in FUNCTION_NAMES else _Kind.UNKNOWN
            case ast.Constant(value=value):
                return _Kind.UNKNOWN if value is None or isinstance(value, bytes) else _Kind.ATOM
            case ast.Lambda():
                return _Kind.ATOM
            case ast.Tuple(elts=items):
                return max((self._kind(item, deeper) for item in items), default=_Kind.ATOM)
            case ast.List(elts=items) | ast.Set(elts=items) | ast.Dict(values=items):
                return _collection_of(max((self._kind(item, deeper) for item in items), default=_Kind.ATOM))
            case ast.ListComp(elt=item) | ast.SetComp(elt=item) | ast.GeneratorExp(elt=item) | ast.DictComp(value=item):
                return _collection_of(self._kind(item, deeper))
            case ast.Starred(value=value) | ast.NamedExpr(value=value):
                return self._kind(value, deeper)
            case ast.IfExp(body=left, orelse=right):
                return max(self._kind(left, deeper), self._kind(right, deeper))
            case ast.BinOp(left=left, op=ast.Add() | ast.BitOr(), right=right):
                kinds = (self._kind(left, deeper), self._kind(right, deeper))
                # Two texts make a third one, which could be any name; two collections only make a longer one.
                return _Kind.UNKNOWN if min(kinds) is _Kind.ATOM else max(kinds)
            case ast.BoolOp(values=values):
                return max(self._kind(value, deeper) for value in values)
            case ast.Subscript(value=value):
                kind = self._kind(value, deeper)
                return _Kind.ATOM if kind <= _Kind.FLAT else _Kind.UNKNOWN
            case ast.Attribute():
                return self._kind_of_attribute(node)
            case ast.Call():
                return self._kind_of_call(node, deeper)
            case ast.Name(id=name):
                return self._kind_of_name(node, name, (), deeper)
            case _:
                return _Kind.UNKNOWN

    def _kind_of_attribute(self, node: ast.Attribute) -> _Kind:
        # As in agg(", ".join). What a text may format has a check of its own.
        if node.attr in ("join", "format") and text_of(node.value) is not None:
            return _Kind.ATOM
        if node in self.script.references or self._is_builtin(node.value, _BUILTIN_TYPES):
            return _Kind.UNKNOWN if node.attr.startswith("_") else _Kind.ATOM
        return _Kind.UNKNOWN

    def _kind_of_call(self, call: ast.Call, depth: int) -> _Kind:
        origin = self.script.origin(call)
        if origin == "functools.partial":
            return self._kind(call.args[0], depth) if call.args else _Kind.UNKNOWN
        if origin in _RETURN_FUNCTIONS:
            return _Kind.ATOM
        match call.func:
            case ast.Name() if self._is_builtin(call.func, _COPYING_BUILTINS) and len(call.args) == 1:
                return max(self._kind_of_part(call.args[0], (Part.ITEM,), depth), _Kind.FLAT)
            case ast.Name() if self._is_builtin(call.func, {"dict"}) and not call.args:
                return _collection_of(max((self._kind(one.value, depth) for one in call.keywords), default=_Kind.ATOM))
            case ast.Attribute(value=ast.Name(), attr="fromkeys") if self._is_builtin(call.func.value, {"dict"}):
                return _collection_of(self._kind(argument(call, 1), depth))
            case ast.Attribute(value=value, attr="copy"):
                return self._kind(value, depth)
            case ast.Attribute(value=value, attr="get"):
                kind = max([self._kind(value, depth), *(self._kind(one, depth) for one in call.args[1:])])
                return _Kind.ATOM if kind <= _Kind.FLAT else _Kind.UNKNOWN
            case function if self._is_aggregate_class(function, depth):
                return _Kind.ATOM
            case ast.Name(id=name):
                return self._kind_of_result(name, depth)
            case _:
                return _Kind.UNKNOWN

    def _is_aggregate_class(self, node: ast.AST | None, depth: int) -> bool:
        """Returns whether the expression is a class of Ray's aggregates, perhaps one of several that a script lists."""
        match node:
            case _ if depth > _MAX_DEPTH:
                return False
            case ast.Name(id=name) if name in self.variables.bound:
                return all(self._gets_aggregate_class(one, depth + 1) for one in self.bindings.of(name))
            case ast.Name() | ast.Attribute():
                return self.script.references.get(node) in _AGGREGATES
            case ast.Subscript(value=value):
                return self._holds_aggregate_classes(value, depth + 1)
            case _:
                return False

    def _gets_aggregate_class(self, binding: Binding, depth: int) -> bool:
        match binding:
            case Binding(value=ast.Call(func=ast.Attribute(value=value, attr="items")), path=(Part.ITEM, 1)):
                return self._holds_aggregate_classes(value, depth)
            case Binding(value=ast.Call(func=ast.Attribute(value=value, attr="values")), path=(Part.ITEM,)):
                return self._holds_aggregate_classes(value, depth)
            case Binding(value=ast.List() | ast.Name() | ast.Tuple() as value, path=(Part.ITEM,)):
                return self._holds_aggregate_classes(value, depth)
            case _:
                return False

    def _holds_aggregate_classes(self, node: ast.AST | None, depth: int) -> bool:
        match node:
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Dict(values=items):
                return all(self._is_aggregate_class(item, depth + 1) for item in items)
            case ast.Name(id=name) if name in self.variables.bound:
                if name not in self._aggregates:
                    self._aggregates[name] = False  # for a collection that holds its own items
                    self._aggregates[name] = all(map(self._reads_item, self.bindings.reads(name))) and all(
                        isinstance(one.value, ast.List | ast.Tuple | ast.Dict)
                        and not one.path
                        and self._holds_aggregate_classes(one.value, depth + 1)
                        for one in self.bindings.of(name)
                    )
                return self._aggregates[name]
            case _:
                return False

    def _reads_item(self, node: ast.Name) -> bool:
        """Returns whether a collection is only indexed or iterated here."""
        match self.script.parents.get(node):
            case ast.Subscript(value=value, ctx=ast.Load()):
                return value is node
            case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
                return iterated is node
            case ast.Attribute(attr="items" | "keys" | "values"):
                return True
            case _:
                return False

    def _kind_of_result(self, name: str, depth: int) -> _Kind:
        """Returns what a call of a function or class of the script may return."""
        if (known := self._results.get(name)) is not None:
            return known
        self._results[name] = _Kind.UNKNOWN  # a function that returns what it returns itself is not followed
        found = [one.value for one in self.bindings.of(name)]
        if found and all(isinstance(one, ast.ClassDef) and self._is_aggregate(one) for one in found):
            kind = _Kind.ATOM
        else:
            functions = self.bindings.functions_called(name)
            returned = [value for one in functions or () for value in self.bindings.returned_by(one)]
            kind = max((self._kind(value, depth) for value in returned), default=_Kind.UNKNOWN)
        self._results[name] = kind
        return kind

    def _is_aggregate(self, node: ast.ClassDef) -> bool:
        """Returns whether the instances of the class are aggregates of Ray, or functions."""
        are_aggregates = all(
            self.script.references.get(base, "").startswith("ray.data.aggregate.") for base in node.bases
        )
        return are_aggregates and self.variables.bound.isdisjoint(_COLLECTION_METHODS)

    def _kind_of_name(self, node: ast.expr, name: str, path: Path, depth: int) -> _Kind:
        if node in self.script.references and name not in self.variables.bound:
            return _Kind.ATOM
        if name not in self.variables.bound and name in _CALLABLE_BUILTINS:
            return _Kind.ATOM
        if name in self.variables.imported:
            return _Kind.UNKNOWN
        if (known := self._known.get((name, path))) is not None:
            return known
        self._known[name, path] = _Kind.ATOM  # what a variable holds of itself, as in x = x + ["sum"], adds nothing
        kinds = []
        for binding in self.bindings.of(name):
            match binding.value:
                case ast.FunctionDef() | ast.ClassDef() if not path:
                    kinds.append(_Kind.ATOM)
                case ast.expr() as value:
                    kinds.append(self._kind_of_part(value, (*binding.path, *path), depth))
                case _:
                    kinds.append(_Kind.UNKNOWN)
        kind = max(kinds, default=_Kind.UNKNOWN)
        held = kind if not path else _collection_of(kind)
        if _Kind.FLAT <= held < _Kind.UNKNOWN and not self._is_only_read(name, held):
            kind = _Kind.UNKNOWN
        self._known[name, path] = kind
        return kind

    def _kind_of_part(self, node: ast.expr, path: Path, depth: int) -> _Kind:
        """Returns what the part of the expression may hold that the path leads to."""
        if not path:
            return self._kind(node, depth)
        if depth > _MAX_DEPTH:
            return _Kind.UNKNOWN
        step, rest, deeper = path[0], path[1:], depth + 1
        parts: list[ast.expr | None]
        match node:
            case ast.Name(id=name):
                return self._kind_of_name(node, name, path, deeper)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items) if isinstance(step, Part):
                parts = list(items) if step is Part.ITEM else [None]
            case ast.List(elts=items) | ast.Tuple(elts=items) if isinstance(step, int):
                is_plain = step < len(items) and not any(isinstance(item, ast.Starred) for item in items)
                parts = [items[step] if is_plain else None]
            case ast.Dict(keys=keys, values=values):
                parts = list(keys) if step is Part.ITEM else list(values) if step is Part.VALUE else [None]
            case ast.ListComp(elt=item) | ast.SetComp(elt=item) | ast.GeneratorExp(elt=item):
                parts = [item if step is Part.ITEM else None]
            case ast.DictComp(key=key, value=value):
                parts = [key if step is Part.ITEM else value if step is Part.VALUE else None]
            case ast.Call() if step is Part.ITEM:
                return self._kind_of_iterated_call(node, rest, deeper)
            case _:
                parts = [None]
        return max(
            (self._kind_of_part(one, rest, deeper) if one is not None else _Kind.UNKNOWN for one in parts),
            default=_Kind.ATOM,
        )

    def _kind_of_iterated_call(self, call: ast.Call, rest: Path, depth: int) -> _Kind:
        """Returns what the items of `x.items()`, `zip(…)`, `enumerate(x)` and the like may hold."""
        position = rest[0] if rest else None
        match call.func:
            case ast.Attribute(value=value, attr="items") if position in (0, 1):
                return self._kind_of_part(value, (Part.VALUE if position else Part.ITEM, *rest[1:]), depth)
            case ast.Attribute(value=value, attr="values"):
                return self._kind_of_part(value, (Part.VALUE, *rest), depth)
            case ast.Attribute(value=value, attr="keys"):
                return self._kind_of_part(value, (Part.ITEM, *rest), depth)
            case ast.Name() if self._is_builtin(call.func, {"enumerate"}) and position == 1 and call.args:
                return self._kind_of_part(call.args[0], (Part.ITEM, *rest[1:]), depth)
            case ast.Name() if self._is_builtin(call.func, {"zip"}) and isinstance(position, int):
                if position < len(call.args):
                    return self._kind_of_part(call.args[position], (Part.ITEM, *rest[1:]), depth)
            case ast.Name() if self._is_builtin(call.func, _COPYING_BUILTINS) and call.args:
                return self._kind_of_part(call.args[0], (Part.ITEM, *rest), depth)
            case _:
                pass
        return _Kind.UNKNOWN

    def _is_builtin(self, node: ast.expr, names: frozenset[str] | set[str]) -> bool:
        return (
            isinstance(node, ast.Name)
            and node.id in names
            and node.id not in self.variables.bound
            and node.id not in self.variables.imported
        )

    def _is_only_read(self, name: str, kind: _Kind) -> bool:
        """Returns whether nothing can put an unknown value into the collection that the variable holds."""
        if (known := self._only_read.get((name, kind))) is None:
            known = all(self._reads_only(node, kind) for node in self.bindings.reads(name))
            self._only_read[name, kind] = known
        return known

    def _reads_only(self, node: ast.Name, kind: _Kind) -> bool:
        parent = self.script.parents.get(node)
        match parent:
            case ast.Call() if parent.func is not node:
                return self._is_harmless_argument(parent, kind)
            case ast.Starred() | ast.keyword():
                call = self.script.parents.get(parent)
                return isinstance(call, ast.Call) and self._is_harmless_argument(call, kind)
            case ast.Attribute(attr=method):
                call = self.script.parents.get(parent)
                if not isinstance(call, ast.Call) or call.func is not parent:
                    return False
                if method in MUTATORS:
                    return self._kind(argument(call, MUTATORS[method], "default"), 0) <= _Kind.ATOM
                return method == "keys" or (method in _READING_METHODS and kind <= _Kind.FLAT)
            case ast.Subscript(slice=index):
                if index is node:
                    return not self._has_operators
                statement = self.script.parents.get(parent)
                if isinstance(parent.ctx, ast.Store):
                    if not isinstance(statement, ast.Assign) or len(statement.targets) > 1:
                        return False
                    return self._kind(statement.value, 0) < kind
                return kind <= _Kind.FLAT
            case ast.FormattedValue() | ast.UnaryOp(op=ast.Not()):
                return True
            case ast.Compare():
                return not self._has_operators
            case ast.If(test=test) | ast.While(test=test):
                return test is node
            case ast.For(iter=iterated) | ast.comprehension(iter=iterated):
                return iterated is node and kind <= _Kind.FLAT
            case ast.BinOp(op=ast.Add() | ast.BitOr()):
                return kind <= _Kind.FLAT and not self._has_operators
            case ast.Dict():
                return node in parent.values and parent.keys[parent.values.index(node)] is None and kind <= _Kind.FLAT
            case _:
                return False

    def _is_harmless_argument(self, call: ast.Call, kind: _Kind) -> bool:
        """Returns whether a call that gets the collection cannot change it."""
        match call.func:
            case ast.Name():
                names = _READING_BUILTINS if kind <= _Kind.FLAT else frozenset({"len", "print"})
                return self._is_builtin(call.func, names)
            case ast.Attribute(attr=method):
                # `agg` passes its other arguments to the function.
                hands_on = method in _NAMED_BY_KEYWORD and (
                    len(call.args) > 1 or any(one.arg not in (None, "axis", "func") for one in call.keywords)
                )
                return method in _HARMLESS_METHODS and method not in self._own_names and not hands_on
            case _:
                return False

    @cached_property
    def _own_names(self) -> frozenset[str]:
        """The names that the script may have given to functions of its own."""
        names: set[str] = set()
        makes_fields_from_text = not _MAKE_FIELDS_FROM_TEXT.isdisjoint(self.script.references.values())
        for node in self.script.nodes:
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                    names.add(name)
                case ast.Constant(value=str(text)) if makes_fields_from_text:
                    names.update(text.replace(",", " ").split())
                case _:
                    pass
        return frozenset(names)

    @cached_property
    def _has_operators(self) -> bool:
        """Whether a class of the script defines an operator, which could change what it is compared with."""
        return any(
            isinstance(node, ast.FunctionDef)
            and node.name.startswith("__")
            and len(node.args.args) > 1
            and node.name not in ("__call__", "__exit__", "__init__")
            for node in self.script.nodes
        )


def _collection_of(kind: _Kind) -> _Kind:
    if kind is _Kind.UNKNOWN:
        return kind
    return _Kind.FLAT if kind is _Kind.ATOM else _Kind.NESTED


def _is_pair(node: ast.expr) -> bool:
    """Returns whether the item is `("column", "function")`, as pyarrow's groups take it.

    pandas would take the column for a function as well.
    """
    if not isinstance(node, ast.Tuple) or len(node.elts) not in (2, 3):
        return False
    column = text_of(node.elts[0])
    return column is not None and not column.startswith("_") and column not in _NEVER_NAMED


def _problem(method: str, node: ast.AST) -> str:
    text = text_of(node)
    what = quote(text) if text is not None else "a function that the checks cannot follow"
    return (
        f".{method}() is given {what}; write the name of a function such as 'mean' as a literal, or pass a lambda: "
        f"lambda part: f(part). A method of your own needs another name than {method!r}"
    )
