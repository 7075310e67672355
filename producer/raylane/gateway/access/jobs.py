"""The one check of who may do what with a job and its runs: by HTTP and by MCP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane.gateway.access.caller import Caller, Right
from raylane_common.redis.queue.events import job_not_found

if TYPE_CHECKING:
    from raylane.producer import Producer
    from raylane_common.wire.jobs import JobRecord


# As `raylane_worker.runs.named` makes it.
_RUN_OF_JOB: Final = re.compile(r"rl-(?P<job_id>.+)-\d+(?:r\d+)?")


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


async def session_of_run(producer: Producer, caller: Caller, right: Right, submission_id: str) -> str | None:
    """Lets in who operates, and who has the right in the session of the run's job; returns that session for the latter.

    Raises `Forbidden`, and `JobNotFound` as for a job that does not exist.
    """
    found = _RUN_OF_JOB.fullmatch(submission_id)
    if found is None or caller.may(Right.OPERATE, None):
        caller.require(Right.OPERATE, None)
        return None
    return (await job_of(producer, caller, right, found["job_id"])).session_id
