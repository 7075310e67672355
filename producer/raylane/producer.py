"""The producer: what a service holds to enqueue jobs and to read back what became of them."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pydantic import SecretStr, ValidationError

from raylane import checks
from raylane.actions import Enqueuer, RayActions, TableActions
from raylane.files import check_size, read_file
from raylane.history import HistoryEntry
from raylane.ports import BEGIN
from raylane_common.connection import connect
from raylane_common.errors import InvalidRequest, NoSources
from raylane_common.jobs import build
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.queue import JobQueue
from raylane_common.requests import GenerateRequest, GeneratorName, UploadRequest
from raylane_common.results import GenerateResult, UploadResult
from raylane_common.settings import Settings
from raylane_common.sources import SourceStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from redis.asyncio import Redis

    from raylane.handle import JobHandle
    from raylane.ports import Backend
    from raylane_common.jobs import JobEvent, JobRecord
    from raylane_common.results import Result
    from raylane_common.settings import RedisSettings
    from raylane_common.sources import CsvSource, TableSource

_LONGEST_BLOCK_S: Final = 5.0


@dataclass(frozen=True)
class RedisBackend:
    """Queue and sources on one Redis client, which stays its caller's unless `owned`."""

    redis: Redis
    owned: bool = False
    block_s: float = _LONGEST_BLOCK_S

    @classmethod
    def connect(cls, settings: RedisSettings) -> RedisBackend:
        """A backend with a client of its own; connects when first used. Raises `InvalidRequest` for a bad URL."""
        try:
            redis = connect(settings)
        except ValueError as error:
            raise InvalidRequest.field("redis.url", str(error)) from error
        # A blocking read has to be answered before the socket's own deadline.
        return cls(redis, owned=True, block_s=min(_LONGEST_BLOCK_S, settings.socket_timeout_s / 2))

    @property
    def queue(self) -> JobQueue:
        """The jobs."""
        return JobQueue(self.redis, block_s=self.block_s)

    @property
    def sources(self) -> SourceStore:
        """The sessions' sources."""
        return SourceStore(self.redis)

    async def aclose(self) -> None:
        """Closes the client if it is the backend's own."""
        if self.owned:
            await self.redis.aclose()


class Producer:
    """Enqueues jobs and reads their records: `async with Producer() as producer`.

    A request that breaks the wire format raises `InvalidRequest`, which names the field, before anything is sent.
    Every method raises `QueueUnavailable` when Redis does not answer within the bounds of `RedisSettings`.

    Every method that enqueues returns a `JobHandle` and takes a `job_id`, the idempotency key: the same id with the
    same request is one job, with another request it raises `JobIdTaken`. Without one, each call is a new job.
    """

    tables: TableActions
    ray: RayActions

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
        self.ray = RayActions(self._jobs)

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
        self, path: str | Path, *, session_id: str, filename: str | None = None, job_id: str | None = None
    ) -> JobHandle[UploadResult]:
        """Puts a CSV file of up to 8 MiB into the session, under its own name or `filename`.

        Raises `InvalidRequest` for a file that is missing, unreadable, empty or too large.
        """
        path = Path(path)
        data = await read_file(path, MAX_STAGED_BYTES)
        name = path.name if filename is None else filename
        return await self.upload_bytes(data, filename=name, session_id=session_id, job_id=job_id)

    async def upload_bytes(
        self, data: bytes | str, *, filename: str, session_id: str, job_id: str | None = None
    ) -> JobHandle[UploadResult]:
        """Puts CSV data of up to 8 MiB into the session; text is sent as UTF-8."""
        if isinstance(data, str):
            try:
                data = data.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequest.field("data", f"is no text: {error.reason} at {error.start}") from error
        check_size("data", len(data), MAX_STAGED_BYTES)
        sha256 = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
        request = build(UploadRequest, filename=filename, size_bytes=len(data), sha256=sha256)
        return await self._jobs.enqueue(request, UploadResult, session_id=session_id, job_id=job_id, body=data)

    async def generate(
        self,
        prompt: str,
        *,
        session_id: str,
        execute: bool = False,
        generator: GeneratorName | str | None = None,
        max_attempts: int = 5,
        keep_sources: bool = False,
        job_id: str | None = None,
    ) -> JobHandle[GenerateResult]:
        """Writes Ray code that answers the prompt from the session's sources, and runs it if `execute`.

        `generator` is `auto`, `template` or `agent` (None: the worker's setting); `max_attempts`, 1 to 5, counts
        versions of the code. A run clears the sources it used from the session unless `keep_sources`.
        """
        request = build(
            GenerateRequest,
            prompt=prompt,
            execute=execute,
            generator=generator,
            max_attempts=max_attempts,
            keep_sources=keep_sources,
        )
        return await self._jobs.enqueue(request, GenerateResult, session_id=session_id, job_id=job_id)

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

    async def sources(self, session_id: str) -> list[CsvSource | TableSource]:
        """What the session may read now, by name; empty for a session that has nothing."""
        return await self._sources.all(checks.session_id(session_id))

    async def reset(self, session_id: str) -> int:
        """Forgets the session's sources and history; returns how many sources it had. Records stay readable by id."""
        return await self._sources.reset(checks.session_id(session_id))

    async def restore(self, job_id: str) -> list[CsvSource | TableSource]:
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
        records = await self._queue.history(checks.session_id(session_id), limit=checks.history_limit(limit))
        return [HistoryEntry.from_record(record) for record in records]


def _redis_settings(settings: Settings | None, redis_url: str | None) -> RedisSettings:
    try:
        redis = (settings or Settings()).redis
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
    return redis if redis_url is None else redis.model_copy(update={"url": SecretStr(redis_url)})
