"""The worker collects from S3 what a run wrote below its output prefix, and nothing else."""

from __future__ import annotations

import json
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pyarrow.parquet as pq
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pyarrow import fs

from raylane_common.errors import InvalidAnswer, StorageError, StorageRejected, StorageUnavailable
from raylane_common.ray.models import Run, RunStatus
from raylane_common.settings import Settings
from raylane_common.wire.answer import AnswerFile, AnswerTable
from raylane_worker.context import JobContext, Resources
from raylane_worker.data.layout import session_prefix
from raylane_worker.data.storage import outputs
from raylane_worker.data.target import Target
from raylane_worker.embedded import aws_environment
from raylane_worker.first_use import storage_of
from raylane_worker.run_kit.raylane_run.answer import Answer as Kit
from raylane_worker.runs.answer import collect_answer
from raylane_worker.runs.answer_document import read_answer
from tests.helpers.aws import ORDER, aws_settings, closed, own_bucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from raylane_common.settings import StorageSettings
    from raylane_common.wire.answer import Answer
    from raylane_worker.data.storage import Storage
    from raylane_worker.embedded import EmbeddedMoto

RUN = "rl-j1-1"
COLUMNS = [{"name": "n", "type": "integer"}]


class Collected:
    """A run of session `ada`, and what the worker collects of it."""

    def __init__(self, ctx: JobContext, storage: Storage) -> None:
        self._ctx = ctx
        self._storage = storage
        self.uri = f"s3://{storage.bucket}/{session_prefix('ada')}runs/{RUN}/"

    async def write(self, name: str, data: bytes, *, run: str = RUN, session: str = "ada") -> None:
        await self._storage.put(Target(f"{session_prefix(session)}runs/{run}/{name}", "text/plain", ORDER), data)

    async def write_answer(self, *items: object) -> None:
        await self.write("answer.json", json.dumps({"items": items}).encode())

    async def answer(self, uri: str | None = "", *, started_at_ms: int | None = None) -> Answer | None:
        run = Run(
            submission_id=RUN,
            status=RunStatus.SUCCEEDED,
            endpoint="private",
            output_uri=self.uri if uri == "" else uri,
            started_at_ms=started_at_ms,
        )
        return await collect_answer(run, self._ctx)


@asynccontextmanager
async def _collected(url: str, bucket: StorageSettings, **aws: Any) -> AsyncIterator[Collected]:
    settings = Settings(storage=bucket, aws=aws_settings(url, **aws))
    async with storage_of(settings) as storage:
        # Nothing else of a context is used.
        resources = cast("Any", Resources)(settings, None, None, None, storage=storage)
        yield Collected(JobContext(cast("Any", None), cast("Any", None), resources), await storage.get())


@asynccontextmanager
async def _collected_from(s3: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Collected]:
    """A run whose storage answers each request like this."""
    app = web.Application()
    app.router.add_route("*", "/{key:.*}", s3)
    server = TestServer(app)
    async with server, _collected(str(server.make_url("")), own_bucket(create=False), max_tries=1) as found:
        yield found


@pytest.fixture
async def run(moto: EmbeddedMoto) -> AsyncIterator[Collected]:
    """A run that may write to a bucket of its own."""
    async with _collected(moto.url, own_bucket()) as found:
        yield found


async def test_what_the_kit_writes_is_collected_with_its_files(
    moto: EmbeddedMoto, run: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in aws_environment(moto.url).items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("RAYLANE_OUTPUT_URI", run.uri)
    kit = Kit()
    kit._writes_at_exit = True
    kit.value("mean", 1.5, unit="km")
    kit.table(pd.DataFrame({"n": range(1500)}))
    kit.file(pd.DataFrame({"n": range(3)}), "100% of all.csv")
    kit.finish()

    answer = await run.answer()

    assert answer is not None
    table, file = answer.items[1:]
    assert isinstance(table, AnswerTable)
    assert table.file is not None
    assert isinstance(file, AnswerFile)
    assert (table.file.s3_uri, table.file.rows) == (f"{run.uri}table-1.parquet", 1500)
    assert (file.s3_uri, file.size_bytes) == (f"{run.uri}100% of all.csv", len('"n"\n0\n1\n2\n'))
    files, path = fs.FileSystem.from_uri(table.file.s3_uri)
    assert files.get_file_info(path).size == table.file.size_bytes
    assert pq.read_table(path, filesystem=files).num_rows == 1500


async def test_a_run_without_an_answer_has_none(run: Collected) -> None:
    assert await run.answer() is None
    assert await run.answer(uri=None) is None


async def test_an_answer_that_is_too_large_is_not_read(run: Collected) -> None:
    await run.write("answer.json", b" " * (4 * 1024 * 1024 + 1))

    with pytest.raises(InvalidAnswer, match="it has 4,194,305 bytes; at most 4,194,304 are allowed"):
        await run.answer()


async def test_an_answer_of_an_earlier_job_with_the_same_id_is_not_that_of_this_run(run: Collected) -> None:
    await run.write_answer({"type": "value", "name": "v", "value": 1, "value_type": "integer"})
    now_ms, minute_ms = int(time.time() * 1000), 60_000

    assert await run.answer(started_at_ms=now_ms + 15 * minute_ms) is None
    # The clocks of S3 and of the cluster may differ.
    assert await run.answer(started_at_ms=now_ms + 5 * minute_ms) is not None


async def test_an_empty_object_is_no_answer(run: Collected) -> None:
    await run.write("answer.json", b"")

    with pytest.raises(InvalidAnswer, match="not JSON"):
        await run.answer()


@pytest.mark.parametrize("name", ["missing.csv", "other.csv", "inner.csv", "deep.csv"])
async def test_a_file_that_the_run_did_not_write_is_refused(run: Collected, name: str) -> None:
    await run.write("other.csv", b"secret", run="rl-j2-1")
    await run.write("inner.csv", b"secret", session="bob")
    await run.write("deep/deep.csv", b"secret")
    await run.write_answer({"type": "file", "name": name, "rows": 1, "columns": COLUMNS})

    with pytest.raises(InvalidAnswer, match=f"names a file that the run did not write: '{name}'"):
        await run.answer()


async def test_where_a_file_is_and_its_size_are_not_what_the_run_says(run: Collected) -> None:
    await run.write("a.csv", b"n\n1\n")
    forged = {"s3_uri": "s3://lake/sessions/bob/csv/secret.csv", "size_bytes": 10**15}
    await run.write_answer({"type": "file", "name": "a.csv", "rows": 1, "columns": COLUMNS} | forged)

    answer = await run.answer()

    assert answer is not None
    assert [(file.s3_uri, file.size_bytes) for file in answer.files] == [(f"{run.uri}a.csv", 4)]


@pytest.mark.parametrize(("pages", "is_found"), [(3, True), (2, False)])
async def test_files_are_found_among_others_on_some_pages(
    run: Collected, monkeypatch: pytest.MonkeyPatch, pages: int, is_found: bool
) -> None:
    monkeypatch.setattr(outputs, "_PAGE_OBJECTS", 2)
    monkeypatch.setattr(outputs, "_MAX_PAGES", pages)
    for name in ("a.csv", "b.csv", "c.csv", "z.csv"):
        await run.write(name, b"xyz")
    await run.write_answer({"type": "file", "name": "z.csv", "rows": 1, "columns": COLUMNS})

    if is_found:
        answer = await run.answer()
        assert answer is not None
        assert answer.files[0].size_bytes == 3
    else:
        with pytest.raises(InvalidAnswer, match="did not write"):
            await run.answer()


async def test_a_large_answer_is_checked_beside_the_event_loop(run: Collected, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def read(data: bytes) -> Answer:
        threads.append(threading.current_thread())
        return read_answer(data)

    monkeypatch.setattr("raylane_worker.runs.answer.read_answer", read)
    await run.write_answer(*[{"type": "value", "name": "v", "value": "x" * 1000, "value_type": "string"}] * 500)

    assert await run.answer() is not None
    assert threads
    assert threads[0] is not threading.main_thread()


async def test_s3_that_does_not_answer_can_be_asked_again() -> None:
    async with _collected(closed(), own_bucket(create=False)) as run:
        with pytest.raises(StorageUnavailable):
            await run.answer()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, "<Error><Code>AccessDenied</Code></Error>"),
        (404, ""),
        (404, "<html>not found</html>"),
        (404, "<Error><Code>NoSuchBucket</Code></Error>"),
        (500, ""),
        (503, "<Error><Code>SlowDown</Code></Error>"),
    ],
)
async def test_what_is_not_known_to_be_missing_is_an_error_after_which_the_job_continues(
    status: int, body: str
) -> None:
    # The run has succeeded: without its answer the job must not, and its code must not run again.
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/xml")

    async with _collected_from(answer) as run:
        with pytest.raises(StorageError) as error:
            await run.answer()
    assert error.value.outside_job
    assert error.value.retryable == (status >= 500)


async def test_an_answer_that_is_cut_off_can_be_asked_for_again() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "40"})
        await response.prepare(request)
        await response.write(b'{"items": []}')
        assert request.transport is not None
        request.transport.close()
        return response

    async with _collected_from(cut) as run:
        with pytest.raises(StorageUnavailable):
            await run.answer()


async def test_an_answer_is_found_after_the_bucket_was_changed(moto: EmbeddedMoto) -> None:
    before, after = own_bucket(), own_bucket()
    allowed = (before.bucket, "no-such-bucket", after.bucket)
    async with _collected(moto.url, before) as first:
        await first.write("a.csv", b"n\n1\n")
        await first.write_answer({"type": "file", "name": "a.csv", "rows": 1, "columns": COLUMNS})
        async with _collected(moto.url, after.model_copy(update={"allowed_buckets": allowed})) as then:
            answer = await then.answer()
            assert await then.answer(f"s3://{after.bucket}/sessions/ada/runs/rl-j2-1/") is None

    assert answer is not None
    assert [file.s3_uri for file in answer.files] == [f"{first.uri}a.csv"]


async def test_a_bucket_that_does_not_exist_is_named(moto: EmbeddedMoto) -> None:
    async with _collected(moto.url, own_bucket(create=False)) as run:
        with pytest.raises(StorageRejected) as error:
            await run.answer()
    assert run.uri.split("/")[2] in error.value.message
