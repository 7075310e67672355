"""Checks that a script reads only the session's sources, by literal locations, and writes nothing."""

from __future__ import annotations

import ast
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from raylane_common.secrets import find_credential
from raylane_common.wire.generate import Finding
from raylane_worker.generation.checks.locations import MAX_LOCATION_CHARACTERS, Locations
from raylane_worker.generation.checks.script import AstScript, finding_at, quote
from raylane_worker.generation.reader import READERS, reader_of

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def check_paths(script: AstScript, locations: Locations) -> Iterator[Finding]:
    """Yields findings about readers and writers, and about literals that could do harm.

    A literal that nothing can open is only text, even if it looks like the location of a file.
    """
    for call in locations.reader_calls:
        yield from _check_reader(script.origin(call), call, locations)
    called = {call.func for call in locations.reader_calls}
    for node, origin in script.references.items():
        if node not in called and origin.startswith(tuple(READERS)):
            yield finding_at("reader_as_value", node, "call the reader directly, with the path as a literal")
    if not locations.reader_calls:
        yield Finding(rule="nothing_read", message=f"the script reads no source; read one of {locations.listed}")
    for call in script.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("write_"):
            message = f".{call.func.attr}() is not allowed; print the result instead"
            yield finding_at("write_not_allowed", call, message)
    for node in script.nodes:
        if isinstance(node, ast.Constant):
            yield from _check_literal(script, node, locations)


def _check_reader(origin: str, call: ast.Call, locations: Locations) -> Iterator[Finding]:
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
            is_placeholder = _PLACEHOLDER.search(text[:MAX_LOCATION_CHARACTERS]) is not None
            rule, what = ("placeholder", "a placeholder") if is_placeholder else _FOREIGN
            yield finding_at(rule, call, f"{quote(text)} is {what}; use exactly {locations.listed}")
        elif (reader := reader_of(source)) != origin:
            what = f"{quote(source.name)} is {source.format}; use {reader}"
            yield finding_at("wrong_reader", call, what)


_FOREIGN: Final = ("foreign_path", "not the location of a source")


def _check_literal(script: AstScript, node: ast.Constant, locations: Locations) -> Iterator[Finding]:
    text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
    if not isinstance(text, str) or not _is_suspicious(text) or _is_data(script, node):
        return
    # Data may be called anything.
    if text in locations.names:
        return
    quoted = (name for name in locations.names if name in text and _is_suspicious(name))
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
