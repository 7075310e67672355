"""What a producer puts on the queue, and what it reads back. The tests claim and end the jobs themselves."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from typing import TYPE_CHECKING, Any

import pytest

from raylane.backend import RedisBackend, longest_block_s
from raylane.producer import Producer
from raylane_common.errors import (
    InternalError,
    InvalidRequest,
    JobIdTaken,
    JobNotFound,
    NoCode,
    NoSources,
    NotFound,
    QueueUnavailable,
    StorageRejected,
    WaitTimeout,
)
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.redis.connection import connect
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import RedisSettings, Settings
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import EventType, JobStatus, Progress, parse_request
from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.tables import DatabasesResult, SelectedTablesResult
from raylane_common.wire.upload import ReadInPlaceRequest, UploadRequest
from tests.helpers.waiting import until
from tests.unit.producer.samples import CHECKPOINT, CSV, CSV_BYTES, GENERATED, TABLE, UPLOADED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane.handle import JobHandle
    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.producer.claiming import ClaimedJob

    Claim = Callable[[str], Awaitable[ClaimedJob]]


async def test_upload_enqueues_the_file_and_returns_a_typed_result(
    producer: Producer, claim: Claim, tmp_path: Path
) -> None:
    path = tmp_path / "temps.csv"
    path.write_bytes(CSV_BYTES)
    handle = await producer.upload(path, session_id="s1")
    claimed = await claim("upload")
    assert claimed.lease.job_id == handle.id
    assert claimed.record.session_id == "s1"
    request = UploadRequest(
        filename="temps.csv", size_bytes=len(CSV_BYTES), sha256=hashlib.sha256(CSV_BYTES).hexdigest()
    )
    assert claimed.record.payload == request.model_dump(mode="json")
    assert await claimed.lease.body() == CSV_BYTES
    await claimed.succeed(UPLOADED)
    assert (await handle.result(timeout_s=5)).s3_uri == UPLOADED.s3_uri


async def test_upload_accepts_a_path_as_text_and_another_filename(
    producer: Producer, claim: Claim, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(CSV_BYTES)
    await producer.upload(str(tmp_path / "x"), session_id="s1", filename="temps.csv")
    assert (await claim("upload")).record.payload["filename"] == "temps.csv"


async def test_text_is_uploaded_as_utf_8(producer: Producer, claim: Claim) -> None:
    await producer.upload_bytes("größe\n1\n", filename="a.csv", session_id="s1")
    assert await (await claim("upload")).lease.body() == "größe\n1\n".encode()


async def test_a_file_of_exactly_8_mib_is_accepted(producer: Producer, claim: Claim, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    path.write_bytes(b"x" * MAX_STAGED_BYTES)
    await producer.upload(path, session_id="s1")
    assert len(await (await claim("upload")).lease.body()) == MAX_STAGED_BYTES


async def test_table_actions_are_tables_jobs(producer: Producer, claim: Claim) -> None:
    databases = await producer.tables.databases()
    claimed = await claim("upload")
    assert (claimed.record.kind, claimed.record.session_id) == ("tables", None)
    assert claimed.record.payload == {"action": "databases", "limit": 100}
    await claimed.succeed(DatabasesResult(databases=("shop",)))
    assert (await databases.result()).databases == ("shop",)

    await producer.tables.list("shop", pattern="o*", limit=7, cursor="c")
    expected = {"action": "list", "database": "shop", "pattern": "o*", "limit": 7, "cursor": "c"}
    assert (await claim("upload")).record.payload == expected
    with pytest.raises(InvalidRequest, match="limit"):
        await producer.tables.list("shop", limit=1001)

    selecting = await producer.tables.select("s1", [("shop", "orders"), ("shop", "items")])
    claimed = await claim("upload")
    assert claimed.record.session_id == "s1"
    assert claimed.record.payload["tables"] == [
        {"database": "shop", "table": "orders"},
        {"database": "shop", "table": "items"},
    ]
    await claimed.succeed(SelectedTablesResult(sources=(TABLE,)))
    assert (await selecting.result()).sources == (TABLE,)

    await producer.tables.deselect("s1", [("shop", "items")])
    claimed = await claim("upload")
    assert claimed.record.session_id == "s1"
    assert claimed.record.payload == {"action": "deselect", "tables": [{"database": "shop", "table": "items"}]}


async def test_generate_passes_its_options_on(producer: Producer, claim: Claim) -> None:
    handle = await producer.generate(
        "mean of temp", session_id="s1", execute=True, generator="template", max_versions=2, keep_sources=True
    )
    claimed = await claim("generate")
    assert claimed.record.payload == {
        "prompt": "mean of temp",
        "execute": True,
        "generator": "template",
        "max_versions": 2,
        "keep_sources": True,
    }
    await claimed.succeed(GENERATED)
    assert (await handle.result()).interpreted_as == "mean of temp"


async def test_ray_actions_are_ray_jobs(producer: Producer, claim: Claim) -> None:
    actions = producer.cluster
    wanted: list[tuple[Coroutine[None, None, JobHandle[Any]], dict[str, object]]] = [
        (actions.status(), {"action": "status"}),
        (actions.runs(limit=5), {"action": "runs", "limit": 5}),
        (actions.run("rl-1"), {"action": "run", "submission_id": "rl-1"}),
        (actions.logs("rl-1"), {"action": "logs", "submission_id": "rl-1"}),
        (actions.stop("rl-1"), {"action": "stop", "submission_id": "rl-1"}),
        (actions.delete("rl-1"), {"action": "delete", "submission_id": "rl-1"}),
        (actions.submit("print(1)"), {"action": "submit", "code": "print(1)"}),
    ]
    for enqueue, payload in wanted:
        handle = await enqueue
        claimed = await claim("ray")
        assert (claimed.lease.job_id, claimed.record.kind) == (handle.id, "ray")
        assert claimed.record.payload == payload
    await actions.submit("print(1)", session_id="s1")
    assert (await claim("ray")).record.session_id == "s1"


async def test_the_same_job_id_is_the_same_job(producer: Producer, claim: Claim) -> None:
    first = await producer.generate("count", session_id="s1", job_id="mine")
    again = await producer.generate("count", session_id="s1", job_id="mine")
    assert (first.id, again.id) == ("mine", "mine")
    await (await claim("generate")).succeed(GENERATED)
    assert await again.result() == await first.result() == GENERATED


async def test_a_job_id_of_another_request_is_refused(producer: Producer) -> None:
    await producer.generate("count", session_id="s1", job_id="mine")
    with pytest.raises(JobIdTaken, match="mine"):
        await producer.generate("count", session_id="s2", job_id="mine")
    with pytest.raises(JobIdTaken):
        await producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1", job_id="mine")


async def test_every_method_that_enqueues_takes_a_job_id(producer: Producer, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV_BYTES)
    handles: list[JobHandle[Any]] = [
        await producer.upload(tmp_path / "a.csv", session_id="s1", job_id="j0"),
        await producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1", job_id="j1"),
        await producer.generate("count", session_id="s1", job_id="j2"),
        await producer.tables.databases(job_id="j3"),
        await producer.tables.list("d", job_id="j4"),
        await producer.tables.select("s1", [("d", "t")], job_id="j5"),
        await producer.cluster.status(job_id="j6"),
        await producer.cluster.runs(job_id="j7"),
        await producer.cluster.run("r", job_id="j8"),
        await producer.cluster.submit("print(1)", job_id="j9"),
        await producer.cluster.logs("r", job_id="j10"),
        await producer.cluster.stop("r", job_id="j11"),
        await producer.cluster.delete("r", job_id="j12"),
    ]
    assert [handle.id for handle in handles] == [f"j{number}" for number in range(13)]


async def test_a_failed_job_raises_its_own_error(producer: Producer, claim: Claim) -> None:
    handle = await producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    await (await claim("upload")).fail(StorageRejected("no such bucket", details={"bucket": "b"}))
    with pytest.raises(StorageRejected, match="no such bucket") as raised:
        await handle.result(timeout_s=5)
    assert raised.value.details == {"bucket": "b"}
    assert (await handle.wait()).status is JobStatus.FAILED
    with pytest.raises(StorageRejected):
        await producer.result(handle.id)


async def test_a_result_of_another_type_is_an_error(producer: Producer, claim: Claim) -> None:
    handle = await producer.tables.databases()
    await (await claim("upload")).succeed(UPLOADED)
    with pytest.raises(InternalError, match="UploadResult instead of a DatabasesResult"):
        await handle.result()


async def test_waiting_ends_with_the_timeout_and_the_job_continues(producer: Producer, claim: Claim) -> None:
    handle = await producer.tables.databases()
    with pytest.raises(WaitTimeout):
        await handle.result(timeout_s=0.01)
    with pytest.raises(WaitTimeout):
        await producer.wait(handle.id, timeout_s=0.01)
    assert (await handle.record()).status is JobStatus.QUEUED
    await (await claim("upload")).succeed(DatabasesResult(databases=()))
    assert (await producer.wait(handle.id)).status is JobStatus.SUCCEEDED


async def test_follow_yields_all_events_and_continues_after_the_last_one_seen(producer: Producer, claim: Claim) -> None:
    handle = await producer.tables.databases()
    claimed = await claim("upload")
    await claimed.lease.progress(Progress(stage="asking"))
    await claimed.lease.log("a line")
    await claimed.succeed(DatabasesResult(databases=()))
    events = [event async for event in handle.follow()]
    assert [event.type for event in events] == [
        EventType.STATUS,
        EventType.STATUS,
        EventType.PROGRESS,
        EventType.LOG,
        EventType.STATUS,
    ]
    assert [event async for event in producer.follow(handle.id)] == events
    assert [event async for event in producer.follow(handle.id, after=events[1].id)] == events[2:]


async def test_follow_yields_events_as_they_happen(producer: Producer, claim: Claim) -> None:
    handle = await producer.tables.databases()
    seen = []
    async with asyncio.timeout(20):
        async for event in handle.follow():
            seen.append(event.status)
            if event.status is JobStatus.QUEUED:
                claimed = await claim("upload")
            elif event.status is JobStatus.RUNNING:
                await claimed.succeed(DatabasesResult(databases=()))
    assert seen == [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED]


async def test_sources_returns_the_sources_of_a_session_and_reset_removes_them(
    producer: Producer, redis: Redis
) -> None:
    assert await producer.sources("s1") == []
    await SourceStore(redis).put("s1", [CSV, TABLE])
    assert await producer.sources("s1") == [CSV, TABLE]
    assert await producer.sources("s2") == []
    await producer.generate("count", session_id="s1", job_id="gen")
    assert await producer.reset("s1") == 2
    assert await producer.sources("s1") == []
    assert await producer.history("s1") == []
    assert (await producer.record("gen")).status is JobStatus.QUEUED


async def test_restore_puts_the_sources_of_a_job_back(producer: Producer, claim: Claim) -> None:
    await producer.generate("count", session_id="s1", job_id="gen")
    claimed = await claim("generate")
    await claimed.lease.checkpoint(CHECKPOINT)
    await claimed.fail(StorageRejected("gone"))
    assert await producer.restore("gen") == [CSV, TABLE]
    assert await producer.sources("s1") == [CSV, TABLE]


async def test_restore_of_a_job_without_sources_is_refused(producer: Producer) -> None:
    await producer.generate("count", session_id="s1", job_id="gen")
    with pytest.raises(NoSources, match="gen"):
        await producer.restore("gen")
    with pytest.raises(JobNotFound):
        await producer.restore("unknown")


async def test_unknown_jobs_are_not_found(producer: Producer) -> None:
    with pytest.raises(JobNotFound):
        await producer.record("unknown")
    with pytest.raises(JobNotFound):
        await producer.result("unknown")
    with pytest.raises(JobNotFound):
        [event async for event in producer.follow("unknown")]


async def test_the_callers_own_client_stays_open(redis: Redis) -> None:
    async with Producer(backend=RedisBackend(redis)) as producer:
        await producer.cluster.status()
    assert await redis.ping()


async def test_closing_closes_every_connection_that_was_opened(valkey: EmbeddedValkey) -> None:
    onlooker = connect(RedisSettings.model_validate({"url": valkey.url}))

    async def clients() -> set[str]:
        return {client["id"] for client in await onlooker.client_list()}

    before = await clients()
    async with Producer(redis_url=valkey.url) as producer:
        assert await clients() == before
        await producer.sources("s1")
        opened = await clients() - before
        assert opened

    async def closed() -> bool:
        return not opened & await clients()

    await until(closed)
    await onlooker.aclose()


async def test_a_closed_port_is_queue_unavailable() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{holder.getsockname()[1]}/0"
        redis = RedisSettings.model_validate({"url": url, "socket_timeout_s": 1.5, "give_up_s": 1.5})
        async with asyncio.timeout(30), Producer(backend=RedisBackend.connect(redis)) as producer:
            with pytest.raises(QueueUnavailable, match="RAYLANE_REDIS__URL"):
                await producer.cluster.status()
            with pytest.raises(QueueUnavailable):
                await producer.sources("s1")


async def test_the_redis_url_takes_precedence_over_settings_and_they_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAYLANE_REDIS__URL", "redis://127.0.0.1:1/1")
    settings = Settings(redis=RedisSettings.model_validate({"url": "redis://127.0.0.1:1/2"}))
    for producer, database in (
        (Producer(), 1),
        (Producer(settings), 2),
        (Producer(settings, redis_url="redis://127.0.0.1:1/3"), 3),
    ):
        assert producer._backend.redis.connection_pool.connection_kwargs["db"] == database
        await producer.aclose()


def test_wrong_settings_name_their_field(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match=r"redis\.url: .*schemes"):
        Producer(redis_url="http://secret:word@127.0.0.1")
    monkeypatch.setenv("RAYLANE_REDIS__GIVE_UP_S", "many")
    with pytest.raises(InvalidRequest, match="RAYLANE_REDIS__GIVE_UP_S: "):
        Producer()


def test_blocking_reads_end_before_the_socket_times_out() -> None:
    assert longest_block_s(RedisSettings(socket_timeout_s=2)) == 1
    assert longest_block_s(RedisSettings(socket_timeout_s=20, give_up_s=20)) == 5


async def test_a_source_is_removed_by_its_name(producer: Producer, redis: Redis) -> None:
    await SourceStore(redis).put("ada", [CSV, TABLE])
    await producer.remove("ada", TABLE.name)
    assert [source.name for source in await producer.sources("ada")] == [CSV.name]
    with pytest.raises(NotFound, match=rf"^session ada has no source 'x'; it has {CSV.name}"):
        await producer.remove("ada", "x")
    await producer.remove("ada", CSV.name)
    with pytest.raises(NotFound, match="it has none"):
        await producer.remove("ada", CSV.name)


async def test_a_purge_is_a_job_of_the_session_that_was_reset(producer: Producer, redis: Redis) -> None:
    await SourceStore(redis).put("ada", [CSV])
    purge = await producer.reset("ada", purge=True)
    assert await producer.sources("ada") == []
    assert [(entry.job_id, entry.action) for entry in await producer.history("ada")] == [(purge.id, "purge")]


async def test_a_rerun_takes_the_last_version_and_the_snapshot_of_the_job(producer: Producer, claim: Claim) -> None:
    await producer.generate("mean of temp", session_id="ada", execute=True, job_id="gen")
    claimed = await claim("generate")
    with pytest.raises(NoCode, match=r"job gen \(generate, running\) has no code"):
        await producer.rerun("gen")
    await claimed.lease.checkpoint(CHECKPOINT)
    again = await producer.rerun("gen", job_id="again")
    request = parse_request(await producer.record(again.id))
    assert isinstance(request, GenerateRequest)
    assert request.rerun is not None
    assert (request.rerun.code, request.rerun.sources_used) == ("second", (CSV, TABLE))
    assert (request.prompt, request.execute, request.keep_sources) == ("mean of temp", True, True)
    assert [(entry.job_id, entry.what) for entry in await producer.history("ada")] == [
        ("again", "mean of temp (again, as in gen)"),
        ("gen", "mean of temp"),
    ]


async def test_a_job_of_another_kind_cannot_be_run_again(producer: Producer) -> None:
    await producer.tables.databases(job_id="t")
    with pytest.raises(NoCode, match=r"job t \(tables, queued\) has no code"):
        await producer.rerun("t")


async def test_an_object_on_s3_is_named_and_not_read_here(producer: Producer) -> None:
    job = await producer.upload("s3://lake/in/2024.csv", session_id="ada", reading=ReadingOptions(delimiter=";"))
    request = parse_request(await producer.record(job.id))
    assert isinstance(request, ReadInPlaceRequest)
    assert (request.s3_uri, request.filename) == ("s3://lake/in/2024.csv", "2024.csv")
    assert request.reading.delimiter == ";"
    with pytest.raises(InvalidRequest, match="s3_uri: must not contain"):
        await producer.upload("s3://lake/in/../a.csv", session_id="ada")
    with pytest.raises(InvalidRequest, match=r"^data: s3://lake/a\.csv is already on S3, .*; upload it, or preview"):
        await producer.preview("s3://lake/a.csv")


@pytest.mark.parametrize("action", ["purge", "in_place"])
async def test_a_job_without_staged_bytes_is_requeued(producer: Producer, claim: Claim, action: str) -> None:
    if action == "purge":
        job_id = (await producer.reset("ada", purge=True)).id
    else:
        job_id = (await producer.upload("s3://lake/a.csv", session_id="ada")).id
    await (await claim("upload")).fail(StorageRejected("no"))
    await producer.requeue(job_id)
    assert (await producer.record(job_id)).status is JobStatus.QUEUED
