"""Checks where a script writes `dataclasses.field(...)`.

`dataclass` makes code from the names of fields and runs it. A script that gets hold of a field could change its name,
or read a class from its type. So a field stays between the body of its class and the decorator.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.annotations import Types
from raylane_worker.generation.checks.script import finding_at, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.generate import Finding
    from raylane_worker.generation.checks.bindings import Bindings
    from raylane_worker.generation.checks.script import AstScript

_PROBLEM: Final = (
    "write field(...) only in a class with the decorator @dataclass, as in 'name: type = field(default_factory=list)', "
    "and do not read the name in the body of the class"
)
# This type makes the decorator pass over a field, also as a text.
_PASSED_OVER: Final = "KW_ONLY"


def check_fields(script: AstScript, bindings: Bindings) -> Iterator[Finding]:
    """Yields a finding for each `dataclasses.field` that the script could get hold of."""
    types = Types(script, bindings)
    fields: dict[ast.AST, set[str]] = {node: set() for node in script.nodes if _is_data_class(script, node)}
    for node, origin in script.references.items():
        if origin != "dataclasses.field":
            continue
        call = script.parents.get(node)
        statement = script.parents.get(call) if isinstance(call, ast.Call) and call.func is node else None
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value) if value is call:
                owner = fields.get(script.parents[statement])
                if owner is not None and _is_seen(types, annotation):
                    owner.add(name)
                    continue
            case _:
                pass
        yield finding_at("dataclass_field", node, _PROBLEM)
    for node in script.nodes:
        if not isinstance(node, ast.Name) or isinstance(node.ctx, ast.Store):
            continue
        if node.id in fields.get(bindings.variables.scope_of(node), ()):
            yield finding_at("dataclass_field", node, _PROBLEM)


def _is_data_class(script: AstScript, node: ast.AST) -> bool:
    if not isinstance(node, ast.ClassDef):
        return False
    functions = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
    return any(script.references.get(function) == "dataclasses.dataclass" for function in functions)


def _is_seen(types: Types, annotation: ast.expr) -> bool:
    """Returns whether the decorator surely sees the field."""
    text = text_of(annotation)
    return types.is_plain(annotation) if text is None else _PASSED_OVER not in text
