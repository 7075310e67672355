"""Checks that a script reads only the session's sources, with `read` of the kit, by literal locations.

See docs/decisions/0038.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_worker.generation.checks.allowed.kit_names import READ
from raylane_worker.generation.checks.locations import MAX_LOCATION_CHARACTERS
from raylane_worker.generation.checks.other_readers import is_other_reader
from raylane_worker.generation.checks.script import AstScript, finding_at, quote, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.locations import Locations

_PLACEHOLDER: Final = re.compile(
    r"your[-_](s3[-_])?(bucket|csv|data|file|key|path|table)|<[^<>]{0,40}(bucket|file|path|session|table)[^<>]{0,40}>"
    r"|\bexample\.(com|org|net)\b|\bpath/to/|\bmy[-_]bucket\b|\bbucket[-_]name\b|\.{3}/",
    re.IGNORECASE,
)
_FROM: Final = "with 'from raylane_run import answer, read'"


def check_reading(script: AstScript, locations: Locations) -> Iterator[Finding]:
    """Yields findings about calls of `read`, about other readers, and about a script that reads nothing."""
    for call in locations.reader_calls:
        yield from _check_read(call, locations)
    called = {call.func: call for call in script.calls}
    others = list(_imported_readers(script))
    for node, origin in script.references.items():
        if origin == READ and node not in called:
            message = f"call read directly, with the location as a literal: {locations.listed}"
            yield finding_at("reader_as_value", node, message)
        elif is_other_reader(origin):
            others.append((node, origin))
    for node, origin in others:
        text = _path_given_to(called[node], locations) if node in called else None
        message = f"{origin} is not allowed; use {locations.instead_of(text)}, {_FROM}"
        yield finding_at("reader_not_allowed", node, message)
    if not locations.reader_calls and not others:
        message = f"the script reads no source; use {locations.listed}, {_FROM}"
        yield Finding(rule="nothing_read", message=message)


def _imported_readers(script: AstScript) -> Iterator[tuple[ast.AST, str]]:
    for node in script.nodes:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if is_other_reader(name := f"{node.module}.{alias.name}"):
                    yield node, name


def _path_given_to(call: ast.Call, locations: Locations) -> str | None:
    """Returns the first literal that a reader is given; None if it has none."""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    items = [item for one in arguments for item in (one.elts if isinstance(one, ast.List | ast.Tuple) else [one])]
    return next((text for item in items if (text := locations.literal(item)) is not None), None)


def _check_read(call: ast.Call, locations: Locations) -> Iterator[Finding]:
    if len(call.args) != 1 or call.keywords:
        message = f"read takes the location and nothing else, not by name: {locations.instead_of(_written(call))}"
        yield finding_at("reader_argument", call, message)
        if not call.args:
            return
    text = locations.given_to(call)
    if text is None:
        message = (
            "write the location that read gets as one string literal, or as a name that is assigned once, to a "
            f"literal: {locations.listed}"
        )
        yield finding_at("path_not_literal", call, message)
    elif locations.source(text) is None:
        is_placeholder = _PLACEHOLDER.search(text[:MAX_LOCATION_CHARACTERS]) is not None
        rule, what = ("placeholder", "a placeholder") if is_placeholder else _FOREIGN
        yield finding_at(rule, call, f"{quote(text)} is {what}; use {locations.instead_of(text)}")


_FOREIGN: Final = ("foreign_path", "not the location of a source")


def _written(call: ast.Call) -> str | None:
    """Returns the text of any argument that is a literal; None if none is."""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    return next((text for one in arguments if (text := text_of(one)) is not None), None)
