"""Checks how a script uses what the kit gives it besides `read`, and that nothing else writes.

See docs/decisions/0038.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.wire.answer import FILE_NAME, RESERVED_FILE_NAME
from raylane_common.wire.names import ChartKind
from raylane_worker.generation.checks.allowed.kit_names import ANSWER, NOTE_MISSING_WORDS, REQUIRE_TEXT
from raylane_worker.generation.checks.allowed.listing import listed
from raylane_worker.generation.checks.script import AstScript, argument, finding_at, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.generate import Finding
    from raylane_worker.generation.checks.locations import Locations


@dataclass(frozen=True)
class _Parameters:
    """The parameters of a function of the kit: those by position, and those that may only be given by name.

    `required` are those that a call must give. `takes_more` says whether any number of others may follow by position.
    """

    names: tuple[str, ...]
    by_name: frozenset[str]
    required: frozenset[str]
    usage: str
    takes_more: bool = False


_FUNCTIONS: Final = {
    f"{ANSWER}.value": _Parameters(
        ("name", "x", "unit"), frozenset(), listed("name x"), 'answer.value("name", number, unit="km")'
    ),
    f"{ANSWER}.table": _Parameters(("data", "title"), frozenset(), listed("data"), 'answer.table(data, title="…")'),
    f"{ANSWER}.chart": _Parameters(
        ("kind", "data", "x", "y", "color", "title"),
        frozenset(),
        listed("kind data"),
        'answer.chart("bar", data=data, x="city", y="total", color="year", title="…")',
    ),
    f"{ANSWER}.file": _Parameters(("data", "name"), frozenset(), listed("data name"), 'answer.file(data, "name.csv")'),
    f"{ANSWER}.note": _Parameters(("text",), frozenset(), listed("text"), 'answer.note("text")'),
    NOTE_MISSING_WORDS: _Parameters(
        ("data",), frozenset(), listed("data"), 'note_missing_words(data, "city", "name")', takes_more=True
    ),
    REQUIRE_TEXT: _Parameters(
        ("data", "column"),
        listed("contains"),
        listed("data column"),
        'require_text(data, "city", "Paris", "Rome", contains=False)',
        takes_more=True,
    ),
}
# The columns that a chart of each kind needs, and those that have no meaning for it.
_AXES: Final = {
    ChartKind.HISTOGRAM: (("x",), ("y",)),
    ChartKind.BOX: (("y",), ()),
}
_X_AND_Y: Final = (("x", "y"), ())
_KINDS: Final = ", ".join(repr(str(kind)) for kind in ChartKind)


def check_answers(script: AstScript, locations: Locations) -> Iterator[Finding]:
    """Yields findings about calls of the kit with other arguments, uses of it that are no calls, and writers."""
    called = {call.func: call for call in script.calls}
    for node, origin in script.references.items():
        if (parameters := _FUNCTIONS.get(origin)) is None:
            continue
        if node not in called:
            message = f"{_short(origin)} may only be called directly: {parameters.usage}"
            yield finding_at("answer_as_value", node, message)
        elif (problem := _problem_of_arguments(called[node], parameters)) is not None:
            message = f"{_short(origin)} {problem}: {parameters.usage}"
            yield finding_at("answer_argument", node, message)
        else:
            yield from _check_literals(called[node], origin, locations)
    for call in script.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("write_"):
            message = f'.{call.func.attr}() is not allowed; use answer.file(data, "name.parquet")'
            yield finding_at("write_not_allowed", call, message)


def _short(origin: str) -> str:
    return origin.partition(".")[2]


def _problem_of_arguments(call: ast.Call, parameters: _Parameters) -> str | None:
    """Returns what is wrong with the arguments of a call; None if nothing is."""
    is_unpacked = any(isinstance(one, ast.Starred) for one in call.args) and not parameters.takes_more
    if is_unpacked or any(keyword.arg is None for keyword in call.keywords):
        return "gets its arguments one by one, without * and **"
    if len(call.args) > len(parameters.names) and not parameters.takes_more:
        return f"takes at most {len(parameters.names)} arguments by position"
    given = [*parameters.names[: len(call.args)], *(keyword.arg for keyword in call.keywords if keyword.arg)]
    if twice := next((name for name in given if given.count(name) > 1), None):
        return f"gets the argument {quote(twice)} twice"
    if unknown := sorted({*given} - {*parameters.names} - parameters.by_name):
        return f"has no argument {quote(unknown[0])}"
    if missing := sorted(parameters.required.difference(given)):
        return f"needs the argument {quote(missing[0])}"
    return None


def _check_literals(call: ast.Call, origin: str, locations: Locations) -> Iterator[Finding]:
    """Checks the kind of a chart and the name of a file."""
    if origin == f"{ANSWER}.chart":
        kind = locations.literal(argument(call, 0, "kind"))
        if kind is None or kind not in [*ChartKind]:
            what = "must be a literal" if kind is None else f"cannot be {quote(kind)}"
            yield finding_at("chart_kind", call, f"the kind of a chart {what}; write one of {_KINDS}")
            return
        for axis in ("x", "y", "color"):
            if isinstance(_axis(call, axis), ast.List | ast.Tuple | ast.Set | ast.Dict):
                message = (
                    f"{axis} of a chart is the name of one column; bring several into rows with melt, and use color"
                )
                yield finding_at("answer_argument", call, message)
        needed, useless = _AXES.get(ChartKind(kind), _X_AND_Y)
        for axis in needed:
            if not _is_given(call, axis):
                message = f'a {kind} chart needs the name of a column for {axis}: {axis}="…"'
                yield finding_at("answer_argument", call, message)
        for axis in useless:
            if _is_given(call, axis):
                message = f"a {kind} chart has no {axis}, because it counts the rows; remove {axis}="
                yield finding_at("answer_argument", call, message)
    elif origin == f"{ANSWER}.file":
        name = locations.literal(argument(call, 1, "name"))
        if name is None or FILE_NAME.fullmatch(name) is None or RESERVED_FILE_NAME.fullmatch(name):
            what = "must be a literal" if name is None else f"cannot be {quote(name)}"
            message = (
                f"the name of a file {what}; write one without directories that ends in .parquet, .csv or .json: "
                "answer.file(data, 'cities.csv')"
            )
            yield finding_at("file_name", call, message)


def _axis(call: ast.Call, axis: str) -> ast.expr | None:
    return argument(call, _FUNCTIONS[f"{ANSWER}.chart"].names.index(axis), axis)


def _is_given(call: ast.Call, axis: str) -> bool:
    node = _axis(call, axis)
    return node is not None and not (isinstance(node, ast.Constant) and node.value is None)
