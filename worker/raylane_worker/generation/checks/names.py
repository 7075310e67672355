"""Checks imports, names and attributes against the allowed ones; see the package `allowed`."""

from __future__ import annotations

import ast
import builtins
import re
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import Engine
from raylane_worker.generation.checks.allowed.exceptions import EXCEPTIONS
from raylane_worker.generation.checks.allowed.kit_names import OBJECTS
from raylane_worker.generation.checks.allowed.listing import listed
from raylane_worker.generation.checks.allowed.modules import MODULES, NAMES, is_of_ray, modules_of
from raylane_worker.generation.checks.attributes import DEFINABLE_METHODS, Attributes, check_patterns, is_definable
from raylane_worker.generation.checks.calls import check_calls
from raylane_worker.generation.checks.other_readers import instead_of_module, is_other_reader
from raylane_worker.generation.checks.script import AstScript, finding_at, name_bound_by, quote
from raylane_worker.generation.checks.variables import names_bound_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.generate import Finding
    from raylane_common.wire.sources import Source
    from raylane_worker.generation.checks.variables import Variables


def importable(engine: Engine) -> str:
    """Returns the modules that code for this engine may import, as a list for people and models."""
    return ", ".join(sorted(modules_of(engine)))


_ALLOWED_BUILTINS: Final = EXCEPTIONS | listed(
    """
    Ellipsis False None NotImplemented True __name__ abs all any ascii bin bool bytearray bytes callable chr classmethod
    complex dict divmod enumerate filter float format frozenset hasattr hash hex id int isinstance issubclass iter len
    list map max min next object oct ord pow print property range repr reversed round set slice sorted staticmethod str
    sum super tuple zip
    """
)
# All that Python or its interactive mode defines, also in the versions of the cluster's nodes.
_BUILTINS: Final = frozenset(vars(builtins)) | listed("copyright credits exit help license quit") | _ALLOWED_BUILTINS
# numpy and pyarrow look for these on any object, also on a row or a frame that has such a label.
_PROTOCOL: Final = re.compile("__(array|arrow|cuda_array|dlpack)_")
_RUNS_WITHOUT_RAY: Final = (
    "this script runs with pandas in one process, without Ray: remove everything of Ray, since read() gives a DataFrame"
)
_READ_AND_ANSWER: Final = (
    'read a source with read("its location") from raylane_run, and give a file with answer.file(data, "name.csv")'
)
_INSTEAD_OF: Final = {
    "dir": "name the columns or fields",
    "exit": "let the script end, or raise an exception",
    "getattr": "write x.name, or x[name] for a column",
    "input": "write the value into the script",
    "open": _READ_AND_ANSWER,
    "quit": "let the script end, or raise an exception",
    "setattr": "write x.name = value",
    "type": "use isinstance(x, …), type(x).__name__, or print(type(x))",
    "vars": "name the fields",
}


def check_names(
    script: AstScript, variables: Variables, sources: Sequence[Source], engine: Engine
) -> Iterator[Finding]:
    """Yields a finding for each import, name, attribute and call that is not allowed.

    `script` has the references of `variables`. `sources` are those that it reads; their columns may be used as
    attributes.
    """
    attributes = Attributes(script, sources)
    for unclear in variables.unclear():
        yield finding_at("name_bound_twice", unclear, "this name is imported as well; use two names")
    if engine is Engine.LOCAL:
        yield from _check_engine(script)
    yield from _check_imports(script, variables, engine)
    checked_by_module: set[ast.AST] = set()
    for node, origin in script.references.items():
        if is_other_reader(origin) or (engine is Engine.LOCAL and is_of_ray(origin)):
            checked_by_module.update(_attributes_of(node))  # there is a finding already
            continue
        yield from _check_reference(variables, node, origin, checked_by_module)
    for node in script.nodes:
        match node:
            case ast.Name():
                yield from _check_name(script, variables, node)
            case ast.Attribute() if node not in checked_by_module:
                if (problem := attributes.problem_at(node)) is not None:
                    yield finding_at(_rule_of(node.attr), node, problem)
            case ast.Constant(value=str(text)) if _PROTOCOL.search(text):
                message = "this name makes libraries read memory by address; use another name"
                yield finding_at("private_name", node, message)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if node.name.startswith("__") and node.name not in DEFINABLE_METHODS:
                    yield finding_at(
                        "dunder", node, f"do not define {quote(node.name)}; use a name without underscores"
                    )
            case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)) if name.startswith("__"):
                yield _dunder(node, name)
            case _:
                yield from (_dunder(node, name) for name in names_bound_by(node) if name.startswith("__"))
    for pattern, name, problem in check_patterns(attributes):
        yield finding_at(_rule_of(name), pattern, problem)
    yield from check_calls(script, variables, attributes)


def _rule_of(attribute: str) -> str:
    return "private_name" if attribute.startswith("_") else "method_not_allowed"


def _check_engine(script: AstScript) -> Iterator[Finding]:
    """Finds the first use of Ray in a script for one process; the others need no finding of their own."""
    for node in script.nodes:
        modules = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if any(map(is_of_ray, modules)):
            yield finding_at("engine", node, _RUNS_WITHOUT_RAY)
            return


def _check_imports(script: AstScript, variables: Variables, engine: Engine) -> Iterator[Finding]:
    modules = modules_of(engine)
    for node in script.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name not in modules and not (engine is Engine.LOCAL and is_of_ray(alias.name)):
                    yield _not_importable(node, alias.name, engine)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if engine is Engine.LOCAL and is_of_ray(module):
                continue
            if module not in modules:
                yield _not_importable(node, module, engine)
                continue
            for alias in node.names:
                name = f"{module}.{alias.name}"
                if alias.name not in MODULES[module] and not is_other_reader(name):
                    yield finding_at("name_not_allowed", node, f"{quote(name)} may not be used")
        else:
            continue
        for alias in node.names:
            name = name_bound_by(alias)
            if not _may_share_a_name(variables.imported[name]):
                message = f"{quote(name)} is imported twice as different things; use two names"
                yield finding_at("name_bound_twice", node, message)


def _not_importable(node: ast.stmt, module: str, engine: Engine) -> Finding:
    if module.startswith("raylane_run."):
        message = f"{quote(module)} cannot be imported; use only 'from raylane_run import answer, read, require_text'"
    else:
        others = f"use only {importable(engine)}"
        message = f"module {quote(module)} cannot be imported{instead_of_module(module)}; {others}"
    return finding_at("import_not_allowed", node, message)


def _may_share_a_name(origins: set[str]) -> bool:
    """Returns whether one name may be imported as all of these, such as `datetime` and `datetime.datetime`."""
    shortest = min(origins, key=len)
    return origins <= {shortest, f"{shortest}.{shortest}"}


def _check_reference(
    variables: Variables, node: ast.AST, origin: str, checked_by_module: set[ast.AST]
) -> Iterator[Finding]:
    """Checks a name that leads to an import, and notes the attributes that the list of a module allows."""
    chain = _attributes_of(node)
    root = node if not chain else chain[0].value
    if not isinstance(root, ast.Name):
        return
    written = [attribute.attr for attribute in chain]
    problems = [_problem_of(one.split("."), written) for one in variables.imported.get(root.id, {origin})]
    problem, allowed = min(problems, key=lambda one: (one[0] is not None, -one[1]))
    checked_by_module.update(chain[:allowed])
    if problem is not None:
        yield finding_at("name_not_allowed", node, problem)
        checked_by_module.update(chain)
    elif chain and not isinstance(chain[-1].ctx, ast.Load) and not origin.startswith("pandas.options.display."):
        yield finding_at("name_not_allowed", node, f"{quote(origin)} may not be changed; use a variable")


def _dunder(node: ast.AST, name: str) -> Finding:
    return finding_at("dunder", node, f"{quote(name)} is not allowed; use a name without underscores")


def _attributes_of(node: ast.AST) -> list[ast.Attribute]:
    """Returns the attributes of a dotted name, the innermost first."""
    chain: list[ast.Attribute] = []
    while isinstance(node, ast.Attribute):
        chain.append(node)
        node = node.value
    return chain[::-1]


def _problem_of(origin: list[str], written: list[str]) -> tuple[str | None, int]:
    """Returns what is wrong with `written` attributes of an imported name, and how many of them its module allows."""
    parts = [*origin, *written]
    length = next((size for size in range(len(parts), 0, -1) if ".".join(parts[:size]) in NAMES), 0)
    module = ".".join(parts[:length])
    if length == 0:
        return None, len(written)
    if length == len(parts):
        if module in OBJECTS:
            names = " or ".join(f".{name}(…)" for name in sorted(OBJECTS[module]))
            return f"{module.rpartition('.')[2]} may not be used as a value; call one of its functions: {names}", 0
        return f"the module {module!r} is used as a value; write '{module}.name'", 0
    if parts[length] not in NAMES[module]:
        return f"{quote(f'{module}.{parts[length]}')} may not be used", 0
    return None, max(0, length + 1 - len(origin))


def _check_name(script: AstScript, variables: Variables, node: ast.Name) -> Iterator[Finding]:
    name = node.id
    if name.startswith("__") and not (name == "__name__" and isinstance(node.ctx, ast.Load)):
        if not (isinstance(node.ctx, ast.Store) and is_definable(name)):
            yield _dunder(node, name)
        return
    if not isinstance(node.ctx, ast.Load) or name in _ALLOWED_BUILTINS:
        return
    if name not in _BUILTINS:
        if name not in variables.bound and name not in variables.imported:
            is_of_kit = name in MODULES["raylane_run"]
            how = f"write 'from raylane_run import {name}'" if is_of_kit else "import it, or assign it first"
            yield finding_at("undefined_name", node, f"{quote(name)} is not defined; {how}")
    elif not variables.is_own(node) and not (name in ("getattr", "type") and _is_allowed_use(script, variables, node)):
        instead = _INSTEAD_OF.get(name, "the script may only use Ray Data")
        yield finding_at("builtin_not_allowed", node, f"{name}() is not allowed; {instead}")


def _is_allowed_use(script: AstScript, variables: Variables, node: ast.Name) -> bool:
    """Returns whether this use of `getattr` or `type` is one of the harmless ones.

    `type` with three arguments makes a class from text, and `type(x)` of a class is `type` itself, so what it returns
    may only be named, printed or compared. `getattr` may only read an attribute that is written in the script.
    """
    call = script.parents.get(node)
    if not isinstance(call, ast.Call):
        return False
    if call.func is not node:
        # isinstance(x, type)
        return variables.is_builtin(call.func, "isinstance") and call.args[1:] == [node]
    if call.keywords or any(isinstance(one, ast.Starred) for one in call.args):
        return False
    if node.id == "getattr":
        return len(call.args) in (2, 3) and isinstance(call.args[1], ast.Constant)
    if len(call.args) != 1:
        return False
    match script.parents.get(call):
        case ast.Attribute(attr="__name__") | ast.FormattedValue():
            return True
        case ast.Compare(left=left, comparators=others):
            # Anything else on the other side could be an object whose `__eq__` gets the type.
            return all(one is call or _is_named_type(script, variables, one) for one in (left, *others))
        case ast.Call(func=function):
            return any(variables.is_builtin(function, name) for name in ("print", "repr", "str"))
        case _:
            return False


def _is_named_type(script: AstScript, variables: Variables, node: ast.expr) -> bool:
    match node:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return all(_is_named_type(script, variables, item) for item in items)
        case ast.Call(func=ast.Name(id="type")):
            return True
        case ast.Name(id=name):
            return name not in variables.bound
        case _:
            return node in script.references
