"""The order of a session's uploads, and the error of an upload that comes too late."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

# The name of the order in an object's metadata.
_ORDER: Final = "raylane-order"
_WRITTEN: Final = re.compile(r"([0-9]{1,16})-([A-Za-z0-9_-]{1,64})")


class Order(NamedTuple):
    """The place of an upload among all uploads of a session, by when it was enqueued: epoch microseconds and job id."""

    enqueued_us: int
    job_id: str

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of every object that the upload writes."""
        return {_ORDER: f"{self.enqueued_us}-{self.job_id}"}

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Self | None:
        """Returns the order in an object's metadata; None if another program wrote the object."""
        found = _WRITTEN.fullmatch(metadata.get(_ORDER, ""))
        return cls(int(found[1]), found[2]) if found else None


class Superseded(Exception):
    """A newer upload has written the object."""

    def __init__(self, newer: Order) -> None:
        """`newer` is the order that the object has."""
        super().__init__(newer)
        self.newer = newer
