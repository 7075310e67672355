"""Enqueues the jobs of callers, so that nothing in a request reaches the jobs of other sessions.

See docs/decisions/0043.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from raylane.follow_up import predecessor
from raylane.gateway.access.caller import Right
from raylane.gateway.job_bodies import GenerateJob, Question, RayJob, TextUpload, UploadJob
from raylane.given_files import new_upload
from raylane.options import new_job
from raylane_common.errors import InvalidRequest, JobIdTaken, JobNotFound, invalid_requests
from raylane_common.limits import IDEMPOTENCY_KEY_PATTERN
from raylane_common.redis.queue.events import job_not_found
from raylane_common.wire.generate import GenerateRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from raylane.gateway.access.caller import Caller
    from raylane.gateway.context import Gateway
    from raylane.gateway.job_bodies import Job, Options
    from raylane.options import JobOptions
    from raylane_common.wire.jobs import NewJob

IdempotencyKey = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=IDEMPOTENCY_KEY_PATTERN)] | None,
    Header(
        description="Using a key of a session again with the same request makes no second job; with another request, "
        "also with other options, it is refused with 422 and `job_id_taken`"
    ),
]
_ID_DIGITS: Final = 32


class Accepted(BaseModel):
    """A job that was enqueued, or that had been before with the same key. `url` is its record, as in `Location`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    id: str = Field(examples=["4f1c0c6c2f4b4f0c9a0f6f3f8a3d1b52"])
    url: str = Field(examples=["/v1/jobs/4f1c0c6c2f4b4f0c9a0f6f3f8a3d1b52"])


def accepted(job_id: str) -> Response:
    """Returns the answer 202 that names the job."""
    body = Accepted(id=job_id, url=url_of(job_id))
    return Response(body.model_dump_json(), 202, {"Location": body.url}, "application/json")


def url_of(job_id: str) -> str:
    """Returns the path of a job's record."""
    return f"/v1/jobs/{job_id}"


def job_id_for(session_id: str | None, key: str) -> str:
    """Returns the id of the job with this idempotency key.

    A hash with the session: with the keys of its own sessions, a caller neither meets the jobs of others nor learns
    which there are.
    """
    return hashlib.sha256(f"{session_id or ''}\0{key}".encode()).hexdigest()[:_ID_DIGITS]


async def enqueue(gateway: Gateway, caller: Caller, body: Job, key: str | None) -> str:
    """Enqueues a job that a client has described; returns its id.

    Raises `Forbidden`, `InvalidRequest`, `NoCode` if it continues a job without code, and what `put` raises.
    """
    if isinstance(body, RayJob):
        # A script can do all that the cluster can, and a look shows the runs of all sessions.
        caller.require(Right.OPERATE, None)
    elif body.session_id is None and body.request.needs_session:
        raise InvalidRequest.field("session_id", f"required to {body.request.action}")
    if body.session_id is not None or not isinstance(body, RayJob):
        caller.require(Right.ASK, body.session_id)
    options = await _options(gateway, caller, body, body.session_id, key)
    job = await _job(gateway, body, options)
    fingerprint = None if key is None else hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    own = {"max_attempts": body.max_attempts, "fingerprint": fingerprint}
    return await put(gateway, job.model_copy(update=own), key)


async def put(gateway: Gateway, job: NewJob, key: str | None) -> str:
    """Enqueues a job; returns its id, or that of the job which holds its unique key. Raises `JobIdTaken`."""
    [outcome] = await gateway.producer.enqueue_many([job])
    if outcome.error is not None:
        with in_words_of_the_caller(key):
            raise outcome.error
    return outcome.id


@contextmanager
def in_words_of_the_caller(key: str | None, words: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Raises the errors of the block in the words of whoever sent the request: the `key`, and its names of fields."""
    try:
        yield
    except JobIdTaken as error:
        if key is None:
            raise
        problem = f"the Idempotency-Key {key!r} belongs to another request of this session; use another one"
        raise JobIdTaken(problem, details=error.details) from error
    except InvalidRequest as error:
        raise error.in_words(words) from error


async def _options(
    gateway: Gateway, caller: Caller, body: Options, session_id: str | None, key: str | None
) -> JobOptions:
    for job_id in body.after:
        try:
            await gateway.job(caller, Right.ASK, job_id)
        except JobNotFound as error:
            # In the words of the queue, which would tell whether the job of another session exists, and how it ends.
            raise InvalidRequest.field("after", f"no job {job_id}: it was never enqueued, or has expired") from error
    return {
        "job_id": None if key is None else job_id_for(session_id, key),
        "after": body.after or None,
        "delay_s": body.delay_s,
        "at": body.at,
        "expires_s": body.expires_s,
        "priority": body.priority,
        # The keys of all sessions are in one place.
        "unique": None if body.unique is None else f"{session_id or ''}/{body.unique}",
    }


async def _job(gateway: Gateway, body: Job, options: JobOptions) -> NewJob:
    match body:
        case GenerateJob():
            request = await _question(gateway, body.request, body.session_id)
            return new_job(request, session_id=body.session_id, **options)
        case UploadJob(request=TextUpload() as file):
            return new_upload(
                file.content, filename=file.filename, session_id=body.session_id, reading=file.reading, **options
            )
        case UploadJob():
            assert not isinstance(body.request, TextUpload)
            return new_job(body.request, session_id=body.session_id, **options)
        case _:
            return new_job(body.request, session_id=body.session_id, **options)


async def _question(gateway: Gateway, asked: Question, session_id: str) -> GenerateRequest:
    with invalid_requests():
        request = GenerateRequest.model_validate(asked.model_dump(exclude={"continues"}))
    if asked.continues is None:
        return request
    if await gateway.producer.session_of(asked.continues) != session_id:
        # As for a job that does not exist: what other sessions have is nobody's business.
        raise job_not_found(asked.continues)
    earlier = await gateway.producer.record(asked.continues)
    return request.model_copy(update={"continues": predecessor(earlier, session_id)})
