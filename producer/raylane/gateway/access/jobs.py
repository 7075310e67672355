"""The one check of who may do what with a job: by HTTP and by MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.gateway.access.caller import Caller, Right
from raylane_common.redis.queue.events import job_not_found

if TYPE_CHECKING:
    from raylane.producer import Producer
    from raylane_common.wire.jobs import JobRecord


async def job_of(producer: Producer, caller: Caller, right: Right, job_id: str) -> JobRecord:
    """Returns the record of a job in which the caller has the right.

    Raises `JobNotFound`, also if the caller may not read the job, so that nobody learns which ids exist; `Forbidden` if
    the caller may read it but does not have the right.
    """
    # Whoever may not read the record must not learn of it by the time that reading it takes.
    session_id = await producer.session_of(job_id)
    if not caller.may(Right.READ, session_id) and not caller.may(right, session_id):
        raise job_not_found(job_id)
    caller.require(right, session_id)
    return await producer.record(job_id)
