"""Jobs: enqueue, read, cancel and repeat them: `/v1/jobs`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.enqueueing import Accepted, IdempotencyKey, accepted, enqueue, in_words_of_the_caller, job_id_for
from raylane.gateway.job_bodies import EnqueueJob
from raylane.gateway.openapi import problems
from raylane.gateway.told import told_of_job
from raylane.gateway.waiting import WaitS, ended
from raylane_common.rules import JobId
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import Attempt, JobRecord, JobStatus

router: APIRouter = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class Cancelled(BaseModel):
    """A job whose end was asked for. It is `running` while its worker stops it, and its run on Ray."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    id: str
    status: JobStatus


class Attempts(BaseModel):
    """The attempts of a job that did not succeed, oldest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    attempts: tuple[Attempt, ...]


@router.post(
    "", status_code=202, response_model=Accepted, responses=problems(404, 409, 415), summary="Enqueue a job of any kind"
)
async def enqueue_job(
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[EnqueueJob, Depends(JsonBody(EnqueueJob))],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Enqueues a job. `Location` is its record, and `…/events` tells what happens to it.

    It needs the right `ask` in the session; actions on the cluster need `operate`. A field that breaks a rule is
    refused with its name, and nothing is enqueued.
    """
    return accepted(await enqueue(gateway, caller, body.root, idempotency_key))


@router.get("/{job_id}", responses=problems(404), summary="Get a job's record")
async def get_job(
    job_id: JobId, request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: WaitS = 0
) -> JobRecord:
    """Returns the record of a job as it is now, or when the job ends if that is within `wait_s` seconds."""
    record = await gateway.job(caller, Right.READ, job_id)
    if wait_s and not record.status.is_final:
        record = await ended(gateway, job_id, wait_s, request) or await gateway.producer.record(job_id)
    return told_of_job(record, caller)


@router.post("/{job_id}/cancel", responses=problems(404), summary="Cancel a job")
async def cancel_job(job_id: JobId, gateway: GatewayDep, caller: CallerDep) -> Cancelled:
    """Ends a job that has not ended, and stops its run on Ray. A job that has ended does not change."""
    await gateway.job(caller, Right.ASK, job_id)
    return Cancelled(id=job_id, status=await gateway.producer.cancel(job_id))


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=Accepted,
    responses=problems(404, 409),
    summary="Retry a job that failed or was cancelled",
)
async def retry_job(job_id: JobId, gateway: GatewayDep, caller: CallerDep) -> Response:
    """Puts a failed or cancelled job back into the queue, with its full number of attempts and without its events."""
    record = await gateway.job(caller, Right.ASK, job_id)
    if record.kind == JobKind.RAY:
        caller.require(Right.OPERATE, None)
    await gateway.producer.requeue(job_id)
    return accepted(job_id)


@router.post(
    "/{job_id}/rerun",
    status_code=202,
    response_model=Accepted,
    responses=problems(404, 409),
    summary="Run a job's code again",
)
async def rerun_job(
    job_id: JobId, gateway: GatewayDep, caller: CallerDep, idempotency_key: IdempotencyKey = None
) -> Response:
    """Runs the last version of a `generate` job's code again, as a new job, on the sources that the job had read."""
    record = await gateway.job(caller, Right.ASK, job_id)
    new_id = None if idempotency_key is None else job_id_for(record.session_id, idempotency_key)
    with in_words_of_the_caller(idempotency_key):
        job = await gateway.producer.rerun(job_id, job_id=new_id)
    return accepted(job.id)


@router.get("/{job_id}/attempts", responses=problems(404), summary="List the attempts that did not succeed")
async def list_attempts(job_id: JobId, gateway: GatewayDep, caller: CallerDep) -> Attempts:
    """Returns when each attempt that did not succeed began and ended, and with which error."""
    await gateway.job(caller, Right.READ, job_id)
    attempts = await gateway.producer.attempts(job_id)
    return Attempts(attempts=tuple(told_of_job(attempt, caller) for attempt in attempts))
