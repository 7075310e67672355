"""The producer, with which a service enqueues jobs, follows them and reads their results.

Written by docs/generate_sync.py from producer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack, overload

from raylane.sync.calls import Call, Data
from raylane.sync.handle import JobHandle
from raylane.sync.opening import OpenProducer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from raylane.handle import AnyHandle
    from raylane.history import HistoryEntry
    from raylane.options import JobOptions
    from raylane.transfer.progress import UploadProgress
    from raylane_common.wire.generate import Engine, GenerateResult, GeneratorName
    from raylane_common.wire.jobs import Enqueued, NewJob
    from raylane_common.wire.reading import ReadingOptions
    from raylane_common.wire.sources import AnySource
    from raylane_common.wire.upload import PreviewResult, PurgeResult, UploadResult


class Producer(OpenProducer):
    """Enqueues jobs and reads their records: `with Producer() as producer`.

    `tables` has the actions on the catalog, `cluster` on the Ray cluster, `operator` on the whole queue, and `settings`
    on the settings that workers apply while they run.

    Every method that enqueues returns a `JobHandle` and takes the options of a job: see `JobOptions`. One of them is
    `job_id`, the idempotency key: an id that is used again with the same request makes no second job; with another
    request it raises `JobIdTaken`. Without a `job_id`, each call makes a new job.

    An invalid argument raises `InvalidRequest`, which names the field, before anything is sent. Every method raises
    `QueueUnavailable` when Redis does not answer within the limits of `RedisSettings`.
    """

    def upload(
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

        `data` is the path of a file on this machine, bytes, an open file, or an iterator of bytes; for text use
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
            upload = producer.upload("sales.csv", session_id="ada")
            result = upload.result(timeout_s=60)
            print(result.s3_uri, result.rows)
        """
        call = Call(self._use)
        return JobHandle(
            call.run(
                self._async.upload,
                call.pieces(data),
                session_id=session_id,
                filename=filename,
                reading=reading,
                progress=call.latest(progress),
                **options,
            ),
            self._use,
        )

    def preview(
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
            preview = producer.preview("sales.csv")
            found = preview.result(timeout_s=60)
            print(found.reading, found.columns, found.warnings)
        """
        call = Call(self._use)
        return JobHandle(
            call.run(
                self._async.preview,
                call.pieces(data),
                session_id=session_id,
                filename=filename,
                reading=reading,
                progress=call.latest(progress),
                **options,
            ),
            self._use,
        )

    def upload_bytes(
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
            upload = producer.upload_bytes(data, filename="sales.csv", session_id="ada")
            result = upload.result(timeout_s=60)
            print(result.rows, result.columns)
        """
        return JobHandle(
            self._call(
                self._async.upload_bytes, data, filename=filename, session_id=session_id, reading=reading, **options
            ),
            self._use,
        )

    def generate(
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
            job = producer.generate("sum of amount by region", session_id="ada", execute=True)
            result = job.result(timeout_s=300)
            print(result.answer.items[0].rows)
        """
        return JobHandle(
            self._call(
                self._async.generate,
                prompt,
                session_id=session_id,
                execute=execute,
                generator=generator,
                max_versions=max_versions,
                keep_sources=keep_sources,
                engine=engine,
                chart=chart,
                continues=continues,
                **options,
            ),
            self._use,
        )

    def rerun(self, earlier_id: str, **options: Unpack[JobOptions]) -> JobHandle[GenerateResult]:
        """Runs the last version of the code of a `generate` job again, on the sources that the job had read.

        `earlier_id` is the id of that job. The run is a new job of the same session. The code is verified again, and
        none is written. The sources of the session stay as they are. Raises `JobNotFound`, and `NoCode` if the job has
        no code. The new job fails with `SourceReplaced` if a file was uploaded again or purged since.

        Example:
            job = producer.generate("sum of amount by region", session_id="ada", execute=True)
            job.wait(timeout_s=300)
            again = producer.rerun(job.id)
            print(again.result(timeout_s=300).run.output_tail)
        """
        return JobHandle(self._call(self._async.rerun, earlier_id, **options), self._use)

    def run_code(
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
            job = producer.generate("sum of amount by region", session_id="ada")
            code = job.result(timeout_s=300).code
            again = producer.run_code(code.replace("region", "city"), session_id="ada")
            print(again.result(timeout_s=300).answer.items[0].rows)
        """
        return JobHandle(
            self._call(self._async.run_code, code, session_id=session_id, engine=engine, **options), self._use
        )

    def enqueue_many(self, jobs: Iterable[NewJob]) -> list[Enqueued]:
        """Enqueues a batch in a few round trips. Returns one outcome per job, in the same order.

        Make the jobs with `new_job` and `new_upload`. A job may come `after` an earlier one of the batch. A problem
        with one job (`JobIdTaken`, `InvalidRequest`, `QueueUnavailable`) is not raised; it is the `error` of its
        outcome. Raises `InvalidRequest` if `jobs` holds anything else.

        Example:
            upload = new_upload(data, filename="sales.csv", session_id="ada")
            question = new_job(GenerateRequest(prompt="count"), session_id="ada", after=[upload])
            refused = [outcome for outcome in producer.enqueue_many([upload, question]) if outcome.error]
        """
        return self._call(self._async.enqueue_many, jobs)

    def sources(self, session_id: str) -> list[AnySource]:
        """Returns the session's present sources, sorted by type and name; an empty list for an unknown session.

        Example:
            for source in producer.sources("ada"):
                print(source.name, source.type)
        """
        return self._call(self._async.sources, session_id)

    def remove(self, session_id: str, name: str) -> None:
        """Removes one source from the session: a file by its name, or a table as `database.table`.

        The file itself stays on S3. Raises `NotFound` if the session has no such source.

        Example:
            for source in producer.sources("ada"):
                if source.name.endswith(".tmp.csv"):
                    producer.remove("ada", source.name)
        """
        self._call(self._async.remove, session_id, name)

    @overload
    def reset(self, session_id: str) -> int: ...

    @overload
    def reset(self, session_id: str, *, purge: Literal[True]) -> JobHandle[PurgeResult]: ...

    def reset(self, session_id: str, *, purge: bool = False) -> int | JobHandle[PurgeResult]:
        """Removes the session's sources and history; returns how many sources it had. Records stay readable by id.

        With `purge`, also deletes everything of the session on S3: files, prepared copies, and what runs wrote. That is
        a job, and its handle is returned. Jobs of the session that have not ended may write again: cancel them first.

        Example:
            removed = producer.reset("ada")
            print(f"{removed} sources removed")
            purge = producer.reset("ada", purge=True)
            print(purge.result(timeout_s=300).bytes)
        """
        if purge:
            return JobHandle(self._call(lambda: self._async.reset(session_id, purge=True)), self._use)
        return self._call(lambda: self._async.reset(session_id))

    def restore(self, job_id: str) -> list[AnySource]:
        """Puts the sources that a `generate` job used back into its session, and returns them.

        They replace sources of the same type and name. Raises `JobNotFound`, `NoSources` if the job used none, and
        `SourceReplaced` if a file was uploaded again or purged since.

        Example:
            job = producer.generate("sum of amount", session_id="ada", execute=True)
            job.wait(timeout_s=300)
            print([source.name for source in producer.restore(job.id)])
        """
        return self._call(self._async.restore, job_id)

    def history(self, session_id: str, *, limit: int = 50) -> list[HistoryEntry]:
        """Returns up to `limit` of the session's jobs (1 to 1000), newest first.

        Example:
            for entry in producer.history("ada", limit=10):
                print(entry.action, entry.what, entry.status)
        """
        return self._call(self._async.history, session_id, limit=limit)
