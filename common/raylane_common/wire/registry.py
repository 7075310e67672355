"""Finds a kind of job by its name, and loads no other one. `wire.kinds` has all of them. See docs/decisions/0054."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from raylane_common.wire.base import Kind
from raylane_common.wire.names import JobKind

if TYPE_CHECKING:
    from raylane_common.wire.base import Payload
    from raylane_common.wire.names import Lane


def kind_of(name: JobKind) -> Kind:
    """Returns the entry of a kind, from the module that has its name."""
    entry = import_module(f"raylane_common.wire.{name}").KIND
    assert isinstance(entry, Kind)
    return entry


def lane_of(kind: JobKind) -> Lane:
    """Returns the lane that runs jobs of this kind."""
    return kind_of(kind).lane


def describe(kind: str, payload: Payload) -> str:
    """Returns a record's payload in a few words, for histories and lists; '' if a newer version added the kind."""
    return kind_of(JobKind(kind)).describe(payload) if kind in set(JobKind) else ""
