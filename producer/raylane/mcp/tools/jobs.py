"""`list_jobs`: what a session has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from raylane.gateway.access.caller import Right
from raylane.mcp.results import JobLine, JobListing, JobsData
from raylane.mcp.tool import Arguments, Reply, SessionId, Tool
from raylane.mcp.untrusted import shown_text
from raylane_common.counting import counted

if TYPE_CHECKING:
    from raylane.mcp.call import Call

_DEFAULT: Final = 20
_MAX: Final = 200
_MAX_WHAT: Final = 200


class JobsArguments(Arguments):
    """Whose jobs to list."""

    session_id: SessionId
    limit: Annotated[int, Field(ge=1, le=_MAX, description="How many, from the newest")] = _DEFAULT


async def _list_jobs(call: Call, given: JobsArguments) -> Reply[JobListing]:
    session_id = call.session(given.session_id, Right.READ)
    found = await call.producer.operator.jobs(session_id=session_id, limit=given.limit)
    lines = [
        JobLine(
            job_id=job.id,
            kind=job.kind,
            status=job.status,
            what=shown_text(job.what, _MAX_WHAT),
            enqueued_at_ms=job.enqueued_at,
            error=None if job.error is None else job.error.code,
        )
        for job in found
    ]
    listing = JobListing(session_id=session_id, complete=found.complete, data=JobsData(jobs=lines))
    return Reply(f"{counted(len(lines), 'job')} of session {session_id}.", listing)


TOOLS: Final = (
    Tool(
        "list_jobs",
        "List the jobs of a session",
        "Lists the jobs of a session, the newest first: questions and uploads, with their state.",
        JobsArguments,
        JobListing,
        _list_jobs,
        reads=True,
    ),
)
