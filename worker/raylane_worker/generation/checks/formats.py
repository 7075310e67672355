"""Checks texts that `str.format` fills in: a field may name an attribute, as in `{0.name}`."""

from __future__ import annotations

import ast
import re
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.bindings import Binding, Bindings
from raylane_worker.generation.checks.script import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.generation.checks.attributes import Attributes

_INDEX: Final = re.compile(r"\[[^\[\]]*\]")
_FORMATTER: Final = string.Formatter()
_USE_FSTRING: Final = "write an f-string instead, or the text with its fields as a literal before .format()"
_NOT_LITERAL: Final = f"the text that .format() fills in is not a literal; {_USE_FSTRING}"
# A variable may hold many texts, and be filled in at many places.
_MAX_PROBLEMS: Final = 3


@dataclass(frozen=True)
class Formats:
    """Finds out what the texts that a script fills in may read."""

    attributes: Attributes
    bindings: Bindings
    _of_variables: dict[str, list[str]] = field(default_factory=dict)

    def problems_of(self, node: ast.Attribute) -> list[str]:
        """Returns what is wrong with `text.format` or `text.format_map`, called or not."""
        match node.value:
            case ast.Constant(value=str(text)):
                return list(_problems_of_text(text, self.attributes))
            case ast.BinOp(left=ast.Constant(value=str(left)), op=ast.Add(), right=ast.Constant(value=str(right))):
                return list(_problems_of_text(left + right, self.attributes))
            case ast.Name(id=name):
                if name not in self._of_variables:
                    self._of_variables[name] = self._problems_of_variable(name)
                return self._of_variables[name]
            case _:
                return [_NOT_LITERAL]

    def _problems_of_variable(self, name: str) -> list[str]:
        texts = [_text_of(binding) for binding in self.bindings.of(name)]
        if name in self.bindings.variables.imported:
            return [_NOT_LITERAL]
        return [
            problem
            for text in dict.fromkeys(texts)
            for problem in ([_NOT_LITERAL] if text is None else _problems_of_text(text, self.attributes))
        ][:_MAX_PROBLEMS]


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
