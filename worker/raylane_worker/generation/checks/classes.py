"""Checks the bases and arguments of classes: some give a class behaviour that the checks cannot see."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import finding_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.generate import Finding
    from raylane_worker.generation.checks.script import AstScript
    from raylane_worker.generation.checks.variables import Variables

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
_BUILTIN_BASES: Final = frozenset({"dict", "float", "int", "list", "object", "str", "tuple"}) | {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}


def check_classes(script: AstScript, variables: Variables) -> Iterator[Finding]:
    """Yields a finding for each class whose base or arguments are not allowed, and each call that makes an enum."""
    classes = {node.name for node in script.nodes if isinstance(node, ast.ClassDef)}
    for node in script.nodes:
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                if not _may_be_base(script, variables, classes, base):
                    message = (
                        f"{ast.unparse(base)[:100]!r} may not be a base class; write a class or function without it"
                    )
                    yield finding_at("base_class", base, message)
                if script.references.get(base) in _ENUMS and not _has_members(node):
                    yield finding_at("base_class", node, "give the enum its members in its body: NAME = value")
            if any(keyword.arg != "total" for keyword in node.keywords):
                yield finding_at("base_class", node, "a class may have no arguments such as metaclass=; remove them")
    for reference, origin in script.references.items():
        if origin in _ENUMS and not isinstance(script.parents.get(reference), ast.ClassDef):
            message = f"{origin} may only be a base class, with the members in its body"
            yield finding_at("base_class", reference, message)


def _may_be_base(script: AstScript, variables: Variables, classes: set[str], base: ast.expr) -> bool:
    if isinstance(base, ast.Subscript):
        base = base.value
    if isinstance(base, ast.Call):
        return script.origin(base) == "collections.namedtuple"
    if (origin := script.references.get(base)) is not None:
        return origin in _ENUMS or origin.startswith(_BASES)
    if not isinstance(base, ast.Name):
        return False
    return base.id in classes if base.id in variables.bound else base.id in _BUILTIN_BASES


def _has_members(node: ast.ClassDef) -> bool:
    """Returns whether the body of an enum surely has a member. An empty enum could be called to make another one."""
    return any(
        isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and not statement.targets[0].id.startswith("_")
        and isinstance(statement.value, ast.Constant | ast.Tuple | ast.Call)
        for statement in node.body
    )
