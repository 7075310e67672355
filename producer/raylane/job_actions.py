"""What a producer does with one job, by its id. Every method is one of `Producer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast, overload

from raylane import arguments
from raylane.handle import JobHandle
from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.wire.base import BaseResult, JobKind
from raylane_common.wire.registry import kind_of

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from typing import IO

    import pandas as pd

    from raylane.handle import AnyHandle
    from raylane.transfer.download import Downloader
    from raylane.transfer.progress import DownloadProgress
    from raylane_common.redis.queue import JobQueue
    from raylane_common.wire.jobs import Attempt, JobEvent, JobRecord, JobStatus, LaneWorkers
    from raylane_common.wire.kinds import Result

ResultT = TypeVar("ResultT", bound=BaseResult)


class JobActions:
    """Actions on one job, by its id."""

    def __init__(self, queue: JobQueue, downloader: Downloader) -> None:
        self._queue = queue
        self._downloader = downloader

    async def cancel(self, job_id: str) -> JobStatus:
        """Cancels a waiting or running job, and stops its run on Ray.

        Returns `cancelled`, or `running` while its worker stops it; call `wait` to wait for that. A job that has ended
        does not change, and its status is returned. Raises `JobNotFound`.

        Example:
            job = await producer.generate("sum of amount", session_id="ada", execute=True)
            status = await producer.cancel(job.id)
            print(status)
        """
        return await self._queue.cancel(arguments.job_id(job_id))

    async def requeue(self, job_id: str) -> None:
        """Puts a failed or cancelled job back into the queue, with its full number of attempts and without its events.

        A dead letter continues where it stopped; any other job starts over with the sources that it had read. Raises
        `JobNotFound`. Raises `JobNotRequeued` if the job has not failed or been cancelled, if a job that it comes after
        has, if another job holds its unique key, or if it is an upload whose bytes are gone (only dead letters keep
        them).

        Example:
            for letter in await producer.operator.dead_letters(code="storage_unavailable"):
                await producer.requeue(letter.id)
            print(await producer.operator.dead_letters())
        """
        await self._queue.requeue(arguments.job_id(job_id))

    async def attempts(self, job_id: str) -> list[Attempt]:
        """Returns the job's attempts that did not succeed, oldest first. Raises `JobNotFound`."""
        return await self._queue.attempts(arguments.job_id(job_id))

    async def record(self, job_id: str) -> JobRecord:
        """Returns the job's record: its status, progress, result and error as they are now. Raises `JobNotFound`.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            record = await producer.record(job.id)
            print(record.status, record.progress)
        """
        return await self._queue.record(arguments.job_id(job_id))

    async def session_of(self, job_id: str) -> str | None:
        """Returns the session of the job; None if it belongs to none. Raises `JobNotFound`.

        For a service that has to know whose job it is before it reads the record.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            print(await producer.session_of(job.id))
        """
        return await self._queue.session_of(arguments.job_id(job_id))

    async def workers(self, job_id: str) -> LaneWorkers:
        """Returns who takes the job: see `JobHandle.workers`. Raises `JobNotFound`."""
        return await self._queue.workers(arguments.job_id(job_id))

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobRecord:
        """Returns the job's record once the job has ended, even if it failed.

        Waits at most `timeout_s` seconds, or without limit if None. Raises `WaitTimeout` if the job has not ended by
        then (the job continues), and `JobNotFound`.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            record = await producer.wait(job.id, timeout_s=300)
            print(record.status, record.error)
        """
        return await self._queue.wait(arguments.job_id(job_id), timeout_s)

    async def result(self, job_id: str, timeout_s: float | None = None) -> Result:
        """Returns the job's result once the job has succeeded. Raises the job's own error, and what `wait` raises.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            result = await producer.result(job.id, timeout_s=300)
            print(result.type)
        """
        return await self._queue.result(arguments.job_id(job_id), timeout_s)

    def follow(self, job_id: str, *, after: str | None = "0") -> AsyncIterator[JobEvent]:
        """Yields the job's events up to the one that ends it. Raises `JobNotFound`.

        `after` is the `id` of the last event seen, to continue after a disconnect; "0" yields all events, and None only
        those that are added from now on.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            async for event in producer.follow(job.id):
                print(event.id, event.status or event.progress or event.text or event.line)
        """
        position = None if after is None else arguments.event_id(after)
        return self._queue.follow(arguments.job_id(job_id), after=position)

    async def events(self, job_id: str, *, after: str = "0") -> list[JobEvent]:
        """Returns the job's events up to now, without waiting for others. Only the last 1,000 or so are kept.

        `after` is the `id` of the last event seen; "0" returns all. Raises `JobNotFound`.

        Example:
            job = await producer.generate("sum of amount", session_id="ada", execute=True)
            printed = [event.line for event in await producer.events(job.id) if event.line]
            print(printed[-20:])
        """
        return await self._queue.events(arguments.job_id(job_id), after=arguments.event_id(after))

    @overload
    async def download(
        self,
        job_id: str,
        name: str,
        to: str | os.PathLike[str],
        *,
        progress: Callable[[DownloadProgress], None] | None = None,
    ) -> Path: ...

    @overload
    async def download(
        self, job_id: str, name: str, to: IO[bytes], *, progress: Callable[[DownloadProgress], None] | None = None
    ) -> None: ...

    async def download(
        self,
        job_id: str,
        name: str,
        to: str | os.PathLike[str] | IO[bytes],
        *,
        progress: Callable[[DownloadProgress], None] | None = None,
    ) -> Path | None:
        """Downloads a file of a job's answer from S3, and returns its path.

        `name` is that of the file in the answer: one that the run wrote with `answer.file`, or the Parquet file with
        all rows of a long table (`file.name` of the table). `to` is a path, a directory, which gets the file under its
        own name, or a file that is open for bytes; then None is returned. `progress` is called with what was written
        so far, many times a second.

        A broken connection is continued. A file at the path is replaced when the new one is complete; an error, also a
        killed process, leaves it as it was, and nothing beside it. What an open file has got before an error stays.

        Raises `JobNotFound` if there is no such job, or its record has expired; the job's own error if it failed;
        `WaitTimeout` if it has not ended, or no worker signs the address; `NotFound` if the answer has no such file;
        `InvalidRequest` if `to` cannot be written; `AnswerFileGone` if the file was deleted from S3 or replaced since;
        `DiskFull`; `StorageUnavailable` or `StorageRejected` if S3 does not give it.

        Example:
            job = await producer.generate("rows where amount > 5", session_id="ada", execute=True)
            result = await job.result(timeout_s=300)
            for file in result.answer.files:
                print(await producer.download(job.id, file.name, "."))
        """
        job_id, name = arguments.job_id(job_id), checks.utf_8("name", name)
        return await self._downloader.download(job_id, name, to, progress)

    async def to_pandas(
        self,
        job: AnyHandle[object] | str,
        table: int = 1,
        *,
        progress: Callable[[DownloadProgress], None] | None = None,
    ) -> pd.DataFrame:
        """Returns all rows of a table of a job's answer as a frame of pandas.

        `job` is a handle or an id, and `table` counts from 1. A table of up to 1,000 rows is in the answer; a longer
        one is downloaded, and `progress` is called with what was received so far. Without tables, the frame has one row
        with the values of the answer. docs/notebooks.md has the types of the columns.

        Raises `MissingPackage` without pandas, and pyarrow for long tables; `InvalidRequest` if the job has no answer
        or no such table; and what `download` raises.

        Example:
            job = await producer.generate("rows where amount > 5", session_id="ada", execute=True)
            await job.wait(timeout_s=300)
            frame = await producer.to_pandas(job)
            print(frame.dtypes)
        """
        from raylane.whole_tables import whole_table  # here, because few need it

        record = await self._queue.wait(arguments.job_id(job if isinstance(job, str) else getattr(job, "id", job)), 0)
        return await whole_table(record, table, self._downloader, progress)

    @overload
    async def job(self, job_id: str) -> JobHandle[Result]: ...

    @overload
    async def job(self, job_id: str, result_type: type[ResultT]) -> JobHandle[ResultT]: ...

    async def job(
        self, job_id: str, result_type: type[ResultT] | None = None
    ) -> JobHandle[ResultT] | JobHandle[Result]:
        """Returns a handle on a job by its id, which another process may have enqueued and stored.

        `result_type` is the class of the job's result, such as `GenerateResult`; None means any. Raises `JobNotFound`,
        and `InvalidRequest` if the job returns results of other classes.

        Example:
            job_id = (await producer.generate("sum of amount", session_id="ada")).id
            job = await producer.job(job_id, GenerateResult)
            print((await job.result(timeout_s=300)).code)
        """
        record = await self.record(job_id)
        if result_type is None:
            return JobHandle(self._queue, record.id, cast("type[Result]", BaseResult))
        _check_result_type(record, result_type)
        return JobHandle(self._queue, record.id, result_type, is_claimed=True)


def _check_result_type(record: JobRecord, result_type: object) -> None:
    """Raises `InvalidRequest` unless a job of this kind returns results of this class, and has not returned another."""
    if not isinstance(result_type, type) or not issubclass(result_type, BaseResult):
        problem = f"must be the class of a result, such as GenerateResult, not {result_type!r}"
        raise InvalidRequest.field("result_type", problem)
    # What a newer version returns is not known here.
    known = kind_of(JobKind(record.kind)).results if record.kind in set(JobKind) else ()
    returned = known if record.result is None else (type(record.result),)
    if any(issubclass(each, result_type) for each in returned) or not returned:
        return
    verb = "returns" if record.result is None else "has returned"
    names = " or ".join(each.__name__ for each in returned)
    problem = f"{record.kind} job {record.id} {verb} {names}, never {result_type.__name__}"
    raise InvalidRequest.field("result_type", problem)
