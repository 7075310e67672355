"""The sources of a script by their locations, and the literals of the script that name them."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING, Final

from raylane_common.nearest import NearestNames
from raylane_common.wire.sources import FileSource, readable_uri
from raylane_worker.generation.checks.allowed.kit_names import READ
from raylane_worker.generation.checks.script import AstScript, name_bound_by, quote, text_of
from raylane_worker.generation.checks.variables import names_bound_by
from raylane_worker.generation.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import Source

# S3 allows 1,024 bytes for a key.
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
        """What reads the first sources, for messages."""
        shown = " or ".join(_reading(source) for source in list(self._sources.values())[:_MAX_LISTED_SOURCES])
        more = " …" if len(self._sources) > _MAX_LISTED_SOURCES else ""
        return f"{shown}{more}" or "none: the session has no source"

    @cached_property
    def read(self) -> list[Source]:
        """The sources that the script reads."""
        texts = dict.fromkeys(text for call in self.reader_calls if (text := self.given_to(call)) is not None)
        read = {source.location for text in texts if (source := self.source(text)) is not None}
        return [source for location, source in self._sources.items() if location in read]

    @cached_property
    def reader_calls(self) -> list[ast.Call]:
        """The calls of `read`."""
        return [call for call in self._script.calls if self._script.origin(call) == READ]

    @cached_property
    def names(self) -> frozenset[str]:
        """All locations, and the names of all columns."""
        columns = (column.name for source in self._sources.values() for column in columns_of(source))
        return frozenset(self._sources).union(columns)

    def given_to(self, call: ast.Call) -> str | None:
        """Returns the literal that is the first argument of a call; None if it is no literal, or there is none."""
        return self.literal(call.args[0]) if call.args else None

    def literal(self, node: ast.expr | None) -> str | None:
        """Returns the text of a literal, or of a name that the script binds once, to a literal; None for others."""
        return self._constants.get(node.id) if isinstance(node, ast.Name) else text_of(node)

    def source(self, location: str) -> Source | None:
        """Returns the source at exactly this location, with or without the last '/' of a table; None if none is."""
        return self._sources.get(location) or self._sources.get(f"{location}/")

    def instead_of(self, text: str | None) -> str:
        """Returns how to read the source that a wrong location, or one for another reader, means most likely.

        A source is found by where its prepared copy is, by its name, or by its likeness; otherwise, some are listed.
        """
        text = (text or "")[:MAX_LOCATION_CHARACTERS]
        found = self._by_other_names.get(text) or self._by_other_names.get(_last_part(text))
        if found is None and (nearest := self._nearest.find(_last_part(text), 1)):
            found = self._by_other_names[nearest[0]]
        return self.listed if found is None else _reading(found)

    def columns(self, source: Source) -> frozenset[str]:
        """Returns the names of a source's columns."""
        location = source.location
        if location not in self._columns:
            self._columns[location] = frozenset(column.name for column in columns_of(source))
        return self._columns[location]

    @cached_property
    def _by_other_names(self) -> dict[str, Source]:
        """The sources by what else a script might call them; the first one if two have the same."""
        sources: dict[str, Source] = {}
        for source in self._sources.values():
            other = [source.readable_location] if isinstance(source, FileSource) else []
            for name in (readable_uri(source.location), source.name, _last_part(source.location), *other):
                sources.setdefault(name, source)
        return sources

    @cached_property
    def _nearest(self) -> NearestNames:
        return NearestNames(_last_part(location) for location in self._sources)

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


def _reading(source: Source) -> str:
    return f"read({quote(source.location, MAX_LOCATION_CHARACTERS)})"


def _last_part(location: str) -> str:
    return location.rstrip("/").rpartition("/")[2]


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
