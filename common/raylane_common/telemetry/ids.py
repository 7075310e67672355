"""The ids of what the running task works on. Each line that it logs has them, also the lines of libraries."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NONE: Final[dict[str, str]] = {}
_bound: ContextVar[dict[str, str]] = ContextVar("raylane_ids", default=_NONE)


def bind(**ids: str | int | None) -> None:
    """Adds ids for the rest of the running task, and for the tasks that it starts. None is left out."""
    _bound.set(_bound.get() | _texts(ids))


@contextmanager
def bound(**ids: str | int | None) -> Iterator[None]:
    """Adds ids in the block, and for the tasks that it starts. None is left out."""
    token = _bound.set(_bound.get() | _texts(ids))
    try:
        yield
    finally:
        _bound.reset(token)


def bound_ids() -> Mapping[str, str]:
    """Returns the ids of the running task."""
    return _bound.get()


def _texts(ids: Mapping[str, str | int | None]) -> dict[str, str]:
    return {name: str(value) for name, value in ids.items() if value is not None}
