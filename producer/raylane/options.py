"""The options of a job, and the only place where a request and its options become a job."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar

from raylane import arguments
from raylane.handle import AnyHandle, JobHandle
from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.wire.jobs import NewJob

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Unpack

    from raylane_common.redis.queue import JobQueue
    from raylane_common.wire.jobs import Priority
    from raylane_common.wire.kinds import Request

ResultT = TypeVar("ResultT")


class JobOptions(TypedDict, total=False):
    """The options of a job: `producer.generate(…, after=[upload], priority="high")`. `None` means the default.

    The number of attempts is not an option: the worker's settings have a retry policy for each kind.
    """

    job_id: str | None
    """The idempotency key: an id that is used again with the same request makes no second job; with another request it
    raises `JobIdTaken`."""

    after: Iterable[str | NewJob | AnyHandle[object]] | None
    """The jobs that must succeed first: up to 100 ids, handles or new jobs. If one of them fails or is cancelled, this
    job fails with `DependencyFailed`."""

    delay_s: float | None
    """Seconds to wait before the job may start, at most 30 days. Cannot be combined with `at`."""

    at: datetime | None
    """The earliest time at which the job may start. It must have a time zone."""

    expires_s: float | None
    """Seconds after which the job fails with `JobExpired` if it has not started, at most 30 days."""

    priority: Priority | Literal["high", "normal", "low"] | None
    """Within a lane, `high` is an hour ahead of `normal`, and `normal` an hour ahead of `low`."""

    unique: str | None
    """At most one unfinished job of a kind may hold this key; enqueueing another one returns that job. All `tables`
    actions are one kind, and so are all `ray` actions."""


def new_job(request: Request, *, session_id: str | None = None, **options: Unpack[JobOptions]) -> NewJob:
    """Returns a validated job for `Producer.enqueue_many`. For an upload, use `new_upload`.

    `request` says what to do. A `GenerateRequest` or `SelectTablesRequest` needs a `session_id`. Raises
    `InvalidRequest` that names the field.

    Example:
        jobs = [new_job(GenerateRequest(prompt=prompt), session_id="ada") for prompt in ("count", "preview")]
        outcomes = await producer.enqueue_many(jobs)
        print([outcome.id for outcome in outcomes])
    """
    return make_job(request, options, session_id=session_id)


def make_job(request: Request, options: JobOptions, *, session_id: str | None = None, body: bytes = b"") -> NewJob:
    """Returns the job for a request. Every job of a producer is made here.

    `options` are those of the job, `session_id` is its session if it has one, and `body` the bytes to stage with it.
    Raises `InvalidRequest`, and `TypeError` for an unknown option.
    """
    unknown = options.keys() - JobOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option {min(unknown)!r}; a job takes {', '.join(JobOptions.__annotations__)}")
    fields: dict[str, object] = {name: value for name, value in options.items() if value is not None}
    if session_id is not None or request.needs_session:
        fields["session_id"] = arguments.session_id(session_id)
    if "job_id" in fields:
        fields["id"] = arguments.job_id(fields.pop("job_id"))
    if "after" in fields:
        fields["after"] = _ids(fields["after"])
    with invalid_requests():
        return NewJob.model_validate({"request": request, "body": body, **fields})


def _ids(after: object) -> tuple[object, ...]:
    # Text and models are iterable, too, but their characters or fields are not ids.
    if isinstance(after, str) or hasattr(after, "id") or not isinstance(after, Iterable):
        raise InvalidRequest.field("after", "must be a list of job ids or handles")
    return tuple(getattr(ref, "id", ref) for ref in after)


class Enqueuer:
    """Puts requests on the queue as jobs."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def enqueue(
        self, request: Request, result_type: type[ResultT], options: JobOptions, *, session_id: str | None = None
    ) -> JobHandle[ResultT]:
        """Enqueues a request and returns a handle on its job. Raises what `make_job` and `put` raise.

        `result_type` is the class of the result; `options` and `session_id` are those of the job.
        """
        return await self.put(make_job(request, options, session_id=session_id), result_type)

    async def put(self, job: NewJob, result_type: type[ResultT]) -> JobHandle[ResultT]:
        """Enqueues a job. Returns a handle on it, or on the unfinished job that holds its unique key.

        `result_type` is the class of the result. Raises `JobIdTaken`, and `InvalidRequest` if a job in `after` does not
        exist.
        """
        return JobHandle(self._queue, await self._queue.enqueue(job), result_type)
