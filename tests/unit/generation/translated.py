"""Translates scripts of the corpora, which read with Ray's readers and print, into ones that use the kit.

The corpora were written before there was a kit. What a script computes, or attacks, stays as it is.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import imports_in
from raylane_worker.generation.checks.variables import names_bound_by

if TYPE_CHECKING:
    from collections.abc import Iterator

_READERS: Final = tuple(f"ray.data.{name}" for name in ("read_csv", "read_json", "read_parquet"))
# Options of Ray's readers that changed how a file is read, which is decided by its source now.
_OPTIONS: Final = frozenset(
    {
        "concurrency",
        "convert_options",
        "file_extensions",
        "override_num_blocks",
        "parse_options",
        "partitioning",
        "read_options",
    }
)
# From a line and a column, in bytes, to another column of this line: becomes the text.
_Edit = tuple[int, int, int, str]


def translated(code: str) -> str:
    """Returns the script with `read` instead of Ray's readers, and with an answer at its end.

    A script that is not Python stays as it is.
    """
    try:
        tree = ast.parse(code.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    bound = {name for node in ast.walk(tree) for name in names_bound_by(node)}
    read, answer = (f"{name}_of_kit" if name in bound else name for name in ("read", "answer"))
    lines = code.splitlines(keepends=True)
    for line, start, end, text in sorted(_edits(tree, read), reverse=True):
        encoded = lines[line - 1].encode()
        lines[line - 1] = (encoded[:start] + text.encode() + encoded[end:]).decode()
    imported = ", ".join(
        name if name == one else f"{name} as {one}" for name, one in (("answer", answer), ("read", read))
    )
    lines.insert(_lines_before_imports(tree), f"from raylane_run import {imported}\n")
    body = "".join(lines)
    return f"{body}{'' if body.endswith(chr(10)) else chr(10)}{answer}.value('translated', True)\n"


def _edits(tree: ast.Module, read: str) -> Iterator[_Edit]:
    imports = dict(imports_in(list(ast.walk(tree))))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name) or node.lineno != node.end_lineno:
            continue
        root, _, rest = ast.unparse(node).partition(".")
        if f"{imports.get(root)}.{rest}".rstrip(".") in _READERS:
            yield node.lineno, node.col_offset, node.end_col_offset or 0, read
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith(("read_csv", "read_parquet")):
            continue
        before: ast.expr = call.args[-1] if call.args else call.func
        for one in call.keywords:
            if one.arg in _OPTIONS and call.args and one.lineno == one.end_lineno == before.end_lineno:
                yield one.lineno, before.end_col_offset or 0, one.end_col_offset or 0, ""
            if one.arg == "columns" and call.args and call.lineno == call.end_lineno:
                # The reader chose the columns.
                yield one.lineno, before.end_col_offset or 0, one.end_col_offset or 0, ""
                end = call.end_col_offset or 0
                yield call.lineno, end, end, f".select_columns({ast.unparse(one.value)})"
            before = one.value


def _lines_before_imports(tree: ast.Module) -> int:
    """Returns after how many lines an import may stand: a docstring and imports from `__future__` come first."""
    line = 0
    for number, node in enumerate(tree.body):
        is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not is_docstring and not is_future:
            break
        line = node.end_lineno or 0
    return line


# Methods of a dataset that scripts call before `to_pandas()`, and what does the same with a frame.
_OF_FRAMES: Final = {
    "limit": ".head({})",
    "select_columns": "[{}]",
    "drop_columns": ".drop(columns={})",
    "to_pandas": "",
}


def local_variant(code: str) -> str | None:
    """Returns a translated script for the local engine, if it does everything with frames; else None."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    variant = _Variant()
    tree = ast.fix_missing_locations(variant.visit(tree))
    return None if variant.has_datasets or not variant.has_frames else _unparsed(tree)


def _unparsed(tree: ast.Module) -> str:
    """Returns the code of the tree. Unlike `ast.unparse` of newer versions, its f-strings are those of Python 3.11."""
    texts = _Texts()
    code = ast.unparse(texts.visit(tree))
    for name, text in texts.found.items():
        code = code.replace(name, text)
    return code


class _Texts(ast.NodeTransformer):
    """Takes the f-strings out of a tree, and leaves names. The quotes of each one are in none of its expressions."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Name:
        text = ast.unparse(node)
        if text.count("'") > 2 and text.startswith("f'") and '"' not in text:
            text = f'f"{text[2:-1]}"'
        name = f"joined_{len(self.found)}_"
        self.found[name] = text
        return ast.Name(name, ast.Load())


class _Variant(ast.NodeTransformer):
    """Makes frames of the datasets of a script, and removes the start of Ray.

    `has_datasets` says that a dataset is left, or something else of Ray.
    """

    def __init__(self) -> None:
        self.has_datasets = self.has_frames = False
        self._datasets: set[str] = set()

    def visit_Import(self, node: ast.Import) -> ast.Import | None:
        node.names = [alias for alias in node.names if alias.name != "ray"]
        return node if node.names else None

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if ast.unparse(node).startswith("ray.init(") else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) and _is_read(node.value):
            self._datasets.add(node.targets[0].id)
            return node
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        self.has_datasets |= node.id in ("ray", *self._datasets)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        frame = self._frame_of(node)
        if frame is None:
            self.has_datasets |= _is_read(node)
            return self.generic_visit(node)
        self.has_frames = True
        return frame

    def _frame_of(self, node: ast.Call) -> ast.expr | None:
        """Returns the frame that a chain of methods makes of a dataset; None if it makes none."""
        calls: list[ast.Call] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            if inner.func.attr not in _OF_FRAMES or inner.keywords or len(inner.args) > 1:
                return None
            calls.append(inner)
            inner = inner.func.value
        is_dataset = _is_read(inner) or (isinstance(inner, ast.Name) and inner.id in self._datasets)
        if not is_dataset or not calls or getattr(calls[0].func, "attr", "") != "to_pandas":
            return None
        text = ast.unparse(inner)
        for call in reversed(calls):
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            given = ast.unparse(call.args[0]) if call.args else ""
            text += _OF_FRAMES["limit" if method == "to_pandas" and given else method].format(given)
        return ast.parse(text, mode="eval").body


def _is_read(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("read")
