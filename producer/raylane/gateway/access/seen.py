"""Remembers what a request turned out to be about, for the audit."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True)
class Seen:
    """What the checks of one request have seen."""

    session_id: str | None = None
    job_id: str | None = None


SEEN: Final[ContextVar[Seen | None]] = ContextVar("raylane_seen", default=None)
"""What is seen of the request that this task serves; None outside of requests."""


def note_session(session_id: str) -> None:
    """Remembers the first session in which the request needs a right."""
    seen = SEEN.get()
    if seen is not None and seen.session_id is None:
        seen.session_id = session_id


def note_job(job_id: str) -> None:
    """Remembers the job that the request has made, for answers whose headers do not name it."""
    seen = SEEN.get()
    if seen is not None:
        seen.job_id = job_id
