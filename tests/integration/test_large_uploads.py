"""Uploads that go straight to S3: with a real queue, a real worker and S3 over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer
from raylane.options import new_job
from raylane.transfer.content import content_of
from raylane_common.errors import InvalidFile, InvalidRequest, SessionFull, StagedBodyMissing, WaitTimeout
from raylane_common.settings import Settings, UploadSettings
from raylane_common.wire.upload import UploadRequest
from raylane_worker.data.layout import part_size, transfer_key
from raylane_worker.data.originals import Transferred
from raylane_worker.data.storage import Storage
from raylane_worker.data.target import Target
from raylane_worker.first_use import FirstUse
from raylane_worker.sweeping import TransferSweep
from tests.helpers.aws import ORDER, aws_settings, own_bucket, s3
from tests.helpers.door import PART_BYTES, csv_of, open_door
from tests.helpers.recorded import context_of, is_below, recorded_spans
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane.transfer.progress import UploadProgress
    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey
    from tests.helpers.door import Door

DATA = csv_of(6 * 1024 * 1024)


@pytest.fixture
async def door(valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis, tmp_path: Path) -> AsyncIterator[Door]:
    (tmp_path / "scratch").mkdir()
    async with open_door(valkey.url, moto.url, own_bucket(), scratch_dir=tmp_path / "scratch") as opened:
        yield opened


async def test_a_file_beyond_the_limit_of_redis_arrives_byte_for_byte(door: Door, tmp_path: Path) -> None:
    (tmp_path / "large.csv").write_bytes(DATA)
    reports: list[UploadProgress] = []
    upload = await door.producer.upload(tmp_path / "large.csv", session_id="ada", progress=reports.append)
    result = await upload.result(timeout_s=60)
    assert (result.bytes, result.rows) == (len(DATA), DATA.count(b"\n") - 1)
    assert {key: value for key, value in (await door.objects()).items() if "/data/" not in key} == {
        "sessions/ada/csv/large.csv": DATA
    }
    assert await door.uploads() == []
    assert [source.name for source in await door.producer.sources("ada")] == ["large.csv"]
    assert reports[-1] == (len(DATA), len(DATA), 0)
    assert [entry.what for entry in await door.producer.history("ada")] == ["large.csv"]
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_all_that_a_large_upload_takes_is_one_trace(door: Door) -> None:
    with recorded_spans() as recorded:
        await (await door.producer.upload(DATA, filename="large.csv", session_id="ada")).result(timeout_s=60)
        await until(lambda: len(recorded.spans("process upload")) >= 2)
    upload = recorded.only("upload")
    assert {context_of(span)[:35] for span in recorded.spans()} == {context_of(upload)[:35]}
    parts = recorded.spans("PUT part")
    assert len(parts) == -(-len(DATA) // PART_BYTES)
    assert all(is_below(part, context_of(upload)) for part in parts)
    assert "large.csv" not in "".join(span.to_json() for span in recorded.spans())


async def test_a_session_without_room_refuses_a_file_before_it_is_sent(
    valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis, tmp_path: Path
) -> None:
    reports: list[UploadProgress] = []
    path = tmp_path / "large.csv"
    path.write_bytes(DATA)
    async with open_door(valkey.url, moto.url, own_bucket(), sessions={"max_bytes": 1_000_000}) as door:
        with pytest.raises(SessionFull):
            await door.producer.upload(path, session_id="ada", progress=reports.append)
        assert (reports, await door.uploads(), await door.objects()) == ([], [], {})


async def test_an_upload_succeeds_although_the_same_one_has_removed_the_transfer_meanwhile(
    door: Door, tmp_path: Path
) -> None:
    data, transfer_id, key = csv_of(10_000), "0" * 32, "sessions/s/csv/x.csv"
    async with Storage(*door.storage) as storage, s3(door.url) as client:
        upload_id, _ = await storage.transfers.begin(transfer_id)
        await client.upload_part(
            Bucket=door.bucket, Key=transfer_key(transfer_id), UploadId=upload_id, PartNumber=1, Body=data
        )
        original = Transferred(storage, transfer_id, len(data), hashlib.sha256(data).hexdigest(), key)
        await original.fetch(tmp_path / "x")
        await storage.transfers.drop(transfer_id)
        async with original.sent(storage, Target(key, "text/csv", ORDER), tmp_path / "x") as put:
            await put()
    assert await door.objects() == {key: data}
    assert await door.uploads() == []


async def pieces(data: bytes, size: int = 700_001) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_bytes_open_files_pipes_and_iterators_arrive_alike(door: Door, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_bytes(b"skipped" + DATA)
    packed = gzip.compress(DATA, 1)
    with path.open("rb") as opened, gzip.open(io.BytesIO(packed)) as unpacking, path.open(encoding="utf-8") as text:
        opened.seek(7)
        text.seek(7)
        given: dict[str, Any] = {
            "bytes.csv": DATA,
            "open.csv": opened,
            "memory.csv": io.BytesIO(DATA),
            "unpacked.csv": unpacking,
            "text.csv": text,
            "iterator.csv": pieces(DATA),
        }
        jobs = [await door.producer.upload(data, session_id="s", filename=name) for name, data in given.items()]
    results = [await job.result(timeout_s=60) for job in jobs]
    objects = await door.objects()
    sums = {name: hashlib.sha256(objects[f"sessions/s/csv/{name}"]).hexdigest() for name in given}
    assert sums == dict.fromkeys(given, hashlib.sha256(DATA).hexdigest())
    assert {result.rows for result in results} == {DATA.count(b"\n") - 1}


async def test_small_streams_travel_through_redis(door: Door) -> None:
    upload = await door.producer.upload(pieces(b"a\n1\n", 1), session_id="s", filename="a.csv")
    assert (await upload.result(timeout_s=60)).rows == 1
    assert (await upload.record()).payload["transfer_id"] is None


async def test_an_invalid_file_leaves_the_earlier_one_and_no_parts(door: Door, tmp_path: Path) -> None:
    """The object of a session changes only after the new file was read."""
    await (await door.producer.upload(b"a\n1\n", session_id="s", filename="x.csv")).result(timeout_s=60)
    before = await door.producer.sources("s")
    upload = await door.producer.upload(b"\0" * len(DATA), session_id="s", filename="x.csv")
    with pytest.raises(InvalidFile):
        await upload.result(timeout_s=60)
    assert await door.objects() == {"sessions/s/csv/x.csv": b"a\n1\n"}
    assert await door.uploads() == []
    assert await door.producer.sources("s") == before
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_a_preview_stores_nothing(door: Door) -> None:
    found = await (await door.producer.preview(DATA, filename="x.csv")).result(timeout_s=60)
    assert (found.bytes, found.rows) == (len(DATA), DATA.count(b"\n") - 1)
    assert (await door.objects(), await door.uploads()) == ({}, [])


async def test_a_repeated_job_id_sends_nothing_again(door: Door, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(DATA)
    reports: list[UploadProgress] = []
    for _ in range(2):
        job = await door.producer.upload(tmp_path / "x.csv", session_id="s", job_id="mine", progress=reports.append)
        assert (job.id, (await job.result(timeout_s=60)).bytes) == ("mine", len(DATA))
    assert sum(progress.sent_bytes == len(DATA) for progress in reports) == 1
    assert await door.uploads() == []


async def test_wrong_options_are_refused_before_anything_is_sent(door: Door) -> None:
    with pytest.raises(InvalidRequest, match=r"^delay_s: "):
        await door.producer.upload(DATA, session_id="s", filename="x.csv", delay_s=-1)
    with pytest.raises(InvalidRequest, match=r"^filename: must"):
        await door.producer.upload(DATA, session_id="s", filename="../x.csv")
    assert await door.uploads() == []


async def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(DATA)
    content = content_of(path)
    assert await content.read(PART_BYTES) == DATA[:PART_BYTES]
    with path.open("ab") as more:
        more.write(b"half a li")
    assert len(await content.read(len(DATA))) == len(DATA) - PART_BYTES
    with pytest.raises(InvalidRequest, match="has changed while it was read"):
        await content.check()
    content.close()


async def test_parts_that_are_gone_end_the_job_with_an_error(door: Door) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    request = UploadRequest(filename="x.csv", size_bytes=len(DATA), sha256=digest, transfer_id="d" * 32)
    [outcome] = await door.producer.enqueue_many([new_job(request, session_id="s")])
    with pytest.raises(StagedBodyMissing, match="upload it again"):
        await door.producer.result(outcome.id, timeout_s=60)
    assert (await door.objects(), await door.uploads()) == ({}, [])


async def test_parts_of_another_content_end_the_job_and_are_removed(door: Door) -> None:
    upload = await door.producer.upload(DATA, session_id="s", filename="x.csv", delay_s=3600)
    request = UploadRequest.model_validate((await upload.record()).payload)
    wrong = request.model_copy(update={"sha256": "0" * 64})
    [outcome] = await door.producer.enqueue_many([new_job(wrong, session_id="s")])
    with pytest.raises(InvalidRequest, match=r"sha256: .*another checksum"):
        await door.producer.result(outcome.id, timeout_s=60)
    assert (await door.objects(), await door.uploads()) == ({}, [])
    await upload.cancel()


async def test_a_requeued_upload_finds_its_parts(door: Door) -> None:
    upload = await door.producer.upload(DATA, session_id="s", filename="x.csv", delay_s=3600)
    await upload.cancel()
    await door.producer.requeue(upload.id)
    assert (await upload.result(timeout_s=60)).bytes == len(DATA)


async def test_without_a_worker_the_upload_says_what_is_missing(valkey: EmbeddedValkey, redis: Redis) -> None:
    settings = Settings.model_validate(
        {"redis": {"url": valkey.url}, "uploads": {"start_timeout_s": 0.1, "staged_bytes": 0}}
    )
    async with Producer(settings) as producer:
        with pytest.raises(WaitTimeout, match="no worker has started the transfer"):
            await producer.upload(b"a\n1\n", session_id="s", filename="x.csv")
        assert [job.status for job in await producer.operator.jobs()] == ["cancelled"]


async def test_a_cancelled_upload_leaves_no_connection_and_continues(door: Door, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(DATA)
    seen = asyncio.Event()

    def note(progress: UploadProgress) -> None:
        if progress.sent_bytes > PART_BYTES:
            seen.set()

    sending = asyncio.create_task(door.producer.upload(tmp_path / "x.csv", session_id="s", progress=note))
    await seen.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert await door.uploads() != []
    result = await (await door.producer.upload(tmp_path / "x.csv", session_id="s")).result(timeout_s=60)
    assert result.bytes == len(DATA)
    assert await door.uploads() == []


async def test_a_sweep_removes_what_nobody_continues_and_nothing_else(
    moto: EmbeddedMoto, valkey: EmbeddedValkey, redis: Redis
) -> None:
    bucket = own_bucket()
    async with Storage(bucket, aws_settings(moto.url)) as storage, s3(moto.url) as client:
        await storage.transfers.begin("a" * 32)
        await client.put_object(Bucket=bucket.bucket, Key=transfer_key("b" * 32), Body=b"left")
        for key in ("sessions/s/data/x.csv.parquet", "elsewhere/x"):
            await client.create_multipart_upload(Bucket=bucket.bucket, Key=key)
        upload_id, _ = await storage.transfers.begin("c" * 32)
        await client.upload_part(
            Bucket=bucket.bucket, Key=transfer_key("c" * 32), UploadId=upload_id, PartNumber=1, Body=b"now"
        )
        opened = FirstUse(lambda: storage)
        opened._opened = storage
        # moto says that every upload began in 2010; its parts have their own times.
        first, second = (TransferSweep(redis, opened, worker=name, abandoned_s=3600) for name in ("w1", "w2"))
        assert await first.once() == 2
        assert await second.once() == 0, "one worker at a time"
        left = [each["Key"] for each in (await client.list_multipart_uploads(Bucket=bucket.bucket))["Uploads"]]
        assert sorted(left) == ["elsewhere/x", transfer_key("c" * 32)]
        assert await storage.transfers.sweep(-60) == 2


def test_parts_grow_only_for_files_of_more_than_ten_thousand() -> None:
    usual = UploadSettings().part_bytes
    assert part_size(1, usual) == part_size(10_000 * usual, usual) == usual
    for size_bytes in (10_000 * usual + 1, 5 * 2**40):
        assert size_bytes <= 10_000 * part_size(size_bytes, usual) < 2 * size_bytes
