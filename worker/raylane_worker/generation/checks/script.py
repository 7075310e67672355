"""The syntax tree of a script for the checks: its nodes, their parents, and where each name was imported from.

See docs/decisions/0024.
"""

from __future__ import annotations

import ast
import re
import symtable
import threading
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from raylane_common.secrets import find_credential, redact_suspects
from raylane_common.wire.generate import Finding
from raylane_worker.generation.checks.formatted import line_of_new_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# The language of scripts, whichever Python verifies them: the checks know all of its syntax, and each cluster reads it.
# See docs/decisions/0057.
LANGUAGE: Final = (3, 11)
NOT_READABLE: Final = "the script is not Python 3.11"
# Models write a few KiB. A longer script contains data, or the model repeated itself.
MAX_CODE_BYTES: Final = 64 * 1024
# Parsing holds the interpreter's lock from its beginning to its end, so what it costs is bounded before: 60 ms for this
# many names, instead of 300 ms. The words and signs inside of texts count, too.
MAX_TOKENS: Final = 16_000
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
# Python joins the parts of an imported name one by one, so that one of 64 KiB takes 700 ms.
_MAX_DOTS: Final = 50
_DOTTED_NAME: Final = re.compile(r"\w+(?:[\s\\]*\.[\s\\]*\w+)*+")
# Keep every check fast and its recursion shallow. Ordinary scripts are far below them.
MAX_NODES: Final = 6_000
MAX_DEPTH: Final = 500
# Python refuses to write an integer of more than 14,000 bits as text, as a message would.
MAX_INTEGER_BITS: Final = 4096
# The name of the encoding in one of the first two lines of a file, and where a line ends, as Python sees them.
_COOKIE: Final = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_BOM: Final = "\ufeff"
# Python 3.11 counts the depth of a tree for all threads together: if another thread parses before the count is back at
# its start, `ast.parse` raises SystemError. The filters of warnings belong to all threads as well.
_PARSING: Final = threading.Lock()
# The time of the thread that verifies, not of the clock, so that a busy machine refuses nothing.
MAX_CPU_S: Final = 2.0
_NODES_BETWEEN_LOOKS: Final = 256
# The beginning of a literal is enough to find it in the script.
_MAX_QUOTED_CHARACTERS: Final = 200

Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class AstScript:
    """A parsed script.

    `nodes` are all nodes but operators and contexts, each after the one that encloses it; `calls` are the calls among
    them, and `parents` the enclosing nodes. `references` are the names and attributes that lead to something imported,
    with their full dotted names.
    """

    nodes: Sequence[ast.AST]
    calls: Sequence[ast.Call]
    parents: Mapping[ast.AST, ast.AST]
    references: Mapping[ast.AST, str]

    def origin(self, call: ast.Call) -> str:
        """Returns the dotted name of the called function, such as `ray.data.read_csv`; empty if it was not imported."""
        return self.references.get(call.func, "")

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yields the enclosing nodes, from the inside out."""
        current = self.parents.get(node)
        while current is not None:
            yield current
            current = self.parents.get(current)


class OutOfTime(Exception):
    """Raised by the iteration over a script's nodes when verification has taken too long."""


class _TimedNodes(tuple[Node, ...]):
    """Nodes of a script. Iterating over them raises `OutOfTime` when this thread has used its CPU time."""

    ends_at_s: float

    def __iter__(self) -> Iterator[Node]:
        for start in range(0, len(self), _NODES_BETWEEN_LOOKS):
            if time.thread_time() > self.ends_at_s:
                raise OutOfTime
            yield from self[start : start + _NODES_BETWEEN_LOOKS]


def _timed(nodes: Iterable[Node], ends_at_s: float) -> _TimedNodes[Node]:
    timed = _TimedNodes(nodes)
    timed.ends_at_s = ends_at_s
    return timed


def parse_script(code: str) -> AstScript | Finding:
    """Returns the parsed script, or a finding if it cannot be parsed. Executes nothing and raises nothing.

    The script is read as Python reads the file that holds it as UTF-8: with or without a byte order mark.
    """
    if (problem := _too_long(code)) is not None:
        return problem
    code = code.removeprefix(_BOM)
    if (encoding := _encoding(code)) not in ("utf-8", "utf8"):
        message = f"the script says that it is encoded as {encoding!r}, but it is UTF-8; remove the comment"
        return Finding(rule="encoding", message=message)
    try:
        with _PARSING, warnings.catch_warnings():
            # An invalid escape in a string causes a warning, which is no reason to refuse the script.
            warnings.simplefilter("ignore")
            tree = ast.parse(code, feature_version=LANGUAGE)
    except SyntaxError as error:
        return Finding(rule="syntax", message=f"{NOT_READABLE}: {error.msg}", line=error.lineno)
    except ValueError as error:
        return Finding(rule="syntax", message=f"the script is not Python text: {error}")
    except (RecursionError, MemoryError):
        return TOO_COMPLEX
    if (script := _script(tree)) is None:
        return TOO_COMPLEX
    if (problem := _scopes_problem(code)) is not None:
        return problem
    if (line := line_of_new_text(code, script.nodes)) is not None:
        return Finding(rule="syntax", message=_NEW_TEXT, line=line)
    return script


def _scopes_problem(code: str) -> Finding | None:
    """Returns the finding for names that Python refuses in their scope, such as a `global` after the name is used."""
    try:
        with _PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            symtable.symtable(code, "main.py", "exec")
    except SyntaxError as error:
        return Finding(rule="syntax", message=f"{NOT_READABLE}: {error.msg}", line=error.lineno)
    except (RecursionError, MemoryError):
        return TOO_COMPLEX
    return None


_NEW_TEXT: Final = (
    f"{NOT_READABLE}: an expression in an f-string has the quotes of the f-string, a backslash, a comment or a line "
    "break; assign its value to a variable first"
)


def _too_long(code: str) -> Finding | None:
    """Returns the finding for a script that would take long to parse."""
    size = len(code.encode(errors="surrogatepass"))
    if size > MAX_CODE_BYTES:
        return Finding(rule="too_long", message=f"the script has {size} bytes; at most {MAX_CODE_BYTES} are allowed")
    length = sum(1 for _ in _TOKEN.finditer(code))
    if length > MAX_TOKENS:
        message = f"the script has {length} words and signs; at most {MAX_TOKENS} are allowed"
        return Finding(rule="too_long", message=message)
    is_dotted = any(name.group().count(".") > _MAX_DOTS for name in _DOTTED_NAME.finditer(code))
    return TOO_COMPLEX if is_dotted else None


def _encoding(code: str) -> str:
    """Returns the encoding that the text names in a comment, in lower case; `utf-8` if it names none.

    `ast.parse` ignores the comment, but the interpreter obeys it: with `utf-7`, a comment may hold code.
    """
    for line in _LINE_END.split(code, maxsplit=2)[:2]:
        if match := _COOKIE.match(line):
            return match[1].lower().replace("_", "-")
    return "utf-8"


TOO_COMPLEX: Final = Finding(
    rule="too_complex",
    message="the script is nested too deeply, or has too many parts or a huge number; use fewer and simpler ones",
)


def _script(tree: ast.Module) -> AstScript | None:
    """Returns the script; None if it is nested too deeply, or has too many nodes or a huge number."""
    nodes: list[ast.AST] = [tree]
    parents: dict[ast.AST, ast.AST] = {}
    depths: dict[ast.AST, int] = {tree: 0}
    for node in nodes:
        if depths[node] > MAX_DEPTH or len(nodes) > MAX_NODES or _is_huge(node):
            return None
        for child in ast.iter_child_nodes(node):
            # Every place of the tree shares these.
            if not isinstance(child, _SHARED):
                parents[child], depths[child] = node, depths[node] + 1
                nodes.append(child)
    imports = dict(imports_in(nodes))
    outermost = [
        node
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(parents.get(node), ast.Attribute)
    ]
    references: dict[ast.AST, str] = {}
    for node in outermost:
        if (origin := _origin(node, imports)) is not None:
            references[node] = origin
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    ends_at_s = time.thread_time() + MAX_CPU_S
    return AstScript(
        nodes=_timed(nodes, ends_at_s),
        calls=_timed(calls, ends_at_s),
        parents=parents,
        references=references,
    )


def _is_huge(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value.bit_length() > MAX_INTEGER_BITS


_SHARED: Final = (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)


def imports_in(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yields each imported name with its full name, such as `pa` with `pyarrow`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = name_bound_by(alias)
                yield name, alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield name_bound_by(alias), f"{node.module}.{alias.name}"


def name_bound_by(alias: ast.alias) -> str:
    """Returns the name that a part of an import binds: `pa` for `pyarrow as pa`, `ray` for `ray.data`."""
    return alias.asname or alias.name.partition(".")[0]


def _origin(node: ast.AST, imports: Mapping[str, str]) -> str | None:
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in imports:
        return None
    return ".".join([imports[node.id], *reversed(attributes)])


def finding_at(rule: str, node: ast.AST, message: str) -> Finding:
    """Returns a finding on the line of the node."""
    return Finding(rule=rule, message=message, line=line_of(node))


def quote(text: str, most: int = _MAX_QUOTED_CHARACTERS) -> str:
    """Returns a literal of the script for a message: shortened, and redacted if it seems to contain a credential."""
    # Twice as long, so that no credential is cut where it could no longer be recognised.
    text = text[: 2 * most + 1]
    text = text if find_credential(text) is None else redact_suspects(text)
    return repr(text if len(text) <= most else f"{text[:most]}…")


def line_of(node: ast.AST) -> int | None:
    """Returns the line on which the node starts, from 1; None if it has none."""
    return getattr(node, "lineno", None)


def argument(call: ast.Call, position: int, *keywords: str) -> ast.expr | None:
    """Returns the argument at a position, from 0, or with one of the keywords; None if the call has neither."""
    if len(call.args) > position:
        return call.args[position]
    return next((one.value for one in call.keywords if one.arg in keywords), None)


def text_of(node: ast.AST | None) -> str | None:
    """Returns the value of a string literal; None for any other node."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def texts_of(node: ast.AST | None) -> list[ast.Constant]:
    """Returns the string literals of an argument: itself, or the items of a list or tuple."""
    items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    return [item for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
