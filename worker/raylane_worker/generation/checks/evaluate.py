"""Follows the expressions of a script: what is known of a value, which columns it reads, what it gives the driver."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import Engine
from raylane_worker.generation.checks.allowed.kit_names import ANSWER, NOTE_MISSING_WORDS, READ, REQUIRE_TEXT
from raylane_worker.generation.checks.allowed.modules import is_of_ray
from raylane_worker.generation.checks.cluster import problem_of_frame_method, problem_of_method
from raylane_worker.generation.checks.datasets import Arguments, Effect, aggregate, of_dataset, of_grouped
from raylane_worker.generation.checks.found import Found, MissingColumn
from raylane_worker.generation.checks.frames import is_mask, of_frame, of_groups, of_pandas, of_series
from raylane_worker.generation.checks.scope import Scope
from raylane_worker.generation.checks.values import (
    Dataset,
    Expression,
    FrameGroups,
    Function,
    Grouped,
    Items,
    Keyed,
    Labelled,
    Many,
    Mapping,
    Text,
    Value,
    item_of,
    items_of,
    join_all,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_worker.generation.checks.locations import Locations
    from raylane_worker.generation.checks.script import AstScript

# An ordinary script takes 30 to 200 steps. The limits keep the check of any script fast and its recursion shallow.
MAX_STEPS: Final = 5_000
_MAX_DEPTH: Final = 80
# No column has a longer name.
_MAX_CHARACTERS: Final = 10_000
# A copy of so many column names takes about as long as one step.
_COLUMNS_PER_STEP: Final = 50

_MAKERS: Final = frozenset(
    f"ray.data.{name}" for name in ("from_arrow", "from_items", "from_numpy", "from_pandas", "range")
)
# Functions of the kit that name columns: the position of the data, and those of the columns with their names.
_NAME_COLUMNS: Final = {
    f"{ANSWER}.chart": (1, ((2, "x"), (3, "y"), (4, "color"))),
    REQUIRE_TEXT: (0, ((1, "column"),)),
}
# A source takes several times its size as rows in the driver, which shares its node with other work.
_LARGE_BYTES: Final = 64 * 1024 * 1024
# Functions that return the same items, perhaps in another order.
_REORDERING: Final = frozenset({"iter", "list", "reversed", "set", "sorted", "tuple"})


class TooLong(Exception):
    """The script takes too many steps to follow."""


class Evaluator(ABC):
    """Evaluates expressions as far as they are known. `Flow` adds functions and statements."""

    def __init__(self, script: AstScript, locations: Locations, engine: Engine) -> None:
        """`locations` are those that the script may read, by this engine."""
        self.script = script
        self.found = Found()
        self.in_try = 0
        self._locations = locations
        self._engine = engine
        self._steps = 0
        self._depth = 0

    @abstractmethod
    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> Function:
        """Returns the function that a definition makes."""

    @abstractmethod
    def call_function(self, function: Function, arguments: Arguments) -> Value:
        """Follows a call of a function of the script."""

    def look_up(self, name: str, scope: Scope) -> Value:
        """Returns the value of a variable."""
        holder = scope.holder(name)
        return None if holder is None else holder.get(name)

    def bind(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Binds a target of an assignment."""
        match target:
            case ast.Name(id=name):
                scope.bind(name, value)
            case ast.Starred(value=inner):
                self.bind(inner, None, scope)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                is_plain = not any(isinstance(one, ast.Starred) for one in targets)
                for position, one in enumerate(targets):
                    item = None
                    if isinstance(value, Items) and is_plain and len(value.items) == len(targets):
                        item = value.items[position]
                    elif isinstance(value, Many):
                        item = value.item
                    self.bind(one, item, scope)
            case ast.Subscript(value=inner, slice=key):
                self.evaluate(inner, scope)
                self.evaluate(key, scope)
            case ast.Attribute(value=inner):
                self.evaluate(inner, scope)
            case _:
                pass

    def step(self, count: int = 1) -> None:
        """Counts steps. Raises `TooLong` if there were too many."""
        self._steps += count
        if self._steps > MAX_STEPS:
            raise TooLong

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Counts the levels of recursion. Raises `TooLong` if there are too many."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise TooLong
        yield
        self._depth -= 1

    def evaluate(self, node: ast.expr | None, scope: Scope) -> Value:
        """Returns what is known of an expression. Raises `TooLong`."""
        if node is None:
            return None
        self.step()
        with self.deeper():
            return self._evaluate(node, scope)

    def _evaluate(self, node: ast.expr, scope: Scope) -> Value:
        match node:
            case ast.Constant(value=str(text)):
                return Text(text, node)
            case ast.Name(id=name):
                return self.look_up(name, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.Lambda():
                return self.define(node, scope)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                positional, is_complete = self._starred(elements, scope)
                return Items.of(positional) if is_complete else None
            case ast.Dict():
                return self._dictionary(node, scope)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                return self._comprehension(node.generators, [node.elt], scope)
            case ast.DictComp():
                return self._comprehension(node.generators, [node.key, node.value], scope)
            case ast.Subscript():
                return self._subscript(node, scope)
            case ast.JoinedStr():
                parts = [self.evaluate(part, scope) for part in node.values]
                known = [part.value for part in parts if isinstance(part, Text)]
                return self._text(known, node) if len(known) == len(parts) else None
            case ast.FormattedValue(value=inner, conversion=conversion, format_spec=spec):
                value = self.evaluate(inner, scope)
                return value if conversion == -1 and spec is None else None
            case ast.NamedExpr(target=target, value=inner):
                value = self.evaluate(inner, scope)
                self.bind(target, value, scope)
                return value
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.evaluate(test, scope)
                return join_all([self.evaluate(body, scope), self.evaluate(orelse, scope)])
            case ast.Yield() | ast.YieldFrom():
                scope.is_generator = True
                self.evaluate(node.value, scope)
                return None
            case _:
                return self._combined(node, scope)

    def _combined(self, node: ast.expr, scope: Scope) -> Value:
        """Returns the value of any other expression: one of Ray Data if a part is one, text, items or nothing."""
        parts = [self.evaluate(part, scope) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        expressions = [part for part in parts if isinstance(part, Expression)]
        if expressions and isinstance(node, ast.BinOp | ast.Compare | ast.UnaryOp | ast.Attribute | ast.BoolOp):
            return self._united(expressions)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            match parts:
                case [Text(value=left), Text(value=right)]:
                    return self._text([left, right], node)
                case [Items(items=first), Items(items=second)]:
                    return Items.of(first + second)
                case _:
                    pass
        return None

    def _text(self, parts: Sequence[str], node: ast.expr) -> Text | None:
        """Returns joined text; nothing if no column has such a long name."""
        return Text("".join(parts), node) if sum(map(len, parts)) <= _MAX_CHARACTERS else None

    def _united(self, expressions: Sequence[Expression]) -> Expression:
        columns = frozenset[Text]().union(*(one.columns for one in expressions))
        self.step(len(columns) // _COLUMNS_PER_STEP)
        return Expression(columns)

    def _starred(self, elements: Sequence[ast.expr], scope: Scope) -> tuple[list[Value], bool]:
        """Returns the values of elements, and whether these are all."""
        values: list[Value] = []
        is_complete = True
        for element in elements:
            if isinstance(element, ast.Starred):
                inner = self.evaluate(element.value, scope)
                is_complete = is_complete and isinstance(inner, Items)
                values += inner.items if isinstance(inner, Items) else ()
            else:
                values.append(self.evaluate(element, scope))
        return values, is_complete

    def _dictionary(self, node: ast.Dict, scope: Scope) -> Value:
        items: list[tuple[Text, Value]] = []
        is_complete = True
        for key, value in zip(node.keys, node.values, strict=True):
            name, known = self.evaluate(key, scope), self.evaluate(value, scope)
            if isinstance(name, Text):
                items.append((name, known))
            elif key is None and isinstance(known, Mapping):
                items += known.items
            else:
                is_complete = False
        return Mapping.of(items) if is_complete else None

    def _comprehension(self, generators: Sequence[ast.comprehension], parts: list[ast.expr], outer: Scope) -> Value:
        """Returns the items of a comprehension; of a dictionary if there are two parts."""
        scope = Scope(outer)
        first = self.evaluate(generators[0].iter, outer)
        items = items_of(first)
        is_plain = len(generators) == 1 and not generators[0].ifs
        if items is None or not is_plain:
            self.bind(generators[0].target, item_of(first), scope)
            for position, generator in enumerate(generators):
                if position:
                    self.bind(generator.target, item_of(self.evaluate(generator.iter, scope)), scope)
                for condition in generator.ifs:
                    self.evaluate(condition, scope)
            made = [self.evaluate(part, scope) for part in parts]
            return Many.of(made[0]) if len(parts) == 1 else None
        rows: list[list[Value]] = []
        for item in items:
            self.bind(generators[0].target, item, scope)
            rows.append([self.evaluate(part, scope) for part in parts])
        if len(parts) == 1:
            return Items.of([row[0] for row in rows])
        pairs = [(key, value) for key, value in rows if isinstance(key, Text)]
        return Mapping.of(pairs) if len(pairs) == len(rows) else None

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Value:
        value, key = self.evaluate(node.value, scope), self.evaluate(node.slice, scope)
        match value, node.slice:
            case Keyed(), _:
                names = texts(key) or ()
                self._read(names, value.names, is_key=True)
                if is_mask(node.slice):
                    return value
                chosen = frozenset(name.value for name in names)
                return replace(value, columns=chosen) if names and isinstance(key, Items) else None
            case FrameGroups(), _:
                names = texts(key) or ()
                self._read(names, value.frame.names, is_key=True)
                if not names:
                    return None
                chosen = frozenset(name.value for name in names)
                return replace(value, selected=chosen, is_series=isinstance(key, Text))
            case Items(items=items), ast.Constant(value=int(position)) if -len(items) <= position < len(items):
                return items[position]
            case Many(), ast.Slice():
                return value
            case Many(item=item), ast.Constant() | ast.UnaryOp():
                return item
            case Mapping(items=pairs), _ if isinstance(key, Text):
                return {name.value: known for name, known in pairs}.get(key.value)
            case Expression(), _:
                return value
            case _:
                return None

    def _arguments(self, call: ast.Call, scope: Scope) -> Arguments:
        positional, is_complete = self._starred(call.args, scope)
        named: dict[str, Value] = {}
        for keyword in call.keywords:
            value = self.evaluate(keyword.value, scope)
            if keyword.arg is not None:
                named[keyword.arg] = value
            else:
                is_complete = False
        return Arguments(positional, named, is_complete)

    def _call(self, call: ast.Call, scope: Scope) -> Value:
        origin = self.script.origin(call)
        receiver = None
        if not origin:
            receiver = self.evaluate(call.func.value if isinstance(call.func, ast.Attribute) else call.func, scope)
        arguments = self._arguments(call, scope)
        if origin:
            return self._call_imported(origin, call, arguments)
        if isinstance(call.func, ast.Attribute):
            return self._call_method(receiver, call.func.attr, call, arguments)
        if isinstance(receiver, Function):
            return self.call_function(receiver, arguments)
        if isinstance(call.func, ast.Name) and scope.holder(call.func.id) is None:
            return self._call_builtin(call.func.id, arguments)
        return None

    def _call_imported(self, origin: str, call: ast.Call, arguments: Arguments) -> Value:
        if origin == READ:
            return self._read_source(call)
        if origin == NOTE_MISSING_WORDS:
            self._check_columns(arguments.get(0, "data"), arguments.positional[1:])
            return None
        if origin in _NAME_COLUMNS:
            self._check_named(origin, arguments)
            return None
        if self._engine is Engine.LOCAL and is_of_ray(origin):
            return None
        if origin in _MAKERS:
            return Dataset(None)
        module, _, name = origin.rpartition(".")
        if module == "ray.data.aggregate":
            return aggregate(name, arguments)
        if origin == "ray.data.expressions.col":
            column = arguments.get(0, "name")
            return Expression(frozenset({column} if isinstance(column, Text) else ()))
        if module == "ray.data.expressions":
            return Expression(frozenset())
        if module == "pandas":
            self.step(sum(map(_width, arguments.values)) // _COLUMNS_PER_STEP)
            effect = of_pandas(name, arguments)
            return None if effect is None else self._apply(effect, None, call, is_key=True)
        return None

    def _read_source(self, call: ast.Call) -> Value:
        """Returns the frame or the dataset that `read` gives."""
        source = self._locations.source(self._locations.given_to(call) or "")
        columns = None if source is None else self._locations.columns(source)
        if self._engine is Engine.LOCAL:
            return None if columns is None else Keyed(columns)
        is_large = source is not None and (source.data_bytes is None or source.data_bytes > _LARGE_BYTES)
        return Dataset(columns, is_large)

    def _check_named(self, origin: str, arguments: Arguments) -> None:
        """Checks the columns that a chart or `require_text` names, if those of its data are known."""
        position, places = _NAME_COLUMNS[origin]
        self._check_columns(arguments.get(position, "data"), [arguments.get(place, name) for place, name in places])

    def _check_columns(self, data: Value, named: Sequence[Value]) -> None:
        columns = (
            data.columns if isinstance(data, Dataset) else data.names if isinstance(data, Keyed | Labelled) else None
        )
        if columns is not None:
            is_key = not isinstance(data, Dataset)
            self._read([one for one in named if isinstance(one, Text)], columns, is_key=is_key)

    def _call_method(self, receiver: Value, method: str, call: ast.Call, arguments: Arguments) -> Value:
        self.step(sum(map(_width, (receiver, *arguments.values))) // _COLUMNS_PER_STEP)
        if isinstance(receiver, Dataset | Grouped):
            problem = problem_of_method(method, of_groups=isinstance(receiver, Grouped))
            if problem is not None:
                self.found.absent.append((call, *problem))
                return None
        match receiver:
            case Dataset():
                effect = of_dataset(receiver, method, arguments)
                return self._apply(effect, receiver.columns, call)
            case Grouped():
                effect = of_grouped(receiver, method, arguments)
                return self._apply(effect, receiver.dataset.columns, call)
            case Expression():
                return self._united([receiver, *(one for one in arguments.values if isinstance(one, Expression))])
            case Keyed():
                return self._call_method_of_frame(receiver, method, call, arguments)
            case FrameGroups(frame=frame):
                self._note_method_of_ray(method, call)
                return self._apply(of_groups(receiver, method, arguments), frame.names, call, is_key=True)
            case Labelled():
                return of_series(receiver, method, arguments)
            case Mapping(items=pairs) if method == "items":
                return Items.of([Items.of(pair) for pair in pairs])
            case Mapping(items=pairs) if method == "values":
                return Items.of([value for _, value in pairs])
            case Mapping(items=pairs) if method == "keys":
                return Items.of([key for key, _ in pairs])
            case _:
                return None

    def _call_method_of_frame(self, frame: Keyed, method: str, call: ast.Call, arguments: Arguments) -> Value:
        self._note_method_of_ray(method, call)
        if method == "pipe" and arguments.positional and isinstance(arguments.positional[0], Function):
            rest = Arguments([frame, *arguments.positional[1:]], arguments.named, arguments.is_complete)
            return self.call_function(arguments.positional[0], rest)
        return self._apply(of_frame(frame, method, arguments, call), frame.names, call, is_key=True)

    def _note_method_of_ray(self, method: str, call: ast.Call) -> None:
        """Notes a method of Ray's datasets that is called on a frame or its groups, which have none of this name."""
        if self._engine is Engine.LOCAL and (problem := problem_of_frame_method(method)) is not None:
            self.found.absent.append((call, *problem))

    def _apply(self, effect: Effect, columns: frozenset[str] | None, call: ast.Call, *, is_key: bool = False) -> Value:
        if effect.of is not None:
            columns = effect.of.names
        if columns is not None:
            self._read(effect.reads, columns, is_key=is_key)
        for names, others in effect.also:
            self._read(names, others, is_key=is_key)
        for function in effect.calls:
            self.call_function(function, Arguments([effect.given], {}, False))
        if effect.is_unbounded:
            self.found.unbounded.append(call)
        self.step(_width(effect.result) // _COLUMNS_PER_STEP)
        return effect.result

    def _read(self, names: Sequence[Text], columns: frozenset[str], *, is_key: bool = False) -> None:
        if is_key and self.in_try:
            return  # the script may be prepared for a missing column
        self.found.missing += [MissingColumn(text, columns, is_key) for text in names if text.value not in columns]

    def _call_builtin(self, name: str, arguments: Arguments) -> Value:
        first = arguments.positional[0] if arguments.positional else None
        if name in _REORDERING:
            return first if isinstance(first, Items | Many) else None
        if name == "enumerate":
            return Many.of(Items.of([None, item_of(first)]))
        if name == "zip":
            return Many.of(Items.of([item_of(one) for one in arguments.positional]))
        if name == "next":
            return item_of(first)
        return None


def _width(value: Value) -> int:
    """Returns how many names of columns a value has: about how long it takes to compute with them."""
    match value:
        case Dataset(columns=columns):
            return len(columns or ())
        case Grouped(dataset=dataset):
            return len(dataset.columns or ())
        case Keyed(columns=columns):
            return len(columns)
        case FrameGroups(frame=frame):
            return len(frame.columns)
        case Labelled(names=names):
            return len(names)
        case Items(items=items):
            return sum(len(item.columns) for item in items if isinstance(item, Keyed))
        case _:
            return 0
