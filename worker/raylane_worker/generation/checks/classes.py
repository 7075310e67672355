"""Checks the bases and arguments of classes: some give a class behaviour that the checks cannot see."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.allowed.exceptions import EXCEPTIONS
from raylane_worker.generation.checks.script import finding_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.generate import Finding
    from raylane_worker.generation.checks.bindings import Bindings
    from raylane_worker.generation.checks.script import AstScript

_ENUMS: Final = frozenset({"enum.Enum", "enum.Flag", "enum.IntEnum", "enum.IntFlag", "enum.StrEnum"})
_BASES: Final = (
    "abc.ABC",
    "collections.UserDict",
    "collections.UserList",
    "json.JSONEncoder",
    "ray.data.aggregate.AggregateFn",
    "ray.data.aggregate.VectorizedAggregateFnV2",
    "ray.exceptions.",
    "typing.Generic",
    "typing.NamedTuple",
    "typing.Protocol",
    "typing.TypedDict",
)
_BUILTIN_BASES: Final = frozenset({"dict", "float", "int", "list", "object", "str", "tuple"}) | EXCEPTIONS

# What gives a class a module, a reader or a protocol by a name that is no assignment.
_HIDDEN_BINDINGS: Final = (ast.ExceptHandler, ast.Import, ast.ImportFrom, ast.Match)


def check_classes(script: AstScript, bindings: Bindings) -> Iterator[Finding]:
    """Yields a finding for each class whose base or arguments are not allowed, and each call that makes an enum."""
    for node in script.nodes:
        if isinstance(node, _HIDDEN_BINDINGS) and isinstance(bindings.variables.scope_of(node), ast.ClassDef):
            message = "the body of a class may only hold assignments and methods; move this in front of the class"
            yield finding_at("class_body", node, message)
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                if not _may_be_base(script, bindings, base):
                    message = (
                        f"{ast.unparse(base)[:100]!r} may not be a base class; write a class or function without it"
                    )
                    yield finding_at("base_class", base, message)
                if script.references.get(base) in _ENUMS and not _has_members(script, node):
                    yield finding_at("base_class", node, "give the enum its members in its body: NAME = value")
            if any(keyword.arg != "total" for keyword in node.keywords):
                yield finding_at("base_class", node, "a class may have no arguments such as metaclass=; remove them")
    for reference, origin in script.references.items():
        if origin in _ENUMS and not isinstance(script.parents.get(reference), ast.ClassDef):
            message = f"{origin} may only be a base class, with the members in its body"
            yield finding_at("base_class", reference, message)


def _may_be_base(script: AstScript, bindings: Bindings, base: ast.expr) -> bool:
    if isinstance(base, ast.Subscript):
        base = base.value
    if isinstance(base, ast.Call):
        return script.origin(base) == "collections.namedtuple"
    if (origin := script.references.get(base)) is not None:
        return origin in _ENUMS or origin.startswith(_BASES)
    if not isinstance(base, ast.Name):
        return False
    if base.id not in bindings.variables.bound:
        return base.id in _BUILTIN_BASES
    return all(isinstance(one.value, ast.ClassDef) for one in bindings.of(base.id))


def _has_members(script: AstScript, node: ast.ClassDef) -> bool:
    """Returns whether the body of an enum surely has a member. An empty enum could be called to make another one.

    A property, or a name in `_ignore_`, is no member.
    """
    names = {
        statement.targets[0].id: statement.value
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    return "_ignore_" not in names and any(
        not name.startswith("_") and (isinstance(value, ast.Constant | ast.Tuple) or _is_auto(script, value))
        for name, value in names.items()
    )


def _is_auto(script: AstScript, value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and script.origin(value) == "enum.auto"
