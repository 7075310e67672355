"""Checks that a script reads only the session's sources, by literal locations, and writes nothing."""

from __future__ import annotations

import ast
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from raylane_common.secrets import find_credential
from raylane_common.wire.generate import Finding
from raylane_common.wire.sources import TableSource
from raylane_worker.generation.checks.script import AstScript, argument, finding_at, quote, text_of
from raylane_worker.generation.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from raylane_common.wire.sources import Source

_READERS: Final = {"ray.data.read_csv": "csv", "ray.data.read_json": "json", "ray.data.read_parquet": "parquet"}
# None of these can open a file, except `paths`, which is checked.
_READER_KEYWORDS: Final = frozenset(
    {
        "columns",
        "concurrency",
        "convert_options",
        "file_extensions",
        "include_paths",
        "lines",
        "override_num_blocks",
        "parse_options",
        "partitioning",
        "paths",
        "read_options",
    }
)

# S3 allows 1,024 bytes for a key, of which each may be encoded as three characters.
_MAX_LOCATION_CHARACTERS: Final = 4096
# The name of a directory of partitions, such as `year=2020`.
_PARTITION: Final = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9_=.-]*")
_PLACEHOLDER: Final = re.compile(
    r"your[-_](s3[-_])?(bucket|csv|data|file|key|path|table)|<[^<>]{0,40}(bucket|file|path|session|table)[^<>]{0,40}>"
    r"|\bexample\.(com|org|net)\b|\bpath/to/|\bmy[-_]bucket\b|\bbucket[-_]name\b|\.{3}/",
    re.IGNORECASE,
)
_FORMATTED_PRIVATE: Final = re.compile(r"\{[^{}]*[.\[]_")
# Methods and functions that compare their arguments with the data.
_TEXT_PREDICATES: Final = frozenset(
    {"contains", "ends_with", "endswith", "is_in", "isin", "not_in", "startswith", "starts_with"}
)
_DATA_FUNCTIONS: Final = ("pyarrow.compute.", "ray.data.expressions.lit")
# Lists of values are not nested in practice.
_MAX_LISTS: Final = 3
# A session may have hundreds of sources; a finding needs only a few to show what a location looks like.
_MAX_LISTED_SOURCES: Final = 5


class _Locations:
    """The sources by their locations, and the literals of a script that name them."""

    def __init__(self, script: AstScript, sources: Sequence[Source]) -> None:
        self._constants = _constants(script)
        self._sources = {source.location: source for source in sources}
        self._tables = {source.location: source for source in sources if isinstance(source, TableSource)}
        shown = " or ".join(quote(location) for location in list(self._sources)[:_MAX_LISTED_SOURCES])
        more = " …" if len(self._sources) > _MAX_LISTED_SOURCES else ""
        self.listed = f"{shown}{more}" or "none: the session has no source"

    def given_to(self, call: ast.Call) -> list[str] | None:
        """Returns the literal location or locations that a reader is given; None if any of them is not a literal."""
        node = argument(call, 0, "paths")
        items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
        texts = [self._constants.get(item.id) if isinstance(item, ast.Name) else text_of(item) for item in items]
        return None if None in texts else [text for text in texts if text is not None]

    def source(self, location: str) -> Source | None:
        """Returns the source at exactly this location, or the table that has partitions there; None if none does."""
        if location in self._sources or len(location) > _MAX_LOCATION_CHARACTERS:
            return self._sources.get(location)
        prefix = f"{location.removesuffix('/')}/"
        below: list[str] = []
        while prefix and prefix not in self._tables:
            parent, slash, directory = prefix[:-1].rpartition("/")
            prefix = f"{parent}{slash}"
            below.append(directory)
        return self._tables.get(prefix) if all(map(_PARTITION.fullmatch, below)) else None


def sources_read(script: AstScript, sources: Sequence[Source]) -> list[Source]:
    """Returns the sources that the script reads."""
    locations = _Locations(script, sources)
    texts = dict.fromkeys(text for call in _reader_calls(script) for text in locations.given_to(call) or ())
    read = {source.location for text in texts if (source := locations.source(text)) is not None}
    return [source for source in sources if source.location in read]


def check_paths(script: AstScript, sources: Sequence[Source]) -> Iterator[Finding]:
    """Yields findings about readers and writers, and about literals that could do harm.

    A literal that nothing can open is only text, even if it looks like the location of a file.
    """
    locations = _Locations(script, sources)
    readers = list(_reader_calls(script))
    for call in readers:
        yield from _check_reader(script.origin(call), call, locations)
    called = {call.func for call in readers}
    for node, origin in script.references.items():
        if node not in called and origin.startswith(tuple(_READERS)):
            yield finding_at("reader_as_value", node, "call the reader directly, with the path as a literal")
    if not readers:
        yield Finding(rule="nothing_read", message=f"the script reads no source; read one of {locations.listed}")
    for call in script.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("write_"):
            message = f".{call.func.attr}() is not allowed; print the result instead"
            yield finding_at("write_not_allowed", call, message)
    names = {source.location for source in sources}
    names.update(column.name for source in sources for column in columns_of(source))
    for node in script.nodes:
        if isinstance(node, ast.Constant):
            yield from _check_literal(script, node, names)


def _constants(script: AstScript) -> dict[str, str]:
    """Returns the names that the script binds only once, to the literal text on the right of an assignment.

    Such a name has this value wherever it has any: a second binding of the name anywhere in the script, even in
    another function, excludes it.
    """
    bound: dict[str, int] = {}
    texts: dict[str, str] = {}
    for node in script.nodes:
        for name in _names_bound_by(node):
            bound[name] = bound.get(name, 0) + 1
        match node:
            case ast.Assign(targets=targets, value=ast.Constant(value=str() as text)):
                texts.update({target.id: text for target in targets if isinstance(target, ast.Name)})
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str() as text)):
                texts[name] = text
    return {name: text for name, text in texts.items() if bound[name] == 1}


def _names_bound_by(node: ast.AST) -> Iterator[str]:
    """Yields the names that a node itself binds, deletes or declares."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias():
            yield (node.asname or node.name).partition(".")[0]
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case (
            ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name)
        ):
            yield name
        case ast.MatchMapping(rest=str() as name):
            yield name
        case _:
            pass


def _reader_calls(script: AstScript) -> Iterator[ast.Call]:
    return (call for call in script.calls if script.origin(call) in _READERS)


def _check_reader(origin: str, call: ast.Call, locations: _Locations) -> Iterator[Finding]:
    if len(call.args) > 1 or any(keyword.arg not in _READER_KEYWORDS for keyword in call.keywords):
        allowed = ", ".join(sorted(_READER_KEYWORDS))
        yield finding_at(
            "reader_argument", call, f"{origin} takes only the path and these arguments, by name: {allowed}"
        )
    texts = locations.given_to(call)
    if not texts:
        message = (
            f"write the path of {origin} as one string literal, or as a name that is assigned once, to a literal: "
            f"{locations.listed}"
        )
        yield finding_at("path_not_literal", call, message)
        return
    for text in texts:
        source = locations.source(text)
        if source is None:
            is_placeholder = _PLACEHOLDER.search(text[:_MAX_LOCATION_CHARACTERS]) is not None
            rule, what = ("placeholder", "a placeholder") if is_placeholder else _FOREIGN
            yield finding_at(rule, call, f"{quote(text)} is {what}; use exactly {locations.listed}")
        elif source.format != _READERS[origin]:
            what = f"{quote(source.name)} is {source.format}; use ray.data.read_{source.format}"
            yield finding_at("wrong_reader", call, what)


_FOREIGN: Final = ("foreign_path", "not the location of a source")


def _check_literal(script: AstScript, node: ast.Constant, names: Collection[str]) -> Iterator[Finding]:
    """Checks one literal. `names` are those of the data, which may look like anything."""
    text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
    if not isinstance(text, str) or not _is_suspicious(text) or text in names or _is_data(script, node):
        return
    quoted = (name for name in names if name in text and _is_suspicious(name))
    for name in sorted(quoted, key=lambda name: (-len(name), name)):
        text = text.replace(name, "")
    if (kind := find_credential(text)) is not None:
        yield finding_at("credential", node, f"this looks like {kind}; remove it, the cluster has its own credentials")
    if _FORMATTED_PRIVATE.search(text):
        yield finding_at("private_name", node, "do not format private attributes")
    if text == "runtime_env":
        yield finding_at("runtime_env", node, "remove runtime_env; Raylane sets the environment of the run")


def _is_suspicious(text: str) -> bool:
    return text == "runtime_env" or _FORMATTED_PRIVATE.search(text) is not None or find_credential(text) is not None


def _is_data(script: AstScript, node: ast.Constant) -> bool:
    """Returns whether the literal is only compared with values in the data, so that it is no credential of ours."""
    child: ast.AST = node
    for parent in islice(script.ancestors(node), _MAX_LISTS + 1):
        match parent:
            case ast.List() | ast.Tuple() | ast.Set():
                child = parent
            case ast.Compare():
                return True
            case ast.Call():
                is_predicate = isinstance(parent.func, ast.Attribute) and parent.func.attr in _TEXT_PREDICATES
                return child in parent.args and (is_predicate or script.origin(parent).startswith(_DATA_FUNCTIONS))
            case _:
                return False
    return False
