"""How a job is to run: the keyword arguments of all that enqueues, and the one place that makes a job of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypedDict, TypeVar

from raylane import checks
from raylane.files import check_size
from raylane.handle import JobHandle
from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.wire.jobs import NewJob
from raylane_common.wire.upload import UploadRequest

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Unpack

    from raylane.ports import QueuePort
    from raylane_common.wire.jobs import Priority
    from raylane_common.wire.kinds import Request

ResultT = TypeVar("ResultT")


class JobOptions(TypedDict, total=False):
    """How a job is to run: `producer.generate(…, after=[upload], priority="high")`. None is as good as left out.

    How often a job is tried is no option: each kind has its policy, in the worker's settings.
    """

    job_id: str | None
    """The idempotency key: the same id with the same request is one job, with another request it is `JobIdTaken`."""

    after: Iterable[str | NewJob | JobHandle[object]] | None
    """Starts once all of these have succeeded: up to 100 ids, handles or new jobs. If one of them fails or is
    cancelled, the job fails with `DependencyFailed`."""

    delay_s: float | None
    """Starts no sooner than in so many seconds, at most 30 days; not together with `at`."""

    at: datetime | None
    """Starts no sooner than this moment, which has to name its time zone."""

    expires_s: float | None
    """Fails with `JobExpired` unless it has started within so many seconds of being enqueued, at most 30 days."""

    priority: Priority | Literal["high", "normal", "low"] | None
    """`high` has a head start of an hour over `normal` within its lane, and `normal` one over `low`."""

    unique: str | None
    """While a job of the same kind with this key has not ended, enqueueing returns that one and makes no other. All
    `tables` actions are one kind, and so are all `ray` actions."""


def new_job(request: Request, *, session_id: str | None = None, **options: Unpack[JobOptions]) -> NewJob:
    """A job for `Producer.enqueue_many`, checked; for uploads there is `new_upload`.

    Select and generate requests need a `session_id`. Raises `InvalidRequest` that names the field.
    """
    return make_job(request, options, session_id=session_id)


def new_upload(data: bytes | str, *, filename: str, session_id: str, **options: Unpack[JobOptions]) -> NewJob:
    """An upload of CSV data of up to 8 MiB for `Producer.enqueue_many`; text is sent as UTF-8.

    Raises `InvalidRequest` that names the field.
    """
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest.field("data", f"is no text: {error.reason} at {error.start}") from error
    check_size("data", len(data), MAX_STAGED_BYTES)
    sha256 = hashlib.sha256(data).hexdigest()
    with invalid_requests():
        request = UploadRequest(filename=filename, size_bytes=len(data), sha256=sha256)
    return make_job(request, options, session_id=session_id, body=data)


def make_job(request: Request, options: JobOptions, *, session_id: str | None = None, body: bytes = b"") -> NewJob:
    """What every way to the queue goes through. Raises `InvalidRequest`, and `TypeError` for an unknown option."""
    unknown = options.keys() - JobOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option {min(unknown)!r}; a job takes {', '.join(JobOptions.__annotations__)}")
    fields: dict[str, object] = {name: value for name, value in options.items() if value is not None}
    if session_id is not None or request.needs_session:
        fields["session_id"] = checks.session_id(session_id)
    if "job_id" in fields:
        fields["id"] = checks.job_id(fields.pop("job_id"))
    if "after" in fields:
        fields["after"] = _ids(fields["after"])
    with invalid_requests():
        return NewJob.model_validate({"request": request, "body": body, **fields})


def _ids(after: object) -> tuple[object, ...]:
    # Text and models are iterable too: their letters or fields would be taken for ids.
    if isinstance(after, str) or hasattr(after, "id") or not isinstance(after, Iterable):
        raise InvalidRequest.field("after", "must be a list of job ids or handles")
    return tuple(getattr(ref, "id", ref) for ref in after)


class Enqueuer:
    """Turns a request into a job on the queue."""

    def __init__(self, queue: QueuePort) -> None:
        self._queue = queue

    async def enqueue(
        self, request: Request, result_type: type[ResultT], options: JobOptions, *, session_id: str | None = None
    ) -> JobHandle[ResultT]:
        """As `put`, for a request and the options of its job."""
        return await self.put(make_job(request, options, session_id=session_id), result_type)

    async def put(self, job: NewJob, result_type: type[ResultT]) -> JobHandle[ResultT]:
        """A handle on the job, or on the live one that has its unique key. Raises `InvalidRequest`, `JobIdTaken`."""
        return JobHandle(self._queue, await self._queue.enqueue(job), result_type)
