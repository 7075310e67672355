"""The producer: what a service holds to enqueue jobs and to read back what became of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import SecretStr, ValidationError

from raylane import checks
from raylane.backend import RedisBackend
from raylane.cluster import ClusterActions
from raylane.files import read_file
from raylane.history import HistoryEntry
from raylane.operator import OperatorActions
from raylane.options import Enqueuer, new_upload
from raylane.ports import BEGIN
from raylane.settings import SettingsActions
from raylane.tables import TableActions
from raylane_common.errors import InvalidRequest, NoSources, invalid_requests
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.settings import Settings
from raylane_common.wire.generate import GenerateRequest, GenerateResult, GeneratorName
from raylane_common.wire.upload import UploadResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from types import TracebackType
    from typing import Unpack

    from raylane.handle import JobHandle
    from raylane.options import JobOptions
    from raylane.ports import Backend
    from raylane_common.settings import RedisSettings
    from raylane_common.wire.jobs import Attempt, Enqueued, JobEvent, JobRecord, JobStatus, NewJob
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource


class Producer:
    """Enqueues jobs and reads their records: `async with Producer() as producer`.

    A request that breaks the wire format raises `InvalidRequest`, which names the field, before anything is sent.
    Every method raises `QueueUnavailable` when Redis does not answer within the bounds of `RedisSettings`.

    Every method that enqueues returns a `JobHandle` and takes the options of a job: see `JobOptions`. One of them is
    `job_id`, the idempotency key: the same id with the same request is one job, with another request it raises
    `JobIdTaken`. Without one, each call is a new job.
    """

    tables: TableActions
    cluster: ClusterActions
    operator: OperatorActions
    settings: SettingsActions

    def __init__(
        self, settings: Settings | None = None, *, redis_url: str | None = None, backend: Backend | None = None
    ) -> None:
        """Connects when first used. `redis_url` outranks `settings`, which are read from the environment if left out.

        With another `backend`, such as `RedisBackend(client)`, neither is looked at. Raises `InvalidRequest` if a
        setting is wrong.
        """
        self._backend = backend or RedisBackend.connect(_redis_settings(settings, redis_url))
        self._queue = self._backend.queue
        self._sources = self._backend.sources
        self._jobs = Enqueuer(self._queue)
        self.tables = TableActions(self._jobs)
        self.cluster = ClusterActions(self._jobs)
        self.operator = OperatorActions(self._queue, self._backend.overview)
        self.settings = SettingsActions(self._backend.settings, settings)

    async def __aenter__(self) -> Self:
        """The producer itself; nothing is connected yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the producer."""
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections that the producer opened. Jobs go on."""
        await self._backend.aclose()

    async def upload(
        self, path: str | Path, *, session_id: str, filename: str | None = None, **options: Unpack[JobOptions]
    ) -> JobHandle[UploadResult]:
        """Puts a CSV file of up to 8 MiB into the session, under its own name or `filename`.

        Raises `InvalidRequest` for a file that is missing, unreadable, empty or too large.
        """
        path = Path(path)
        data = await read_file(path, MAX_STAGED_BYTES)
        name = path.name if filename is None else filename
        return await self.upload_bytes(data, filename=name, session_id=session_id, **options)

    async def upload_bytes(
        self, data: bytes | str, *, filename: str, session_id: str, **options: Unpack[JobOptions]
    ) -> JobHandle[UploadResult]:
        """Puts CSV data of up to 8 MiB into the session; text is sent as UTF-8."""
        job = await asyncio.to_thread(new_upload, data, filename=filename, session_id=session_id, **options)
        return await self._jobs.put(job, UploadResult)

    async def generate(
        self,
        prompt: str,
        *,
        session_id: str,
        execute: bool = False,
        generator: GeneratorName | str | None = None,
        max_versions: int = 5,
        keep_sources: bool = False,
        **options: Unpack[JobOptions],
    ) -> JobHandle[GenerateResult]:
        """Writes Ray code that answers the prompt from the session's sources, and runs it if `execute`.

        `generator` is `auto`, `template` or `agent` (None: the worker's setting); `max_versions`, 1 to 5, limits
        the versions of the code. A run clears the sources it used from the session unless `keep_sources`.
        """
        with invalid_requests():
            request = GenerateRequest(
                prompt=prompt,
                execute=execute,
                generator=generator,
                max_versions=max_versions,
                keep_sources=keep_sources,
            )
        return await self._jobs.enqueue(request, GenerateResult, options, session_id=session_id)

    async def enqueue_many(self, jobs: Iterable[NewJob]) -> list[Enqueued]:
        """Enqueues a batch, made with `new_job` and `new_upload`, in few round trips; what became of each, in order.

        A job may stand `after` an earlier one of the batch. What is wrong with one job stands in its `error`
        (`JobIdTaken`, `InvalidRequest`, `QueueUnavailable`) and is not raised.
        """
        return await self._queue.enqueue_many(list(jobs))

    async def cancel(self, job_id: str) -> JobStatus:
        """Cancels the job, whether it waits or runs; the run that it started on Ray is stopped, too.

        Returns `cancelled`, or `running` while its worker is stopping it, which `wait` awaits. A job that has ended
        stays as it is, and its status is returned. Raises `JobNotFound`.
        """
        return await self._queue.cancel(checks.job_id(job_id))

    async def requeue(self, job_id: str) -> None:
        """Puts a failed or cancelled job back into the queue.

        It has all its attempts before it, and its events begin anew. A job that was given up for a reason outside
        itself goes on where it came to, any other one starts from the sources that it had read. Raises `JobNotFound`,
        and `JobNotRequeued` if the job has not failed, if one that it comes after has, if another job holds its unique
        key, or if the bytes of its upload are gone, which are kept for dead letters only.
        """
        await self._queue.requeue(checks.job_id(job_id))

    async def attempts(self, job_id: str) -> list[Attempt]:
        """The job's attempts that did not succeed, oldest first. Raises `JobNotFound`."""
        return await self._queue.attempts(checks.job_id(job_id))

    async def record(self, job_id: str) -> JobRecord:
        """What is true of the job now. Raises `JobNotFound`."""
        return await self._queue.record(checks.job_id(job_id))

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobRecord:
        """The record once the job has ended, well or badly. Raises `WaitTimeout`, `JobNotFound`."""
        return await self._queue.wait(checks.job_id(job_id), timeout_s)

    async def result(self, job_id: str, timeout_s: float | None = None) -> Result:
        """The job's result once it has succeeded. Raises the job's own typed error if it failed, else as `wait`."""
        return await self._queue.result(checks.job_id(job_id), timeout_s)

    def follow(self, job_id: str, *, after: str = BEGIN) -> AsyncIterator[JobEvent]:
        """The job's events up to the one that ends it. Raises `JobNotFound`.

        Continue after a disconnect with the `id` of the last event seen as `after`.
        """
        return self._queue.follow(checks.job_id(job_id), after=checks.event_id(after))

    async def sources(self, session_id: str) -> list[AnySource]:
        """What the session may read now, by name; empty for a session that has nothing."""
        return await self._sources.all(checks.session_id(session_id))

    async def reset(self, session_id: str) -> int:
        """Forgets the session's sources and history; returns how many sources it had. Records stay readable by id."""
        return await self._sources.reset(checks.session_id(session_id))

    async def restore(self, job_id: str) -> list[AnySource]:
        """Puts the sources that a generate job used back into its session, replacing those of the same name.

        Returns them. Raises `JobNotFound`, or `NoSources` if the job used none.
        """
        record = await self.record(job_id)
        if record.checkpoint is None or not record.checkpoint.sources_used or record.session_id is None:
            raise NoSources(f"job {job_id} used no sources that could be put back", details={"job_id": job_id})
        sources = list(record.checkpoint.sources_used)
        await self._sources.put(record.session_id, sources)
        return sources

    async def history(self, session_id: str, *, limit: int = 50) -> list[HistoryEntry]:
        """What the session did, newest first: up to `limit` jobs, 1 to 1000."""
        records = await self._queue.history(checks.session_id(session_id), limit=checks.limit(limit))
        return [HistoryEntry.from_record(record) for record in records]


def _redis_settings(settings: Settings | None, redis_url: str | None) -> RedisSettings:
    try:
        redis = (settings or Settings()).redis
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
    return redis if redis_url is None else redis.model_copy(update={"url": SecretStr(redis_url)})
