"""Checks that a script reads only the session's sources, by literal paths, and writes nothing."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from raylane_common.secrets import find_credential
from raylane_common.wire.generate import Finding
from raylane_common.wire.sources import TableSource
from raylane_worker.generation.checks.script import AstScript, argument, finding_at, quote, text_of
from raylane_worker.generation.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FILE: Final = re.compile(r"(/|~/|\.{1,2}/|file:|[a-z]:\\)[\w.-]|(.*/)?\.\.(/|$)", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(
    r"your[-_](s3[-_])?(bucket|csv|data|file|key|path|table)|<[\w -]*(bucket|file|path|session|table)[\w -]*>"
    r"|\bexample\.(com|org|net)\b|\bpath/to/|\bmy[-_]bucket\b|\bbucket[-_]name\b|\.{3,}/",
    re.IGNORECASE,
)
_FORMATTED_PRIVATE: Final = re.compile(r"\{[^{}]*[.\[]_")
# Methods and functions that compare their arguments with the data.
_TEXT_PREDICATES: Final = frozenset(
    {"contains", "ends_with", "endswith", "is_in", "isin", "not_in", "startswith", "starts_with"}
)
_DATA_FUNCTIONS: Final = ("pyarrow.compute.", "ray.data.expressions.lit")
# A session may have hundreds of sources; a finding needs only a few to show what a location looks like.
_MAX_LISTED_SOURCES: Final = 5


def sources_read(script: AstScript, sources: Sequence[Source]) -> list[Source]:
    """Returns the sources that the script reads."""
    paths = {text for call in _reader_calls(script) for text in _path_texts(argument(call, 0, "paths")) or ()}
    return [source for source in sources if any(_is_path_of(path, source) for path in paths)]


def check_paths(script: AstScript, sources: Sequence[Source]) -> Iterator[Finding]:
    """Yields findings about readers, writers, and literals that look like a path, a placeholder or a credential."""
    checked: set[ast.AST] = set()
    for call in _reader_calls(script):
        checked.add(call.func)
        path = argument(call, 0, "paths")
        if path is not None:
            checked.update(ast.walk(path))
        yield from _check_reader(script, call, sources)
    for node, origin in script.references.items():
        if node not in checked and origin.startswith(tuple(_READERS)):
            yield finding_at("reader_as_value", node, "call the reader directly, with the path as a literal")
    if not any(_reader_calls(script)):
        message = f"the script reads no source; read one of {_locations(sources)}"
        yield Finding(rule="nothing_read", message=message)
    for call in script.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("write_"):
            if (path := argument(call, 0, "path")) is not None:
                checked.add(path)
            message = f".{call.func.attr}() is not allowed; print the result instead"
            yield finding_at("write_not_allowed", call, message)
    known = _suspicious_names(sources)
    for node in script.nodes:
        if isinstance(node, ast.Constant) and node not in checked and not _is_data(script, node):
            yield from _check_literal(node, script.parents.get(node), known, sources)


def _reader_calls(script: AstScript) -> Iterator[ast.Call]:
    return (call for call in script.calls if script.origin(call) in _READERS)


def _check_reader(script: AstScript, call: ast.Call, sources: Sequence[Source]) -> Iterator[Finding]:
    origin = script.origin(call)
    if len(call.args) > 1 or any(keyword.arg not in _READER_KEYWORDS for keyword in call.keywords):
        allowed = ", ".join(sorted(_READER_KEYWORDS))
        yield finding_at(
            "reader_argument", call, f"{origin} takes only the path and these arguments, by name: {allowed}"
        )
    texts = _path_texts(argument(call, 0, "paths"))
    if not texts:
        message = (
            f"write the path of {origin} as one string literal, not a variable or expression: {_locations(sources)}"
        )
        yield finding_at("path_not_literal", call, message)
        return
    for text in texts:
        source = next((one for one in sources if _is_path_of(text, one)), None)
        if source is None:
            yield _foreign_path(call, text, sources)
        elif source.format != _READERS[origin]:
            yield finding_at(
                "wrong_reader", call, f"{source.name} is {source.format}; use ray.data.read_{source.format}"
            )


def _path_texts(node: ast.expr | None) -> list[str] | None:
    """Returns the literal path or paths; None if any of them is not a literal."""
    items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    texts = [text_of(item) for item in items]
    return None if None in texts else [text for text in texts if text is not None]


def _is_path_of(path: str, source: Source) -> bool:
    if path == source.location:
        return True
    if not isinstance(source, TableSource):
        return False
    if path == source.location.rstrip("/"):
        return True
    below = path.removeprefix(source.location) if path.startswith(source.location) else ".."
    return not re.search(r"[*?#%]|(^|/)\.\.?(/|$)", below)


def _check_literal(
    node: ast.Constant, parent: ast.AST | None, known: Sequence[str], sources: Sequence[Source]
) -> Iterator[Finding]:
    value = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
    if not isinstance(value, str):
        return
    text = value
    for name in known:
        text = text.replace(name, "")
    begins = not isinstance(parent, ast.JoinedStr) or parent.values[0] is node
    if _PLACEHOLDER.search(text) or _URL.search(text) or (begins and _FILE.match(text)):
        yield _foreign_path(node, value, sources)
    if (kind := find_credential(text)) is not None:
        yield finding_at("credential", node, f"this looks like {kind}; remove it, the cluster has its own credentials")
    if _FORMATTED_PRIVATE.search(text):
        yield finding_at("private_name", node, "do not format private attributes")
    if text == "runtime_env":
        yield finding_at("runtime_env", node, "remove runtime_env; Raylane sets the environment of the run")


def _foreign_path(node: ast.AST, text: str, sources: Sequence[Source]) -> Finding:
    rule, what = "foreign_path", "not the location of a source"
    if _PLACEHOLDER.search(text):
        rule, what = "placeholder", "a placeholder"
    return finding_at(rule, node, f"{quote(text)} is {what}; use exactly {_locations(sources)}")


def _is_data(script: AstScript, node: ast.Constant) -> bool:
    """Returns whether the literal is only compared with values in the data, so that it cannot be opened."""
    child: ast.AST = node
    for parent in script.ancestors(node):
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


def _suspicious_names(sources: Sequence[Source]) -> list[str]:
    """Returns the sources' locations, and column names that look like something forbidden, longest first."""
    names = {source.location for source in sources}
    for source in sources:
        for column in columns_of(source):
            patterns = (_URL.search, _FILE.match, _PLACEHOLDER.search, _FORMATTED_PRIVATE.search, find_credential)
            if column.name == "runtime_env" or any(find(column.name) for find in patterns):
                names.add(column.name)
    return sorted(names, key=len, reverse=True)


def _locations(sources: Sequence[Source]) -> str:
    shown = [repr(source.location) for source in sources[:_MAX_LISTED_SOURCES]]
    return (
        " or ".join(shown) + (" …" if len(sources) > _MAX_LISTED_SOURCES else "") or "none: the session has no source"
    )
