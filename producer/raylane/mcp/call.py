"""What a tool is given: the producer, who calls, in which session, and how to tell what is going on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raylane.gateway.access.jobs import job_of
from raylane_common.errors import InvalidRequest
from raylane_common.redis.queue.events import job_not_found

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from raylane.gateway.access.audit import AuditTrail
    from raylane.gateway.access.caller import Caller, Right
    from raylane.producer import Producer
    from raylane_common.wire.jobs import JobRecord


@dataclass(frozen=True)
class Scope:
    """What one server serves.

    With a `session_id`, it serves this session alone, and no tool takes another one. `directories` are those from below
    which files may be uploaded; None if the server does not run where its client does. `wait_timeout_s` is the longest
    that a call waits for a job. Once `stopping` is set, no call waits any longer. The `audit`, if there is one, notes
    every call that may change something.
    """

    producer: Producer
    session_id: str | None = None
    directories: tuple[Path, ...] | None = None
    wait_timeout_s: float = 300.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    audit: AuditTrail | None = None


@dataclass(slots=True)
class About:
    """The job that a call turned out to be about, for the audit."""

    job_id: str | None = None


@dataclass(frozen=True)
class Call:
    """One call of a tool, or one reading of a resource. `tell` shows the caller what is going on."""

    scope: Scope
    caller: Caller
    tell: Callable[[str], Awaitable[None]]
    about: About = field(default_factory=About)

    @property
    def producer(self) -> Producer:
        """The producer of the server."""
        return self.scope.producer

    def session(self, session_id: str, *rights: Right) -> str:
        """Returns the session id if the caller has the rights in it. Raises `Forbidden`, `InvalidRequest`."""
        if self.scope.session_id not in (None, session_id):
            raise InvalidRequest.field("session_id", f"this server serves session {self.scope.session_id} alone")
        for right in rights:
            self.caller.require(right, session_id)
        return session_id

    async def job(self, right: Right, job_id: str) -> JobRecord:
        """Returns the record of a job in which the caller has the right. Raises `JobNotFound`, `Forbidden`."""
        self.about.job_id = self.about.job_id or job_id
        record = await job_of(self.producer, self.caller, right, job_id)
        if self.scope.session_id not in (None, record.session_id):
            raise job_not_found(job_id)
        return record
