"""The sources of a script by their locations, and the literals of the script that name them."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import AstScript, argument, name_bound_by, quote, text_of
from raylane_worker.generation.checks.variables import names_bound_by
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.reader import READERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import Source

# S3 allows 1,024 bytes for a key, of which each may be encoded as three characters.
MAX_LOCATION_CHARACTERS: Final = 4096
# A session may have hundreds of sources; a finding needs only a few to show what a location looks like.
_MAX_LISTED_SOURCES: Final = 5


class Locations:
    """The sources that a script may read, by their locations."""

    def __init__(self, script: AstScript, sources: Sequence[Source]) -> None:
        self._script = script
        self._sources = {source.location: source for source in sources}
        self._columns: dict[str, frozenset[str]] = {}

    @cached_property
    def listed(self) -> str:
        """The first locations, for messages."""
        shown = " or ".join(quote(location) for location in list(self._sources)[:_MAX_LISTED_SOURCES])
        more = " …" if len(self._sources) > _MAX_LISTED_SOURCES else ""
        return f"{shown}{more}" or "none: the session has no source"

    @cached_property
    def read(self) -> list[Source]:
        """The sources that the script reads."""
        texts = dict.fromkeys(text for call in self.reader_calls for text in self.given_to(call) or ())
        read = {source.location for text in texts if (source := self.source(text)) is not None}
        return [source for location, source in self._sources.items() if location in read]

    @cached_property
    def reader_calls(self) -> list[ast.Call]:
        """The calls of readers."""
        return [call for call in self._script.calls if self._script.origin(call) in READERS]

    @cached_property
    def names(self) -> frozenset[str]:
        """All locations, and the names of all columns."""
        columns = (column.name for source in self._sources.values() for column in columns_of(source))
        return frozenset(self._sources).union(columns)

    def given_to(self, call: ast.Call) -> list[str] | None:
        """Returns the literal location or locations that a reader is given; None if any of them is not a literal."""
        node = argument(call, 0, "paths")
        items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
        texts = [self._constants.get(item.id) if isinstance(item, ast.Name) else text_of(item) for item in items]
        return None if None in texts else [text for text in texts if text is not None]

    def source(self, location: str) -> Source | None:
        """Returns the source at exactly this location, with or without the last '/' of a table; None if none is."""
        return self._sources.get(location) or self._sources.get(f"{location}/")

    def columns(self, source: Source) -> frozenset[str]:
        """Returns the names of a source's columns."""
        location = source.location
        if location not in self._columns:
            self._columns[location] = frozenset(column.name for column in columns_of(source))
        return self._columns[location]

    @cached_property
    def _constants(self) -> dict[str, str]:
        """The names that the script binds only once, to the literal text on the right of an assignment.

        Such a name has this value wherever it has any: a second binding of the name anywhere in the script, even in
        another function, excludes it.
        """
        bound: dict[str, int] = {}
        texts: dict[str, str] = {}
        for node in self._script.nodes:
            for name in _names_changed_by(node):
                bound[name] = bound.get(name, 0) + 1
            match node:
                case ast.Assign(targets=targets, value=ast.Constant(value=str() as text)):
                    texts.update({target.id: text for target in targets if isinstance(target, ast.Name)})
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str() as text)):
                    texts[name] = text
        return {name: text for name, text in texts.items() if bound[name] == 1}


def _names_changed_by(node: ast.AST) -> Iterator[str]:
    """Yields the names that a node itself binds, imports, deletes or declares."""
    match node:
        case ast.Name(id=name, ctx=ast.Del()):
            yield name
        case ast.alias():
            yield name_bound_by(node)
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case _:
            yield from names_bound_by(node)
