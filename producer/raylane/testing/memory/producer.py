"""A producer that needs no Redis server and no workers, for tests of services that enqueue.

See docs/decisions/0012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.backend import RedisBackend
from raylane.producer import Producer
from raylane.testing.memory.files import MemoryDownloader, MemoryUploader
from raylane.testing.memory.pool import LoopPool
from raylane.testing.memory.queue import MemoryQueue
from raylane.testing.memory.worker import MemoryWorker
from raylane_common import checks
from raylane_common.errors import InvalidRequest, JobNotFound, RaylaneError
from raylane_common.wire.base import BaseResult

try:
    from fakeredis import FakeAsyncRedis, FakeServer
except ImportError as _error:
    raise ImportError("raylane.testing.MemoryProducer needs fakeredis: pip install 'raylane[testing]'") from _error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raylane.testing.memory.queue import Answer
    from raylane_common.wire.jobs import NewJob, Progress
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource


class MemoryProducer(Producer):
    """A `Producer` on an in-process Redis, whose jobs stay in the queue until the test ends them.

    It runs the queue's own code, so it keeps the same promises as the real one. Nothing starts on its own, and a
    scheduled job may be started or ended before its time. `start`, `tell`, `succeed` and `fail` do what a worker does.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        """`answer` is called with each `NewJob` as soon as it may start.

        It returns the job's result, its error, or None to leave the job in the queue. It is called again for a job that
        is requeued.
        """
        redis = FakeAsyncRedis(server=FakeServer(), decode_responses=True, connection_pool_class=LoopPool)
        self._worker = MemoryWorker(redis)
        self._memory = MemoryQueue(redis, self._worker, answer)
        super().__init__(backend=RedisBackend(redis, queue=self._memory, owned=True))
        self._files = MemoryDownloader(self._memory, self._jobs)
        self._downloader, self._uploader = self._files, MemoryUploader(self._memory, self._jobs, None)

    @property
    def enqueued(self) -> list[NewJob]:
        """All jobs, oldest first, ended or not."""
        return list(self._memory.jobs.values())

    def body(self, job_id: str) -> bytes:
        """Returns the bytes that were enqueued with the job: those of an upload. Raises `JobNotFound`."""
        if job_id not in self._memory.jobs:
            raise JobNotFound(f"no job {job_id} was enqueued", details={"job_id": job_id})
        return self._memory.jobs[job_id].body

    async def answer_with(self, answer: Answer | None) -> None:
        """Calls `answer` with each job that may start, also with those in the queue; None leaves all of them there."""
        self._memory.answer = answer
        await self._memory.answer_all()

    async def start(self, job_id: str) -> None:
        """Starts an attempt unless one is running.

        Raises `JobNotFound`, or `LeaseLost` if the job waits for other jobs or has ended.
        """
        await self._worker.start(job_id)

    async def tell(
        self, job_id: str, *, progress: Progress | None = None, line: str | None = None, text: str | None = None
    ) -> None:
        """Adds events of a running job; starts the job first if necessary. Raises what `start` raises.

        `progress` also replaces the progress in the record; `line` is a line that its run printed; `text` is a piece of
        generated code.
        """
        await self._worker.tell(job_id, progress, line, text)

    async def succeed(self, job_id: str, result: Result, *, files: Mapping[str, bytes] | None = None) -> None:
        """Ends the job with a result; starts it first if necessary. Raises what `start` raises.

        `make_upload_result` and the like make results. `files` has the contents of files of the answer, by name, for
        `download`. The sources of the session change as they do with a real worker: an `UploadResult` or
        `SelectedTablesResult` adds some; a `GenerateResult` with a run removes those it used unless the job keeps them.
        """
        if not isinstance(result, BaseResult):
            raise InvalidRequest.field("result", f"must be a result, not {checks.type_name(result)}")
        self._files.keep(job_id, result, files)
        await self._worker.end(job_id, result)
        await self._memory.answer_all()

    async def fail(self, job_id: str, error: RaylaneError) -> None:
        """Ends the job with the error of its last attempt, or as cancelled if it is a `JobCancelled`.

        Starts the job first if necessary. Raises what `start` raises.
        """
        await self._worker.end(job_id, checks.instance("error", RaylaneError, error))
        await self._memory.answer_all()

    async def put_sources(self, session_id: str, *sources: AnySource) -> None:
        """Adds `sources` to the session, as uploads and selections of tables do."""
        await self._sources.put(session_id, sources)
