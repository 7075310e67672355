"""Checks attributes against the allowed ones, wherever a script names one: `x.name`, `getattr`, patterns."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.allowed.arguments import CALLED_DIRECTLY
from raylane_worker.generation.checks.allowed.attributes import ATTRIBUTES
from raylane_worker.generation.checks.allowed.listing import listed
from raylane_worker.generation.checks.allowed.private_names import PRIVATE_NAMES
from raylane_worker.generation.checks.allowed.refused import REFUSED
from raylane_worker.generation.checks.script import quote
from raylane_worker.generation.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import Source
    from raylane_worker.generation.checks.script import AstScript

# Methods that a class may define, and call on `super()`. No library looks for one of them as a protocol
# (`__array_interface__`, `__reduce__`); none answers for other attributes (`__getattr__`) or runs without a call.
DEFINABLE_METHODS: Final = frozenset(
    f"__{name}__"
    for name in listed("""
    abs add and bool call ceil contains delitem enter eq exit float floor floordiv format ge getitem gt hash iadd init
    int invert isub imul iter le len lshift lt matmul missing mod mul ne neg next or pos post_init pow radd rand repr
    reversed rfloordiv rmod rmul ror round rpow rshift rsub rtruediv rxor setitem str sub truediv trunc xor
    """)
)
# Class variables that a class may set besides methods.
_DEFINABLE_VARIABLES: Final = DEFINABLE_METHODS | {"__slots__"}
_ALLOWED_PRIVATE_NAMES: Final = frozenset({"__doc__", "__name__", "_asdict", "_fields", "_make", "_replace"})
# These of Ray's settings replace them by any object, or do so if they are set.
_REPLACES_SETTINGS: Final = "current"
_SETTINGS_SET: Final = frozenset({"copy", "get_current"})
_SETTINGS: Final = ("ray.data.DataContext", "ray.data.context")
# A longer text is a document or data, and not the name of a column or field.
_MAX_NAME_TEXT: Final = 200
_WORD: Final = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Attributes:
    """The attributes that one script may use: those of `ATTRIBUTES`, and the names that the script itself gives.

    The script gives names to fields and methods of its classes, to columns, and as keywords (`df.assign(total=…)`).
    """

    script: AstScript
    sources: Sequence[Source]

    def problem_of(self, name: str) -> str | None:
        """Returns what is wrong with reading an attribute of any object; None if nothing is."""
        if (reason := REFUSED.get(name)) is not None:
            return f".{name} {reason.format(name=name)}"
        if name == _REPLACES_SETTINGS and self._has_settings:
            return f".{name} replaces the settings of Ray; set single ones, or use another name"
        if name in ATTRIBUTES or name in _ALLOWED_PRIVATE_NAMES:
            return None
        if name.startswith("_"):
            return f"the attribute {quote(name)} is private; do not use it"
        if name.startswith("write_"):
            return f".{name} may only be called directly"
        if name in self._own_names:
            return None
        return f"the attribute {quote(name)} may not be used; for a column or a key write x[{quote(name)}]"

    def problem_of_text(self, name: str) -> str | None:
        """Returns what is wrong with an attribute that a text or a pattern names; None if nothing is."""
        if name in CALLED_DIRECTLY or name in ("format", "format_map"):
            return f".{name} may only be called directly"
        return self.problem_of(name)

    def problem_at(self, node: ast.Attribute) -> str | None:
        """Returns what is wrong with reading or setting the attribute at this place; None if nothing is."""
        if node.attr in _SETTINGS_SET and self._has_settings and not isinstance(node.ctx, ast.Load):
            return f".{node.attr} of Ray's settings may not be set; use another name"
        parent = self.script.parents.get(node)
        if node.attr.startswith("write_") and isinstance(parent, ast.Call) and parent.func is node:
            return None  # which has a finding of its own
        return None if self._is_own_private(node) else self.problem_of(node.attr)

    def _is_own_private(self, node: ast.Attribute) -> bool:
        """Returns whether the attribute starts with an underscore and belongs to a class of the script.

        A method may be called with an object of a library for `self`, so its names must differ from the libraries' own.
        """
        name = node.attr
        match node.value:
            case ast.Call(func=ast.Name(id="super")):
                return name in DEFINABLE_METHODS
            case ast.Name():
                is_private = name.startswith("_") and not name.startswith("__") and name not in PRIVATE_NAMES
                return is_private and node in self._inside_classes
            case _:
                parent = self.script.parents.get(node)
                return name == "__class__" and isinstance(parent, ast.Attribute) and parent.attr == "__name__"

    @cached_property
    def _has_settings(self) -> bool:
        """Whether the script can get hold of Ray's settings, by their class or those of a dataset."""
        return any(origin.startswith(_SETTINGS) for origin in self.script.references.values()) or any(
            name == "context" for node in self.script.nodes for name in _attributes_read_by(node)
        )

    @cached_property
    def _inside_classes(self) -> frozenset[ast.AST]:
        """The nodes in the bodies of classes."""
        inside: set[ast.AST] = set()
        for node in self.script.nodes:
            parent = self.script.parents.get(node)
            if isinstance(parent, ast.ClassDef) or parent in inside:
                inside.add(node)
        return frozenset(inside)

    @cached_property
    def _fields(self) -> frozenset[str]:
        """The names that the bodies of the script's classes give."""
        return frozenset(
            name
            for node in self.script.nodes
            if isinstance(node, ast.ClassDef)
            for statement in node.body
            for name in _names_of_field(statement)
        )

    @cached_property
    def _own_names(self) -> frozenset[str]:
        """All names that the script or the sources give to fields, methods, columns and keywords."""
        names = {column.name for source in self.sources for column in columns_of(source)}
        for node in self.script.nodes:
            match node:
                case ast.Attribute(attr=name, ctx=ast.Store()):
                    names.add(name)
                case ast.keyword(arg=str(name)):
                    names.add(name)
                case ast.Constant(value=str(text)) if len(text) <= _MAX_NAME_TEXT:
                    names.update(_WORD.findall(text))
                case _:
                    pass
        return self._fields | names


def check_patterns(attributes: Attributes) -> Iterator[tuple[ast.AST, str, str]]:
    """Yields the attributes that `case Class(name=…)` may not read, with what is wrong."""
    for node in attributes.script.nodes:
        if isinstance(node, ast.MatchClass):
            for name in node.kwd_attrs:
                if (problem := attributes.problem_of_text(name)) is not None:
                    yield node, name, problem


def _attributes_read_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Attribute(attr=name):
            yield name
        case ast.Constant(value=str(text)):
            yield from text.split(".")
        case ast.MatchClass(kwd_attrs=names):
            yield from names
        case _:
            pass


def is_definable(name: str) -> bool:
    """Returns whether a class may give this name to a method or variable."""
    return not name.startswith("__") or name in _DEFINABLE_VARIABLES


def _names_of_field(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case _:
            pass
