"""Finds f-strings that Python 3.11 cannot read: an expression in them has their own quotes, a backslash or a comment.

Newer versions read them whatever `feature_version` says. See docs/decisions/0057.
"""

from __future__ import annotations

import ast
import re
import sys
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Comments and strings as Python 3.11 sees them, for which an f-string is a string like any other.
_TEXT: Final = re.compile(
    rb"""
    \#[^\n]* | '{3} (?:\\.|[^\\])*? '{3} | "{3} (?:\\.|[^\\])*? "{3} | ' (?:\\.|[^\\'\n])* ' | " (?:\\.|[^\\"\n])* "
    """,
    re.DOTALL | re.VERBOSE,
)
_LINE_END: Final = re.compile(r"\r\n?")


class _Field(NamedTuple):
    """Where an expression in an f-string begins, with its `{`, and where it ends, in bytes."""

    start: int
    end: int
    line: int


def line_of_new_text(code: str, nodes: Iterable[ast.AST]) -> int | None:
    """Returns the line of the first f-string that only Python 3.12 and newer read; None if there is none.

    `nodes` are those of the script. Takes linear time.
    """
    # Older versions have read it already, and do not know where its expressions are.
    found = [node for node in nodes if isinstance(node, ast.FormattedValue)] if sys.version_info >= (3, 12) else []
    if not found:
        return None
    text = _LINE_END.sub("\n", code).encode(errors="surrogatepass")
    lines = [0, *accumulate(len(line) + 1 for line in text.split(b"\n"))]
    fields = [
        _Field(lines[node.lineno - 1] + node.col_offset, lines[row - 1] + column, node.lineno)
        for node in found
        for row, column in [_end_of_expression(node)]
    ]
    return _first_new(text, 0, len(text), sorted(fields))


def _end_of_expression(node: ast.FormattedValue) -> tuple[int, int]:
    """Returns the line and column where the expression ends; what follows its `:` is text."""
    if node.format_spec is not None:
        return node.format_spec.lineno, node.format_spec.col_offset
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _first_new(text: bytes, start: int, end: int, fields: Sequence[_Field]) -> int | None:
    """Returns the line of the first of `fields`, all between `start` and `end`, that Python 3.11 cannot read."""
    texts = [match.span() for match in _TEXT.finditer(text, start, end)]
    after = 0
    for position, field in enumerate(fields):
        if position < after:  # it is inside the last one
            continue
        around = bisect_left(texts, (field.start, 0)) - 1
        if around < 0 or field.end > texts[around][1] or _has_other(text, field):
            return field.line
        after = bisect_right(fields, (field.end,), position)
        inner = _first_new(text, field.start + 1, field.end, fields[position + 1 : after])
        if inner is not None:
            return inner
    return None


def _has_other(text: bytes, field: _Field) -> bool:
    """Returns whether the expression has a backslash or a comment."""
    inside = text[field.start + 1 : field.end]
    return b"\\" in inside or any(match.group().startswith(b"#") for match in _TEXT.finditer(inside))
