"""Writes `raylane.sync` from the asynchronous modules: the same methods, signatures and docstrings, without `await`.

Run as `python docs/generate_sync.py`; `tests/unit/sync/test_twins.py` fails when the result is not what is checked in.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1] / "producer" / "raylane"
_RUFF: Final = Path(sys.executable).with_name("ruff")
# These names mean something else in the generated modules.
_OTHER_IMPORTS: Final = {
    "AsyncIterator": "from collections.abc import Iterator",
    "Data": "from raylane.sync.calls import Data",
    "JobHandle": "from raylane.sync.handle import JobHandle",
}
# The bodies of methods that are not plain calls.
_BODIES: Final = {
    "follow": "return self._events(lambda after: {call}, after)",
    "download": "call = Call(self._use)\nreturn call.run(lambda: {call})",
    "job": (
        "if result_type is None:\n"
        "    return JobHandle(self._call(self._async.job, job_id), self._use)\n"
        "return JobHandle(self._call(lambda: {call}), self._use)"
    ),
    "reset": (
        "if purge:\n"
        "    return JobHandle(self._call(lambda: self._async.reset(session_id, purge=True)), self._use)\n"
        "return self._call(lambda: self._async.reset(session_id))"
    ),
}


@dataclass(frozen=True)
class Twin:
    """One generated module: the methods of the class `name`, which wait for those of an asynchronous object.

    The class inherits from `base`, and has the methods that are written by hand. `imports` are those of the base.
    """

    source: str
    name: str
    base: str
    imports: str

    @property
    def module(self) -> str:
        """The name of the asynchronous module."""
        return f"raylane.{self.source.removesuffix('.py')}"

    @property
    def target(self) -> Path:
        """The generated file."""
        return ROOT / "sync" / self.source


def _actions(source: str, name: str, of: str = "") -> Twin:
    module, asynchronous = of.rpartition(".")[::2] if of else (f"raylane.{source.removesuffix('.py')}", name)
    imports = f"from raylane.sync.twin import Twin\nfrom {module} import {asynchronous} as Async{asynchronous}"
    return Twin(source, name, f"Twin[Async{asynchronous}]", imports)


TWINS: Final = (
    Twin("handle.py", "JobHandle", "HandleTwin[ResultT_co]", "from raylane.sync.twin import HandleTwin"),
    _actions("tables.py", "TableActions"),
    _actions("cluster.py", "ClusterActions"),
    _actions("operator.py", "OperatorActions"),
    _actions("settings.py", "SettingsActions"),
    _actions("job_actions.py", "JobActions", "raylane.producer.Producer"),
    Twin("producer.py", "Producer", "OpenProducer", "from raylane.sync.opening import OpenProducer"),
)


def modules() -> dict[Path, str]:
    """Returns every generated module with its text."""
    return {twin.target: _module(twin) for twin in TWINS}


def _module(twin: Twin) -> str:
    tree = ast.parse((ROOT / twin.source).read_text(encoding="utf-8"))
    source = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == twin.name)
    heading, about = ast.get_docstring(tree), ast.get_docstring(source)
    assert heading is not None
    assert about is not None
    # Parsed, because the fields of a definition differ by the version of Python.
    (new,) = ast.parse(f"class {twin.name}({twin.base}): ...").body
    assert isinstance(new, ast.ClassDef)
    new.body = [ast.Expr(ast.Constant(_indented(_blocking(about), 4))), *_members(source)]
    text = ast.unparse(ast.fix_missing_locations(ast.Module([new], [])))
    variables = _type_variables(tree, text)
    used = set(re.findall(r"\b[A-Za-z_]\w*\b", text + variables))
    lines = [
        f'"""{_blocking(heading)}\n\nWritten by docs/generate_sync.py from {twin.source}.\n"""',
        "from __future__ import annotations",
        twin.imports,
        "from raylane.sync.calls import Call",
        *_imports(tree, used, twin),
        variables,
        text,
    ]
    return _formatted("\n".join(lines) + "\n", twin.target)


def _is_part(member: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Returns whether it is a part of the producer, such as `tables`. The base class has the blocking ones."""
    return any(isinstance(each, ast.Name) and each.id == "cached_property" for each in member.decorator_list)


def _members(source: ast.ClassDef) -> Iterator[ast.stmt]:
    for member in source.body:
        if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) or member.name.startswith("_"):
            continue
        if member.name == "aclose" or _is_part(member):
            continue
        documented = ast.get_docstring(member)
        # Overloads have no docstring.
        body: list[ast.stmt] = [ast.Expr(ast.Constant(...))]
        if documented is not None:
            body = [ast.Expr(ast.Constant(_indented(_blocking(documented), 8))), *_body(member)]
        (method,) = ast.parse(f"def {member.name}(): ...").body
        assert isinstance(method, ast.FunctionDef)
        method.args, method.body, method.decorator_list = member.args, body, member.decorator_list
        method.returns = member.returns and _sync_type(member.returns)
        yield method


def _body(member: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    target, arguments = f"self._async.{member.name}", _arguments(member.args)
    if member.name in _BODIES:
        return ast.parse(_BODIES[member.name].format(call=f"{target}({', '.join(arguments)})")).body
    is_of_caller = any("call." in argument for argument in arguments)
    run = "call.run" if is_of_caller else "self._call"
    call = f"{run}({', '.join([target, *arguments])})"
    returned = ast.unparse(member.returns) if member.returns else ""
    if returned.startswith("JobHandle["):
        call = f"JobHandle({call}, self._use)"
    begin = "call = Call(self._use)\n" if is_of_caller else ""
    return ast.parse(f"{begin}{'' if returned == 'None' else 'return '}{call}").body


def _arguments(found: ast.arguments) -> list[str]:
    """Returns how the method passes its own arguments on."""
    listed = [_passed_on(each) for each in found.args[1:]]
    listed += [f"{each.arg}={_passed_on(each)}" for each in found.kwonlyargs]
    return [*listed, f"**{found.kwarg.arg}"] if found.kwarg is not None else listed


def _passed_on(argument: ast.arg) -> str:
    is_data = argument.annotation is not None and ast.unparse(argument.annotation) == "Data"
    return "call.pieces(data)" if is_data else "call.latest(progress)" if argument.arg == "progress" else argument.arg


def _sync_type(annotation: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(annotation).replace("AsyncIterator[", "Iterator["), mode="eval").body


def _blocking(text: str) -> str:
    """Returns a text with examples as it reads for the blocking twin."""
    # Brackets around `await` are not needed without it, unless they are those of a call.
    while found := re.search(r"(?<!\w)\(await ", text):
        end, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[: found.start()] + text[found.end() : end - 1] + text[end:]
    text = text.replace("await ", "").replace("async for ", "for ").replace("async with ", "with ")
    return text.replace("an async iterator", "an iterator")


def _indented(text: str, columns: int) -> str:
    first, *rest = text.splitlines()
    return "\n".join([first, *(f"{' ' * columns}{line}".rstrip() for line in rest), " " * columns]) if rest else first


def _imports(tree: ast.Module, used: set[str], twin: Twin) -> Iterator[str]:
    """Yields the imports of the names that the generated class uses, and of those that its source module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {ast.unparse(alias)}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            for alias in node.names:
                if alias.name in _OTHER_IMPORTS:
                    yield _OTHER_IMPORTS[alias.name]
                elif alias.name in used:
                    yield f"from {node.module} import {alias.name}"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in used and node.name != twin.name:
            yield f"from {twin.module} import {node.name}"


def _type_variables(tree: ast.Module, text: str) -> str:
    """Returns the definitions of the type variables that the class uses."""
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    definitions = [ast.unparse(node) for node in assigned if ast.unparse(node.targets[0]) in text]
    return "\n".join(definition for definition in definitions if "TypeVar(" in definition)


def _formatted(text: str, path: Path) -> str:
    """Returns the module as the linter wants it: imports sorted, those for types alone apart, unused ones removed."""
    check = ("check", "--fix", "--unsafe-fixes", "--quiet", "--select", "I,F401,F811,TC")
    for command in (check, ("format", "--quiet")):
        program = [_RUFF, *command, "--stdin-filename", path, "-"]
        text = subprocess.run(program, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603  # ours
    return text


if __name__ == "__main__":
    for path, text in modules().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
