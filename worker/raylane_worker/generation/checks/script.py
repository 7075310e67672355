"""The syntax tree of a script for the checks: its nodes, their parents, and where each name was imported from."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.secrets import find_credential, redact
from raylane_common.wire.generate import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Models write a few KiB. A longer script contains data, or the model repeated itself.
MAX_CODE_BYTES: Final = 64 * 1024
# Keeps every check fast and its recursion shallow. Ordinary scripts are far below it.
MAX_DEPTH: Final = 500
# The name of the encoding in one of the first two lines of a file, and where a line ends, as Python sees them.
_COOKIE: Final = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_BOM: Final = "\ufeff"
# The beginning of a literal is enough to find it in the script.
_MAX_QUOTED_CHARACTERS: Final = 200


@dataclass(frozen=True)
class AstScript:
    """A parsed script.

    `nodes` are all nodes, `parents` the enclosing node of each. `references` are the names and attributes that lead to
    something imported, with their full dotted names. `called` are the plain names that the script calls.
    """

    nodes: tuple[ast.AST, ...]
    parents: Mapping[ast.AST, ast.AST]
    references: Mapping[ast.AST, str]
    called: frozenset[str]

    @property
    def calls(self) -> Iterator[ast.Call]:
        """All calls."""
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def origin(self, call: ast.Call) -> str:
        """Returns the dotted name of the called function, such as `ray.data.read_csv`; empty if it was not imported."""
        return self.references.get(call.func, "")

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yields the enclosing nodes, from the inside out."""
        current = self.parents.get(node)
        while current is not None:
            yield current
            current = self.parents.get(current)

    def runs_on_driver(self, node: ast.AST) -> bool:
        """Returns whether the node runs in the driver rather than in a function that is passed to Ray."""
        for one in self.ancestors(node):
            if isinstance(one, ast.Lambda):
                return False
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name not in self.called:
                return False
        return True


def parse_script(code: str) -> AstScript | Finding:
    """Returns the parsed script, or a finding if it cannot be parsed. Executes nothing and raises nothing.

    The script is read as Python reads the file that holds it as UTF-8: with or without a byte order mark.
    """
    size = len(code.encode(errors="surrogatepass"))
    if size > MAX_CODE_BYTES:
        return Finding(rule="too_long", message=f"the script has {size} bytes; at most {MAX_CODE_BYTES} are allowed")
    code = code.removeprefix(_BOM)
    if (encoding := _encoding(code)) not in ("utf-8", "utf8"):
        message = f"the script says that it is encoded as {encoding!r}, but it is UTF-8; remove the comment"
        return Finding(rule="encoding", message=message)
    try:
        with warnings.catch_warnings():
            # An invalid escape in a string causes a warning, which is no reason to refuse the script.
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except SyntaxError as error:
        return Finding(rule="syntax", message=f"the script is not Python 3: {error.msg}", line=error.lineno)
    except ValueError as error:
        return Finding(rule="syntax", message=f"the script is not Python text: {error}")
    except (RecursionError, MemoryError):
        return _TOO_COMPLEX
    return _script(tree) or _TOO_COMPLEX


def _encoding(code: str) -> str:
    """Returns the encoding that the text names in a comment, in lower case; `utf-8` if it names none.

    `ast.parse` ignores the comment, but the interpreter obeys it: with `utf-7`, a comment may hold code.
    """
    for line in _LINE_END.split(code, maxsplit=2)[:2]:
        if match := _COOKIE.match(line):
            return match[1].lower().replace("_", "-")
    return "utf-8"


_TOO_COMPLEX: Final = Finding(
    rule="too_complex", message="the script is nested too deeply; write it with simple statements"
)


def _script(tree: ast.Module) -> AstScript | None:
    """Returns the script; None if it is nested too deeply."""
    parents: dict[ast.AST, ast.AST] = {}
    depths: dict[ast.AST, int] = {tree: 0}
    nodes = tuple(ast.walk(tree))
    for node in nodes:
        for child in ast.iter_child_nodes(node):
            parents[child], depths[child] = node, depths[node] + 1
    if max(depths.values()) > MAX_DEPTH:
        return None
    imports = dict(_imports(nodes))
    outermost = [
        node
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(parents.get(node), ast.Attribute)
    ]
    references: dict[ast.AST, str] = {}
    for node in outermost:
        if (origin := _origin(node, imports)) is not None:
            references[node] = origin
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return AstScript(nodes, parents, references, frozenset(called))


def _imports(nodes: tuple[ast.AST, ...]) -> Iterator[tuple[str, str]]:
    """Yields each imported name with its full name, such as `pa` with `pyarrow`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


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


def quote(text: str) -> str:
    """Returns a literal of the script for a message: shortened, and redacted if it seems to contain a credential."""
    text = text if find_credential(text) is None else redact(text)
    return repr(text if len(text) <= _MAX_QUOTED_CHARACTERS else f"{text[:_MAX_QUOTED_CHARACTERS]}…")


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
