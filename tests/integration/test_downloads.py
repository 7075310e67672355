"""Files of an answer reach the user: with a real queue, a real worker and S3 over HTTP."""

from __future__ import annotations

import asyncio
import io
import os
from typing import TYPE_CHECKING

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from raylane import DownloadProgress, GenerateResult, JobHandle, Producer, sync
from raylane.cli.app import app
from raylane.options import new_job
from raylane.testing.memory.worker import MemoryWorker
from raylane_common.errors import AnswerFileGone, InvalidRequest, JobNotFound, NotFound, NotUnderstood, WaitTimeout
from raylane_common.settings import Settings
from raylane_common.wire.answer import AnswerColumn, AnswerFile, AnswerTable
from raylane_common.wire.names import CellType
from raylane_common.wire.upload import SignedFilesResult, SignFilesRequest
from tests.helpers.answered import answered, delete, end, file_of, key_of, put
from tests.helpers.aws import own_bucket
from tests.helpers.door import open_door
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey
    from tests.helpers.door import Door

DATA = os.urandom(3 * 1024 * 1024 + 17)


@pytest.fixture
async def door(valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis) -> AsyncIterator[Door]:
    async with open_door(valkey.url, moto.url, own_bucket()) as opened:
        yield opened


async def test_files_of_an_answer_arrive_byte_for_byte(door: Door, redis: Redis, tmp_path: Path) -> None:
    names = ["größe & co.csv", "a b+c.json", "100%.csv", "?x=1#y;z.csv", "'q\".csv"]
    files = {name: name.encode() for name in names} | {"table-1.parquet": DATA, "empty.csv": b""}
    job_id = await answered(door, redis, files)
    for name, data in files.items():
        assert await door.producer.download(job_id, name, tmp_path) == tmp_path / name
        assert (tmp_path / name).read_bytes() == data
    memory, reports = io.BytesIO(), list[DownloadProgress]()
    await door.producer.download(job_id, "table-1.parquet", memory, progress=reports.append)
    assert memory.getvalue() == DATA
    assert reports[-1] == (len(DATA), len(DATA))
    await asyncio.gather(*(door.producer.download(job_id, name, tmp_path / "x") for name in files))
    assert (tmp_path / "x").read_bytes() in files.values()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*files, "x"])
    assert [entry.action for entry in await door.producer.history("ada")] == ["generate"], "no download is in it"


async def long_table(door: Door, redis: Redis) -> tuple[JobHandle[GenerateResult], list[tuple[int, str]]]:
    """A job with a table of 40,000 rows, of which its answer has two."""
    rows, written = [(number, f"row {number}") for number in range(40_000)], io.BytesIO()
    pq.write_table(pa.table({"n": [n for n, _ in rows], "text": [text for _, text in rows]}), written)
    job = await door.producer.generate("?", session_id="ada", execute=True)
    key = key_of(job.id, "table-1.parquet")
    await put(door, key, written.getvalue())
    columns = (AnswerColumn(name="n", type=CellType.INTEGER), AnswerColumn(name="text", type=CellType.STRING))
    file = AnswerFile(
        name="table-1.parquet",
        s3_uri=f"s3://{door.bucket}/{key}",
        rows=len(rows),
        columns=columns,
        size_bytes=len(written.getvalue()),
    )
    await end(redis, job.id, AnswerTable(columns=columns, rows=tuple(rows[:2]), total_rows=len(rows), file=file))
    return job, rows


async def test_the_command_line_writes_all_rows_of_a_long_table(
    door: Door, redis: Redis, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    job, rows = await long_table(door, redis)
    lines = ["n,text", *(f"{number},row {number}" for number, _ in rows)]
    for arguments in (["--csv", "all.csv", "--parquet", "all.parquet"], ["--files", "."], ["--csv", "-"]):
        shown = await asyncio.to_thread(
            CliRunner().invoke,
            app,
            ["result", job.id, *(str(tmp_path / each) if each[0] != "-" else each for each in arguments)],
            env={"RAYLANE_REDIS__URL": valkey.url},
        )
        assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines() == lines
    assert (tmp_path / "all.csv").read_text(encoding="utf-8").splitlines() == lines
    assert (tmp_path / "all.parquet").read_bytes() == (tmp_path / "table-1.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.csv", "all.parquet", "table-1.parquet"]


async def test_all_rows_of_a_long_table_become_a_frame(door: Door, redis: Redis, valkey: EmbeddedValkey) -> None:
    job, rows = await long_table(door, redis)
    reports: list[DownloadProgress] = []
    frame = await door.producer.to_pandas(job, progress=reports.append)
    assert frame.to_dict("split")["data"] == [list(row) for row in rows]
    assert reports[-1].received_bytes == reports[-1].total_bytes > 0
    with pytest.raises(InvalidRequest, match=r"producer\.to_pandas\(job\) gets all"):
        (await job.result()).answer.to_pandas()  # type: ignore[union-attr]  # there is one
    with sync.Producer(redis_url=valkey.url) as blocking:
        pandas.testing.assert_frame_equal(await asyncio.to_thread(blocking.to_pandas, job.id), frame)
    with pytest.raises(InvalidRequest, match="table: there is no table 2, because the answer has one table"):
        await door.producer.to_pandas(job, 2)


async def test_a_file_that_is_no_longer_there_says_what_to_do(door: Door, redis: Redis, tmp_path: Path) -> None:
    job_id = await answered(door, redis, {"a.csv": b"12345", "b.csv": b"12345"})
    kept = await answered(door, redis, {"a.csv": b"12345"}, session_id="ada2")
    await delete(door, key_of(job_id, "b.csv"))
    with pytest.raises(AnswerFileGone, match=rf"b\.csv of job {job_id} has been deleted.*`raylane rerun {job_id}`"):
        await door.producer.download(job_id, "b.csv", tmp_path / "x")
    purged = await (await door.producer.reset("ada", purge=True)).result(timeout_s=60)
    assert purged.objects == 1, "what runs wrote is purged as well"
    with pytest.raises(AnswerFileGone):
        await door.producer.download(job_id, "a.csv", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
    await door.producer.download(kept, "a.csv", tmp_path / "x")
    await redis.delete(keys.job(kept))
    with pytest.raises(JobNotFound, match="expired"):
        await door.producer.download(kept, "a.csv", tmp_path / "x")


async def test_a_worker_checks_the_session_itself(door: Door, redis: Redis) -> None:
    job_id = await answered(door, redis, {"a.csv": b"secret"})
    requests = [SignFilesRequest(job_id=job_id, of_session=session, names=("a.csv",)) for session in ("ada", "eve")]
    own, foreign = await door.producer.enqueue_many([new_job(request) for request in requests])
    assert isinstance(await door.producer.result(own.id, timeout_s=60), SignedFilesResult)
    with pytest.raises(JobNotFound, match="session eve has no job"):
        await door.producer.result(foreign.id, timeout_s=60)


async def test_what_is_wrong_is_told_before_a_worker_is_asked(
    valkey: EmbeddedValkey, redis: Redis, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"redis": {"url": valkey.url}, "uploads": {"start_timeout_s": 0.1}})
    worker = MemoryWorker(redis)
    async with Producer(settings) as producer:
        job = await producer.generate("?", session_id="ada", execute=True)
        with pytest.raises(JobNotFound, match="expired"):
            await producer.download("never", "a.csv", tmp_path / "x")
        with pytest.raises(WaitTimeout, match="has not ended"):
            await producer.download(job.id, "a.csv", tmp_path / "x")
        await end(redis, job.id, file_of("a.csv", "s3://b/k"))
        with pytest.raises(InvalidRequest, match=r"^job_id: "):
            await producer.download("../x", "a.csv", tmp_path / "x")
        with pytest.raises(NotFound, match=r"^the answer .* has no file 'b\.csv'; did you mean a\.csv\?"):
            await producer.download(job.id, "b.csv", tmp_path / "x")
        with pytest.raises(InvalidRequest, match=r"^to: .*No such file or directory"):
            await producer.download(job.id, "a.csv", tmp_path / "missing" / "x")
        failed = await producer.generate("?", session_id="ada")
        await worker.end(failed.id, NotUnderstood("no"))
        with pytest.raises(NotUnderstood):
            await producer.to_pandas(failed)
        with pytest.raises(InvalidRequest, match="table: the answer has no table"):
            await producer.to_pandas(job.id)
        with pytest.raises(NotUnderstood):
            await producer.download(failed.id, "a.csv", tmp_path / "x")
        assert [found.kind for found in await producer.operator.jobs()] == ["generate"] * 2
        with pytest.raises(WaitTimeout, match="no worker has started the transfer"):
            await producer.download(job.id, "a.csv", tmp_path / "x")
        assert {found.status for found in await producer.operator.jobs(kind="upload")} == {"cancelled"}
    assert list(tmp_path.iterdir()) == []
