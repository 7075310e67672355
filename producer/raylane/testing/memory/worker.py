"""The worker of a `MemoryProducer`: it claims and ends jobs through the real lanes when the test says so.

See docs/decisions/0012.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from raylane_common.errors import JobCancelled, LeaseLost, RaylaneError, SourceReplaced
from raylane_common.redis.connection import keys_of
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.redis.queue.scripts.calls import FileUpload
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import SessionsSettings
from raylane_common.wire.base import Lane
from raylane_common.wire.generate import Checkpoint, GenerateResult
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.kinds import KINDS
from raylane_common.wire.sources import FileSource, TableSource
from raylane_common.wire.tables import DeselectedTablesResult, SelectedTablesResult
from raylane_common.wire.upload import UploadResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from raylane_common.redis.queue import Lease
    from raylane_common.wire.jobs import JobRecord, Progress
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource

# Longer than any test, so that no lease is lost to a debugger.
_LEASE_S: Final = 24 * 3600
# The default of `Settings.result_ttl_s`.
_RESULT_TTL_S: Final = 7 * 24 * 3600


class MemoryWorker:
    """Runs single jobs. Other jobs that are due stay where they are."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._queue = JobQueue(redis)
        self._sources = SourceStore(redis)
        self._leases: dict[str, Lease] = {}
        # A lock belongs to the loop in which somebody has waited for it.
        self._claiming: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        max_attempts = {kind.value: entry.retry.max_attempts for kind, entry in KINDS.items()}
        self._lanes = {
            lane.value: LaneQueue(
                redis,
                lane,
                worker="memory",
                lease_s=_LEASE_S,
                max_attempts=max_attempts,
                result_ttl_s=_RESULT_TTL_S,
            )
            for lane in Lane
        }

    async def start(self, job_id: str) -> Lease:
        """Starts an attempt of the job unless one is running. Raises `JobNotFound`, or `LeaseLost` if it cannot."""
        async with self._claiming.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            record = await self._queue.record(job_id)
            if record.status is not JobStatus.RUNNING:
                self._leases[job_id] = await self._claim(record)
            return self._leases[job_id]

    async def tell(self, job_id: str, progress: Progress | None, line: str | None, text: str | None) -> None:
        """Adds an event for each argument that is not None; starts the job first if necessary.

        Raises what `start` raises.
        """
        lease = await self.start(job_id)
        if progress is not None:
            await lease.progress(progress)
        if line is not None:
            await lease.log(line)
        if text is not None:
            await lease.text(text)

    async def end(self, job_id: str, outcome: Result | RaylaneError) -> None:
        """Ends the job with a result or an error; starts it first if necessary. Raises what `start` raises.

        The session's sources and the record's checkpoint change as a handler would change them.
        """
        lease = await self.start(job_id)
        match outcome:
            case JobCancelled():
                verdict = lease.cancelled(outcome)
            case RaylaneError():
                verdict = lease.failed(outcome)
            case _:
                await self._keep_what_a_handler_keeps(lease, outcome)
                verdict = lease.succeeded(outcome)
        await self._lanes[lease.record.lane].finish([verdict])
        self._leases.pop(job_id, None)

    async def _claim(self, record: JobRecord) -> Lease:
        lane = self._lanes[record.lane]
        if record.status is JobStatus.SCHEDULED:
            await self._redis.zadd(self._keys.schedule(record.lane), {record.id: 0}, xx=True)
            # Moves due jobs into the queue without claiming any.
            await lane.claim(0)
        # A lane cannot be asked for one job, so the job is moved to the front.
        await self._redis.zadd(self._keys.queue(record.lane), {record.id: 0}, xx=True)
        leases = (await lane.claim(1)).leases if record.status in (JobStatus.SCHEDULED, JobStatus.QUEUED) else []
        if [lease.job_id for lease in leases] == [record.id]:
            return leases[0]
        raise await self._not_started(record.id)

    async def _not_started(self, job_id: str) -> LeaseLost:
        record = await self._queue.record(job_id)
        waits = record.status is JobStatus.WAITING
        reason = f"waits for {', '.join(record.after)}" if waits else f"has {record.status}"
        return LeaseLost(f"job {job_id} cannot be started: it {reason}", details={"job_id": job_id})

    async def _keep_what_a_handler_keeps(self, lease: Lease, result: Result) -> None:
        record = lease.record
        match result:
            case UploadResult():
                await self._put_upload(record, _uploaded(record, result))
            case SelectedTablesResult():
                await self._put(record, result.sources)
            case DeselectedTablesResult() if record.session_id is not None:
                names = {f"{ref.database}.{ref.table}" for ref in result.tables}
                sources = await self._sources.all(record.session_id)
                gone = [one for one in sources if isinstance(one, TableSource) and one.name in names]
                await self._sources.clear(record.session_id, gone)
            case GenerateResult():
                checkpoint = Checkpoint(
                    sources_used=result.sources_used,
                    generator=result.generator,
                    model=result.model,
                    interpreted_as=result.interpreted_as,
                    versions=result.versions,
                    usage=result.usage,
                )
                await lease.checkpoint(checkpoint)
                if result.run is not None and not record.payload.get("keep_sources") and record.session_id is not None:
                    await self._sources.clear(record.session_id, result.sources_used)

    async def _put_upload(self, record: JobRecord, source: FileSource) -> None:
        if record.session_id is None:
            return
        upload = FileUpload(source.filename, source.job_id, source.enqueued_ms, source.size_bytes)
        with suppress(SourceReplaced):  # as a worker does: the source of a newer upload stays
            await self._sources.claim(record.session_id, upload, SessionsSettings())
            await self._sources.put(record.session_id, [source])

    async def _put(self, record: JobRecord, sources: Sequence[AnySource]) -> None:
        if record.session_id is not None:
            await self._sources.put(record.session_id, sources)


def _uploaded(record: JobRecord, result: UploadResult) -> FileSource:
    return FileSource(
        filename=str(record.payload.get("filename", "")),
        s3_uri=result.s3_uri,
        size_bytes=result.bytes,
        rows=result.rows,
        reading=result.reading,
        prepared=result.prepared,
        columns=result.columns,
        warnings=result.warnings,
        enqueued_ms=record.enqueued_at,
        job_id=record.id,
    )
