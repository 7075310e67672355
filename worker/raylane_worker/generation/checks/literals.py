"""Checks literals of a script that could do harm although nothing opens them: credentials, and private names.

A literal that looks like the location of a file is only text: nothing but `read` opens files, which is checked.
"""

from __future__ import annotations

import ast
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from raylane_common.secrets import find_credential
from raylane_worker.generation.checks.script import AstScript, finding_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.generate import Finding
    from raylane_worker.generation.checks.locations import Locations

_FORMATTED_PRIVATE: Final = re.compile(r"\{[^{}]*[.\[]_")
# Methods and functions that compare their arguments with the data.
_TEXT_PREDICATES: Final = frozenset(
    {"contains", "ends_with", "endswith", "is_in", "isin", "not_in", "startswith", "starts_with"}
)
_DATA_FUNCTIONS: Final = ("pyarrow.compute.", "ray.data.expressions.lit")
# Lists of values are not nested in practice.
_MAX_LISTS: Final = 3


def check_literals(script: AstScript, locations: Locations) -> Iterator[Finding]:
    """Yields findings about literals that are neither a location, nor the name of a column, nor data."""
    for node in script.nodes:
        if isinstance(node, ast.Constant):
            yield from _check_literal(script, node, locations)


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
