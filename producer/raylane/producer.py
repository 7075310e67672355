"""The producer, with which a service enqueues jobs, follows them and reads their results."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, Self, overload

from pydantic import SecretStr

from raylane import arguments
from raylane.backend import RedisBackend
from raylane.job_actions import JobActions
from raylane.listed import HistoryList, SourceList
from raylane.options import Enqueuer
from raylane.transfer.download import Downloader
from raylane_common import checks
from raylane_common.errors import InvalidRequest, NoSources, invalid_requests
from raylane_common.settings import redis_settings_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Unpack

    from raylane.cluster import ClusterActions
    from raylane.handle import AnyHandle, JobHandle
    from raylane.history import HistoryEntry
    from raylane.operator import OperatorActions
    from raylane.options import JobOptions
    from raylane.settings import SettingsActions
    from raylane.tables import TableActions
    from raylane.transfer.content import Data
    from raylane.transfer.progress import UploadProgress
    from raylane.transfer.upload import Uploader
    from raylane_common.redis.source_store import SourceStore
    from raylane_common.settings import RedisSettings, Settings
    from raylane_common.wire.generate import Engine, GenerateResult, GeneratorName
    from raylane_common.wire.jobs import Enqueued, NewJob
    from raylane_common.wire.reading import ReadingOptions
    from raylane_common.wire.sources import AnySource
    from raylane_common.wire.upload import PreviewResult, PurgeResult, UploadResult

# How text that names an object on S3 begins; any other text is the path of a file.
_ON_S3: Final = "s3://"
# Among so many of a session's jobs, newest first, the sources of given code are looked for.
_EARLIER_JOBS: Final = 50


class Producer(JobActions):
    """Enqueues jobs and reads their records: `async with Producer() as producer`.

    `tables` has the actions on the catalog, `cluster` on the Ray cluster, `operator` on the whole queue, and `settings`
    on the settings that workers apply while they run.

    Every method that enqueues returns a `JobHandle` and takes the options of a job: see `JobOptions`. One of them is
    `job_id`, the idempotency key: an id that is used again with the same request makes no second job; with another
    request it raises `JobIdTaken`. Without a `job_id`, each call makes a new job.

    An invalid argument raises `InvalidRequest`, which names the field, before anything is sent. Every method raises
    `QueueUnavailable` when Redis does not answer within the limits of `RedisSettings`.
    """

    # The parts are loaded when they are first used, as are the requests in the methods: most commands need few of them.

    def __init__(
        self, settings: Settings | None = None, *, redis_url: str | None = None, backend: RedisBackend | None = None
    ) -> None:
        """Connects when first used. Raises `InvalidRequest` if a setting or an argument is wrong.

        `settings` are read from the environment if None. `redis_url` overrides the URL in them. A `backend`, such as
        `RedisBackend(client)`, overrides both.
        """
        if settings is not None:
            from raylane_common.settings import Settings  # here, because it loads all of them

            checks.instance("settings", Settings, settings, "; pass a URL as redis_url")
        if backend is None:
            backend = RedisBackend.connect(_redis_settings(settings, redis_url))
        self._backend = checks.instance("backend", RedisBackend, backend, "; pass RedisBackend(client)")
        self._given_settings = settings
        self._jobs = Enqueuer(self._backend.queue)
        super().__init__(self._backend.queue, Downloader(self._backend.queue, self._jobs, settings))

    @cached_property
    def tables(self) -> TableActions:
        """Actions on the catalog."""
        from raylane.tables import TableActions

        return TableActions(self._jobs)

    @cached_property
    def cluster(self) -> ClusterActions:
        """Actions on the Ray cluster."""
        from raylane.cluster import ClusterActions

        return ClusterActions(self._jobs)

    @cached_property
    def operator(self) -> OperatorActions:
        """Actions on the whole queue."""
        from raylane.operator import OperatorActions

        return OperatorActions(self._backend.queue, self._backend.overview, self._backend.audit, self._jobs)

    @cached_property
    def settings(self) -> SettingsActions:
        """Actions on the settings that workers apply while they run."""
        from raylane.settings import SettingsActions

        return SettingsActions(self._backend.settings, self._given_settings)

    @cached_property
    def _uploader(self) -> Uploader:
        from raylane.transfer.upload import Uploader

        return Uploader(self._backend.queue, self._jobs, self._given_settings)

    @property
    def _sources(self) -> SourceStore:
        return self._backend.sources

    async def __aenter__(self) -> Self:
        """Returns the producer. It does not connect yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the producer."""
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections that the producer opened. Its jobs continue."""
        await self._backend.aclose()

    async def upload(
        self,
        data: Data,
        *,
        session_id: str,
        filename: str | None = None,
        reading: ReadingOptions | None = None,
        progress: Callable[[UploadProgress], None] | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[UploadResult]:
        """Uploads a file into a session.

        `data` is the path of a file on this machine, bytes, an open file, or an async iterator of bytes; for text use
        `upload_bytes`. `session_id` is the session that may read it. `filename` is its name in the session; by default
        the file's own name. `reading` says how the file is written; Raylane finds out the rest.

        Up to 8 MiB travel through Redis. This call sends a larger file in parts straight to S3, and returns when all of
        them are there. If it is interrupted, the same call continues where it stopped, unless `data` is an iterator or
        a pipe. `progress` is called with what was sent so far, many times a second.

        `s3://bucket/key` names an object that is already on S3, below `RAYLANE_STORAGE__READABLE` of the workers. It is
        not copied, and the nodes of Ray need the permission to read it.

        Raises `InvalidRequest` if the file is missing, unreadable or empty, or changes while it is read;
        `StorageUnavailable` or `StorageRejected` if S3 does not take a part; `WaitTimeout` if no worker starts the
        transfer.

        Example:
            upload = await producer.upload("sales.csv", session_id="ada")
            result = await upload.result(timeout_s=60)
            print(result.s3_uri, result.rows)
        """
        from raylane.given_files import GivenFile, in_place_request
        from raylane_common.wire.upload import UploadResult

        if isinstance(data, str) and data.startswith(_ON_S3):
            request = in_place_request(data, filename, reading)
            return await self._jobs.enqueue(request, UploadResult, options, session_id=session_id)
        given = GivenFile(options, session_id=arguments.session_id(session_id), filename=filename, reading=reading)
        return await self._uploader.upload(data, given, UploadResult, progress)

    async def preview(
        self,
        data: Data,
        *,
        session_id: str | None = None,
        filename: str | None = None,
        reading: ReadingOptions | None = None,
        progress: Callable[[UploadProgress], None] | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[PreviewResult]:
        """Reads a file as an upload would, without storing it.

        The arguments and errors are those of `upload`, but `data` cannot name an object on S3. The parts of a large
        file are removed from S3 once they have been read. A `session_id` only says to whom the job belongs.

        Example:
            preview = await producer.preview("sales.csv")
            found = await preview.result(timeout_s=60)
            print(found.reading, found.columns, found.warnings)
        """
        from raylane.given_files import GivenFile
        from raylane_common.wire.upload import PreviewResult

        if isinstance(data, str) and data.startswith(_ON_S3):
            problem = f"{data} is already on S3, where it cannot be previewed; upload it, or preview a local copy"
            raise InvalidRequest.field("data", problem)
        session_id = None if session_id is None else arguments.session_id(session_id)
        given = GivenFile(options, session_id=session_id, filename=filename, reading=reading, is_preview=True)
        return await self._uploader.upload(data, given, PreviewResult, progress)

    async def upload_bytes(
        self,
        data: bytes | str,
        *,
        filename: str,
        session_id: str,
        reading: ReadingOptions | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[UploadResult]:
        """Uploads data in memory into a session.

        `data` is the content; text is encoded as UTF-8. `filename` is its name in the session `session_id`. `reading`
        says how the data is written; Raylane finds out the rest. Raises what `upload` raises.

        Example:
            upload = await producer.upload_bytes(data, filename="sales.csv", session_id="ada")
            result = await upload.result(timeout_s=60)
            print(result.rows, result.columns)
        """
        content = await asyncio.to_thread(arguments.data, data)
        return await self.upload(content, session_id=session_id, filename=filename, reading=reading, **options)

    async def generate(
        self,
        prompt: str,
        *,
        session_id: str,
        execute: bool = False,
        generator: GeneratorName | str | None = None,
        max_versions: int = 5,
        keep_sources: bool = False,
        engine: Engine | str | None = None,
        chart: bool = True,
        continues: AnyHandle[GenerateResult] | str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[GenerateResult]:
        """Writes code that answers a prompt from the sources of a session, and runs it on Ray if `execute` is set.

        `prompt` is the question, in plain language, about the sources of `session_id`. `generator` is `template`,
        `agent` or `auto`; None means the worker's setting. `max_versions`, 1 to 5, limits how many versions of the code
        are written. When a run ends, the sources that it used leave the session unless `keep_sources` is set. `engine`
        is `local` or `distributed`; None means by the size of the sources. `chart` says whether templates draw a chart.

        With `continues`, the prompt changes the question of an earlier `generate` job of the session ("only 2024", "as
        a line chart"), and the code reads the sources that this job had read. Raises `NoCode` if that job has no code.

        Example:
            job = await producer.generate("sum of amount by region", session_id="ada", execute=True)
            result = await job.result(timeout_s=300)
            print(result.answer.items[0].rows)
        """
        from raylane_common.wire.generate import GenerateRequest, GenerateResult

        with invalid_requests():
            request = GenerateRequest(
                prompt=prompt,
                execute=execute,
                generator=generator,
                max_versions=max_versions,
                keep_sources=keep_sources,
                engine=engine,
                chart=chart,
            )
        if continues is not None:
            from raylane.follow_up import predecessor

            earlier = await self.record(arguments.job_id(getattr(continues, "id", continues)))
            known = predecessor(earlier, arguments.session_id(session_id))
            request = request.model_copy(update={"continues": known})
        return await self._jobs.enqueue(request, GenerateResult, options, session_id=session_id)

    async def rerun(self, earlier_id: str, **options: Unpack[JobOptions]) -> JobHandle[GenerateResult]:
        """Runs the last version of the code of a `generate` job again, on the sources that the job had read.

        `earlier_id` is the id of that job. The run is a new job of the same session. The code is verified again, and
        none is written. The sources of the session stay as they are. Raises `JobNotFound`, and `NoCode` if the job has
        no code. The new job fails with `SourceReplaced` if a file was uploaded again or purged since.

        Example:
            job = await producer.generate("sum of amount by region", session_id="ada", execute=True)
            await job.wait(timeout_s=300)
            again = await producer.rerun(job.id)
            print((await again.result(timeout_s=300)).run.output_tail)
        """
        from raylane.rerun import rerun_request
        from raylane_common.wire.generate import GenerateResult

        record = await self.record(earlier_id)
        return await self._jobs.enqueue(rerun_request(record), GenerateResult, options, session_id=record.session_id)

    async def run_code(
        self, code: str, *, session_id: str, engine: Engine | str | None = None, **options: Unpack[JobOptions]
    ) -> JobHandle[GenerateResult]:
        """Verifies code of the caller that reads sources of a session, and runs it on Ray. None is written.

        `code` is a script as a generator would write it, for example the code of an earlier job, changed by hand: it
        reads with `read` and answers with `answer` of `raylane_run`. It reads the sources of `session_id` whose
        location it names, also those that have left the session since the job that read them last. The sources of the
        session stay as they are. `engine` is `local` or `distributed`; None means that of the earlier job, or by the
        size of the sources.

        Raises `NoSources` if there are none. The job fails with `VerificationFailed` if the code may not run. For any
        other script see `cluster.submit`.

        Example:
            job = await producer.generate("sum of amount by region", session_id="ada")
            code = (await job.result(timeout_s=300)).code
            again = await producer.run_code(code.replace("region", "city"), session_id="ada")
            print((await again.result(timeout_s=300)).answer.items[0].rows)
        """
        from raylane.rerun import given_code_request
        from raylane_common.wire.generate import GenerateResult

        present = await self.sources(session_id)
        earlier = await self._queue.history(session_id, limit=_EARLIER_JOBS)
        request = given_code_request(code, engine, present, earlier)
        return await self._jobs.enqueue(request, GenerateResult, options, session_id=session_id)

    async def enqueue_many(self, jobs: Iterable[NewJob]) -> list[Enqueued]:
        """Enqueues a batch in a few round trips. Returns one outcome per job, in the same order.

        Make the jobs with `new_job` and `new_upload`. A job may come `after` an earlier one of the batch. A problem
        with one job (`JobIdTaken`, `InvalidRequest`, `QueueUnavailable`) is not raised; it is the `error` of its
        outcome. Raises `InvalidRequest` if `jobs` holds anything else.

        Example:
            upload = new_upload(data, filename="sales.csv", session_id="ada")
            question = new_job(GenerateRequest(prompt="count"), session_id="ada", after=[upload])
            refused = [outcome for outcome in await producer.enqueue_many([upload, question]) if outcome.error]
        """
        return await self._queue.enqueue_many(arguments.new_jobs(jobs))

    async def sources(self, session_id: str) -> list[AnySource]:
        """Returns the session's present sources, sorted by type and name; an empty list for an unknown session.

        Example:
            for source in await producer.sources("ada"):
                print(source.name, source.type)
        """
        return SourceList(await self._sources.all(arguments.session_id(session_id)))

    async def remove(self, session_id: str, name: str) -> None:
        """Removes one source from the session: a file by its name, or a table as `database.table`.

        The file itself stays on S3. Raises `NotFound` if the session has no such source.

        Example:
            for source in await producer.sources("ada"):
                if source.name.endswith(".tmp.csv"):
                    await producer.remove("ada", source.name)
        """
        await self._sources.remove(arguments.session_id(session_id), checks.utf_8("name", name))

    @overload
    async def reset(self, session_id: str) -> int: ...

    @overload
    async def reset(self, session_id: str, *, purge: Literal[True]) -> JobHandle[PurgeResult]: ...

    async def reset(self, session_id: str, *, purge: bool = False) -> int | JobHandle[PurgeResult]:
        """Removes the session's sources and history; returns how many sources it had. Records stay readable by id.

        With `purge`, also deletes everything of the session on S3: files, prepared copies, and what runs wrote. That is
        a job, and its handle is returned. Jobs of the session that have not ended may write again: cancel them first.

        Example:
            removed = await producer.reset("ada")
            print(f"{removed} sources removed")
            purge = await producer.reset("ada", purge=True)
            print((await purge.result(timeout_s=300)).bytes)
        """
        removed = await self._sources.reset(arguments.session_id(session_id))
        if not purge:
            return removed
        from raylane_common.wire.upload import PurgeRequest, PurgeResult

        return await self._jobs.enqueue(PurgeRequest(), PurgeResult, {}, session_id=session_id)

    async def restore(self, job_id: str) -> list[AnySource]:
        """Puts the sources that a `generate` job used back into its session, and returns them.

        They replace sources of the same type and name. Raises `JobNotFound`, `NoSources` if the job used none, and
        `SourceReplaced` if a file was uploaded again or purged since.

        Example:
            job = await producer.generate("sum of amount", session_id="ada", execute=True)
            await job.wait(timeout_s=300)
            print([source.name for source in await producer.restore(job.id)])
        """
        record = await self.record(job_id)
        if record.checkpoint is None or not record.checkpoint.sources_used or record.session_id is None:
            raise NoSources(f"job {job_id} used no sources that can be restored", details={"job_id": job_id})
        sources = list(record.checkpoint.sources_used)
        await self._sources.put(record.session_id, sources)
        return sources

    async def history(self, session_id: str, *, limit: int = 50) -> list[HistoryEntry]:
        """Returns up to `limit` of the session's jobs (1 to 1000), newest first.

        Example:
            for entry in await producer.history("ada", limit=10):
                print(entry.action, entry.what, entry.status)
        """
        from raylane.history import HistoryEntry

        records = await self._queue.history(arguments.session_id(session_id), limit=arguments.limit(limit))
        return HistoryList(HistoryEntry.from_record(record) for record in records)


def _redis_settings(settings: Settings | None, redis_url: object) -> RedisSettings:
    redis = settings.redis if settings is not None else redis_settings_alone()
    if redis is None:
        from raylane_common.settings import load_settings  # here, because it loads all of them

        redis = load_settings().redis
    if redis_url is None:
        return redis
    if not isinstance(redis_url, str):
        problem = f"must be text such as redis://127.0.0.1:6379/0, not {checks.type_name(redis_url)}"
        raise InvalidRequest.field("redis_url", problem)
    return redis.model_copy(update={"url": SecretStr(redis_url)})
