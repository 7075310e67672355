"""Asks a worker for something that a request waits for, but not for long: looks at the cluster, addresses on S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from fastapi import Query
from starlette.responses import Response

from raylane.gateway.enqueueing import Accepted, accepted, put
from raylane.gateway.openapi import Responses
from raylane.gateway.waiting import ended
from raylane.options import new_job
from raylane_common.errors import InternalError, RaylaneError, WaitTimeout
from raylane_common.wire.names import Priority

if TYPE_CHECKING:
    from starlette.requests import Request

    from raylane.gateway.context import Gateway
    from raylane_common.wire.kinds import Request as JobRequest
    from raylane_common.wire.kinds import Result

ResultT = TypeVar("ResultT", bound="Result")
LookWaitS = Annotated[
    float, Query(ge=0, le=3600, description="Seconds to wait for the worker; then the answer is 202 and names the job")
]
LOOK_S: Final = 10.0
"""How long a request waits that does not say it."""
NOT_YET: Final[Responses] = {
    202: {"model": Accepted, "description": "No worker has answered in time; `Location` is the job, whose result it is"}
}
# Nobody waits for a look of this age. Otherwise looks would pile up where no worker is.
_STALE_S: Final = 60.0


def look_expires_s(wait_s: float) -> float:
    """Returns after how many seconds a look expires for which a request waits `wait_s` seconds."""
    return max(_STALE_S, wait_s)


async def look(
    gateway: Gateway,
    request: Request,
    asked: JobRequest,
    wait_s: float,
    session_id: str | None = None,
    *,
    changes: bool = False,
) -> Response:
    """Returns what a worker finds, or 202 with the job if it has not ended in time. Raises the job's error.

    What `changes` something is done also if nobody waits for it.
    """
    expires_s = None if changes else look_expires_s(wait_s)
    job_id, found = await _ask(gateway, request, asked, wait_s, session_id, expires_s)
    return accepted(job_id) if found is None else Response(found.model_dump_json(), media_type="application/json")


async def signed(gateway: Gateway, request: Request, asked: JobRequest, result_type: type[ResultT]) -> ResultT:
    """Returns what a worker has signed. Raises the job's error, and `WaitTimeout` if no worker does it in time."""
    timeout_s = gateway.settings.uploads.start_timeout_s
    job_id, found = await _ask(gateway, request, asked, timeout_s, None, timeout_s)
    if found is None:
        problem = f"no worker has signed an address within {timeout_s:g} s; start a worker for the lane upload"
        raise WaitTimeout(problem, details={"job_id": job_id})
    if not isinstance(found, result_type):
        raise InternalError(f"job {job_id} returned a {type(found).__name__}", details={"job_id": job_id})
    return found


async def _ask(
    gateway: Gateway,
    request: Request,
    asked: JobRequest,
    wait_s: float,
    session_id: str | None,
    expires_s: float | None,
) -> tuple[str, Result | None]:
    """Returns the job's id, and its result if it has ended in time. Raises the job's error."""
    job = new_job(asked, session_id=session_id, priority=Priority.HIGH, expires_s=expires_s)
    job_id = await put(gateway, job, None)
    record = await ended(gateway, job_id, wait_s, request)
    if record is None:
        return job_id, None
    if record.error is not None:
        raise RaylaneError.from_info(record.error)
    if record.result is None:
        raise InternalError(f"job {job_id} has {record.status} without a result", details={"job_id": job_id})
    return job_id, record.result
