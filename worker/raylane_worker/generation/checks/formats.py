"""Checks texts that `str.format` fills in: a field may name an attribute, as in `{0.name}`."""

from __future__ import annotations

import ast
import re
import string
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.bindings import Binding, Bindings
from raylane_worker.generation.checks.script import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.attributes import Attributes

_INDEX: Final = re.compile(r"\[[^\[\]]*\]")
_FORMATTER: Final = string.Formatter()
_USE_FSTRING: Final = "write an f-string instead, or the text with its fields as a literal before .format()"


def problems_of_format(node: ast.Attribute, attributes: Attributes, bindings: Bindings) -> Iterator[str]:
    """Yields what is wrong with `text.format` or `text.format_map`, called or not."""
    texts = _texts_of(node.value, bindings)
    if texts is None:
        yield f"the text that .{node.attr}() fills in is not a literal; {_USE_FSTRING}"
        return
    for text in texts:
        yield from _problems_of_text(text, attributes)


def _texts_of(node: ast.expr, bindings: Bindings) -> list[str] | None:
    """Returns all texts that the expression may be; None if the script does not tell."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.BinOp(left=ast.Constant(value=str(left)), op=ast.Add(), right=ast.Constant(value=str(right))):
            return [left + right]
        case ast.Name(id=name):
            texts = [_text_of(binding) for binding in bindings.of(name)]
            is_literal = None not in texts and name not in bindings.variables.imported
            return [text for text in texts if text is not None] if is_literal else None
        case _:
            return None


def _text_of(binding: Binding) -> str | None:
    match binding:
        case Binding(value=ast.Constant(value=str(text)), path=()):
            return text
        case _:
            return None


def _problems_of_text(text: str, attributes: Attributes, *, is_specification: bool = False) -> Iterator[str]:
    try:
        fields = list(_FORMATTER.parse(text))
    except ValueError as error:
        yield f"{quote(text)} is no text for .format(): {error}; {_USE_FSTRING}"
        return
    for _, name, specification, _ in fields:
        for attribute in _INDEX.sub("", name or "").split(".")[1:]:
            if attributes.problem_of_text(attribute) is not None:
                yield f"a field reads the attribute {quote(attribute)}, which may not be used; {_USE_FSTRING}"
        if specification and not is_specification:
            # A specification holds fields, but no specification of a field holds another one.
            yield from _problems_of_text(specification, attributes, is_specification=True)
