"""The users of Redis that the documentation describes: what each of them can do, and what it cannot."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, get_args

import pytest
from redis.exceptions import NoPermissionError

from raylane import Producer
from raylane.backend import RedisBackend
from raylane.options import new_job
from raylane_common.errors import InternalError, QueueUnavailable, StorageUnavailable
from raylane_common.redis.connection import keys_of
from raylane_common.redis.queue import QueueOverview
from raylane_common.redis.queue.heartbeats import ask_to_drain, living_workers
from raylane_common.redis.queue.scripts import Name, source
from raylane_common.redis.queue.scripts.calls import FileUpload
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import RedisSettings, SessionsSettings, Settings
from raylane_common.wire.audit import AuditEntry
from raylane_common.wire.base import JobKind, Lane, RetryPolicy
from raylane_common.wire.generate import Checkpoint, GenerateRequest
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.ray import RayStatusRequest
from raylane_common.wire.sources import Column, ColumnType, FileSource
from raylane_common.wire.tables import SelectTablesRequest
from raylane_common.wire.upload import UploadRequest
from raylane_worker.app import run
from raylane_worker.context import Handler
from raylane_worker.embedded import HOST
from tests.helpers.acl import OPERATOR, PRODUCER, WORKER, documented_rules, password_of
from tests.helpers.lanes import DONE, worker
from tests.helpers.redis_clients import client_of, client_of_settings, refused
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext
    from raylane_worker.embedded import EmbeddedValkey


SCRIPTS: dict[str, list[Name]] = {
    PRODUCER: ["enqueue", "cancel", "requeue", "put_sources", "wake_reader", "mark"],
    OPERATOR: ["enqueue", "cancel", "requeue", "put_sources", "change_setting", "wake_reader", "mark"],
    WORKER: [
        "claim",
        "renew",
        "note",
        "take_run_slot",
        "free_run_slot",
        "finish",
        "sweep",
        "mend",
        "beat",
        "ask_to_drain",
        "claim_upload",
        "put_sources",
        "clear_sources",
        "purge_sources",
        "mark",
    ],
}
SOURCE = FileSource(
    filename="a.csv",
    s3_uri="s3://b/sessions/s/csv/a.csv",
    size_bytes=3,
    rows=1,
    columns=(Column(name="x", type=ColumnType.INTEGER, native_type="int64"),),
    job_id="j",
)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """The prefix of the keys. A test that is parametrized with `prefix` chooses another one."""
    return getattr(request, "param", "")


@pytest.fixture
def rules(prefix: str) -> dict[str, list[str]]:
    """The rules that the documentation gives to each user."""
    return documented_rules(prefix)


@pytest.fixture
async def admin(redis: Redis, rules: dict[str, list[str]]) -> AsyncIterator[Redis]:
    """A connection with all rights to a server with the documented users. A denied command fails the test."""
    await redis.acl_log_reset()
    for user, granted in rules.items():
        await acl(redis, "SETUSER", user, *granted)
    try:
        yield redis
    finally:
        denied = await redis.acl_log()
        await redis.acl_log_reset()
        await acl(redis, "DELUSER", *rules)
    assert [(entry["username"], entry["context"], entry["object"]) for entry in denied] == []


async def acl(admin: Redis, *words: str) -> None:
    await admin.execute_command("ACL", *words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


def as_user(valkey: EmbeddedValkey, user: str, prefix: str = "") -> RedisSettings:
    login = {"username": user, "password": password_of(user)}
    return RedisSettings.model_validate({"url": valkey.url, "prefix": prefix} | login)


async def do_what_a_handler_may(request: Any, ctx: JobContext) -> DatabasesResult:
    await ctx.progress("reading", done=1, total=2)
    await ctx.text("piece")
    await ctx.port.log("line")
    await ctx.port.checkpoint(Checkpoint(sources_used=(SOURCE,), generator="template"))
    if isinstance(request, UploadRequest):
        assert await ctx.port.body() == b"a,b"
    if isinstance(request, RayStatusRequest):
        await asyncio.Event().wait()
    if isinstance(request, GenerateRequest) and ctx.record.attempt == 1:
        raise StorageUnavailable("try again")
    if isinstance(request, SelectTablesRequest):
        raise InternalError("a dead letter")
    return DONE


async def be_a_producer(producer: Producer) -> None:
    upload = await producer.upload_bytes(b"a,b", filename="a.csv", session_id="s")
    generate = await producer.generate("go", session_id="s", after=[upload], unique="u", priority="high", expires_s=60)
    assert [event async for event in producer.follow(generate.id)][-1].status is JobStatus.SUCCEEDED
    assert await producer.result(generate.id) == DONE
    assert len(await producer.attempts(generate.id)) == 1

    status, later = new_job(RayStatusRequest()), new_job(RayStatusRequest(), delay_s=60)
    assert [job.error for job in await producer.enqueue_many([status, later])] == [None, None]
    await until(lambda: _has_status(producer, status.id, JobStatus.RUNNING))
    for job in (status, later):
        await producer.cancel(job.id)
        assert (await producer.wait(job.id, timeout_s=60)).status is JobStatus.CANCELLED
    await producer.requeue(later.id)
    await until(lambda: _has_status(producer, later.id, JobStatus.RUNNING))
    await producer.cancel(later.id)

    dead = await producer.tables.select("s", [("shop", "orders")])
    assert (await dead.wait(timeout_s=60)).status is JobStatus.FAILED
    assert [record.id for record in await producer.operator.dead_letters()] == [dead.id]
    assert [requeued.error for requeued in await producer.operator.requeue_dead()] == [None]
    await dead.wait(timeout_s=60)
    assert len(await producer.operator.lanes()) == 3
    assert await producer.operator.jobs(session_id="s")

    assert await producer.restore(generate.id) == await producer.sources("s") == [SOURCE]
    assert len(await producer.history("s")) == 3
    assert await producer.reset("s") == 1
    await producer.operator.add_to_audit([AUDITED], keep=10, ttl_s=60)


AUDITED = AuditEntry(at_ms=1, caller="ada", method="POST", route="/v1/jobs", status=202)


async def be_an_operator(producer: Producer, caplog: pytest.LogCaptureFixture) -> None:
    await be_a_producer(producer)
    checks = await producer.operator.examine(timeout_s=20)
    assert [check for check in checks if check.area == "Redis" and check.state == "not_tried"] == []
    await producer.settings.set("ray.max_runs", "3")
    assert await producer.settings.all() == {"ray.max_runs": "3"}
    # A busy worker that reads the settings only after both changes finds none, and logs none.
    await until(lambda: "settings changed: ray.max_runs=3" in caplog.text)
    await producer.settings.unset("ray.max_runs")
    await until(lambda: "settings changed: none" in caplog.text)
    assert [entry.caller for entry in await producer.operator.audit()] == ["ada"]


async def _has_status(producer: Producer, job_id: str, status: JobStatus) -> bool:
    return (await producer.record(job_id)).status is status


@asynccontextmanager
async def be_a_worker(settings: Settings) -> AsyncIterator[None]:
    """A worker with two lanes as the program runs it, and one that needs no AWS; it is asked to drain at the end."""
    ready, stop = asyncio.Event(), asyncio.Event()
    handlers = dict.fromkeys(JobKind, Handler(do_what_a_handler_may))
    async with client_of_settings(settings.redis) as client, worker(client, do_what_a_handler_may, max_attempts=2):
        running = asyncio.create_task(
            run(settings, [Lane.GENERATE, Lane.RAY], ready=ready, stop=stop, handlers=handlers)
        )
        try:
            await asyncio.wait({running, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
            yield
            store = SourceStore(client)
            await store.claim("w", FileUpload(SOURCE.filename, SOURCE.job_id, 0, 1), SessionsSettings())
            await store.put("w", [SOURCE])
            assert await store.clear("w", await store.all("w")) == 1
            # For its metrics.
            overview = QueueOverview(client)
            assert len(await overview.lanes()) == len(Lane)
            await overview.cluster_runs()
            await overview.ended_jobs()
            await until(lambda: _swept(client))
            [name] = await living_workers(client, socket.gethostname())
            await ask_to_drain(client, name)
            async with asyncio.timeout(30):
                await running
        finally:
            stop.set()
            await asyncio.gather(running, return_exceptions=True)


async def _swept(client: Redis) -> bool:
    found: int = await client.exists(*(keys_of(client).janitor(lane) for lane in Lane))
    return found == len(Lane)


@pytest.mark.parametrize(
    ("prefix", "user"), [("", PRODUCER), ("acme", PRODUCER), ("acme", OPERATOR)], indirect=["prefix"]
)
async def test_the_documented_users_can_do_all_that_they_are_for_and_little_else(
    valkey: EmbeddedValkey,
    admin: Redis,
    rules: dict[str, list[str]],
    prefix: str,
    user: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await admin.config_resetstat()
    await admin.script_flush()
    policy = RetryPolicy(backoff_base_s=0.01)
    settings = Settings(redis=as_user(valkey, WORKER, prefix), retries={JobKind.GENERATE: policy})
    backend = RedisBackend.connect(as_user(valkey, user, prefix))
    async with be_a_worker(settings), Producer(backend=backend) as producer:
        async with asyncio.timeout(60):
            await (be_a_producer(producer) if user == PRODUCER else be_an_operator(producer, caplog))
    used = {name.removeprefix("cmdstat_") for name in await admin.info("commandstats")}
    for present in (user, WORKER):
        rights = {rule.removeprefix("+") for rule in rules[present] if rule.startswith("+")}
        # Needed for a database other than 0, and for a connection that was idle.
        assert rights - used - called_by_scripts(present) - {"select", "ping"} == set()


def called_by_scripts(user: str) -> set[str]:
    scripts = "".join(source(script, "") for script in SCRIPTS[user])
    found = re.findall(r"(?:call|own)\('([A-Z]+)'(?:, '(STREAM)')?", scripts)
    called = {"|".join(filter(None, words)).lower() for words in found}
    # Only workers take the step that asks for it.
    return called if user == WORKER else called - {"info"}


def test_every_command_of_the_scripts_is_granted(rules: dict[str, list[str]]) -> None:
    assert {script for scripts in SCRIPTS.values() for script in scripts} == set(get_args(Name))
    for user, granted in rules.items():
        assert called_by_scripts(user) - {rule.removeprefix("+") for rule in granted} == set()


def test_every_key_of_the_scripts_is_granted_and_hardly_any_other(rules: dict[str, list[str]]) -> None:
    # Steps that only workers take, and keys that no script reads.
    of_workers, read_by_python = {"raylane:pulse:", "raylane:replaced:"}, {"raylane:workers:", "raylane:audit"}
    expected = {
        PRODUCER: (of_workers, read_by_python),
        OPERATOR: (of_workers, read_by_python),
        WORKER: (set[str](), {"raylane:settings", "raylane:settings:changed", "raylane:cancel:"}),
    }
    for user, rules_of_user in rules.items():
        granted = {re.sub("^(%[RW]~|~|&)", "", rule).removesuffix("*") for rule in rules_of_user if rule[0] in "%~&"}
        scripts = "".join(source(script, "") for script in SCRIPTS[user])
        used = set(re.findall("'((?:raylane|arq):[a-z:-]*)'", scripts))
        missing = {key for key in used if not key.startswith(tuple(granted))}
        unused = {start for start in granted if not any(key.startswith(start) for key in used)}
        assert (missing, unused) == expected[user]


@pytest.mark.parametrize("prefix", ["", "acme"], indirect=True)
@pytest.mark.parametrize("user", [PRODUCER, OPERATOR, WORKER])
async def test_a_documented_user_reaches_nothing_else(
    valkey: EmbeddedValkey, admin: Redis, user: str, prefix: str
) -> None:
    other = "{acme}:raylane:job:j" if not prefix else "raylane:job:j"
    async with client_of_settings(as_user(valkey, user)) as client:
        for command in (
            "GET mine",
            f"HGETALL {other}",
            "FLUSHALL",
            "CONFIG GET *",
            "KEYS *",
            "ACL LIST",
            "PUBLISH mine x",
            "SHUTDOWN",
        ):
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command.split())  # type: ignore[no-untyped-call]  # as above
    await admin.acl_log_reset()


OF_WORKERS = (
    "SET raylane:drain:w 1",
    "ZADD raylane:workers:ray 1 w",
    "ZREM raylane:running:ray j",
    "SET raylane:claim:t j",
    "SET raylane:janitor:ray w",
    "DEL raylane:pulse:ray",
    "DEL raylane:replaced:ray",
)
FORBIDDEN = {
    PRODUCER: (
        *OF_WORKERS,
        "HSET raylane:settings ray.private_url http://127.0.0.1:1",
        "HDEL raylane:settings ray.private_url",
        "DEL raylane:settings",
        "SET raylane:settings x",
        "HGETALL raylane:settings",
        "PUBLISH raylane:settings:changed ray.private_url",
        "XREVRANGE raylane:audit + -",
    ),
    OPERATOR: OF_WORKERS,
    WORKER: (
        "XADD raylane:audit * a b",
        "HSET raylane:settings a b",
        "HDEL raylane:settings a",
        "DEL raylane:settings",
        "SET raylane:settings x",
    ),
}


@pytest.mark.parametrize("user", FORBIDDEN)
async def test_no_user_gets_at_the_keys_of_another_one_not_even_by_a_script_of_its_own(
    valkey: EmbeddedValkey, admin: Redis, user: str
) -> None:
    await admin.hset("raylane:settings", "ray.max_runs", "8")  # type: ignore[misc]  # redis-py's sync/async union
    async with client_of_settings(as_user(valkey, user)) as client:
        digest = await client.script_load("return redis.call(unpack(ARGV))")
        for command in map(str.split, FORBIDDEN[user]):
            for sent in (command, ["EVALSHA", digest, "1", "raylane:route", *command]):
                with pytest.raises(NoPermissionError):
                    await client.execute_command(*sent)  # type: ignore[no-untyped-call]  # as above
    assert await admin.keys() == ["raylane:settings"]
    assert await admin.hgetall("raylane:settings") == {"ray.max_runs": "8"}  # type: ignore[misc]  # as above
    await admin.delete("raylane:settings")
    await admin.acl_log_reset()


async def test_a_producer_is_refused_the_settings_at_once_and_changes_nothing(
    valkey: EmbeddedValkey, admin: Redis
) -> None:
    async with Producer(backend=RedisBackend.connect(as_user(valkey, PRODUCER))) as producer:
        settings = producer.settings
        for verb in (settings.set("ray.max_runs", "9"), settings.unset("ray.max_runs"), settings.all()):
            with pytest.raises(
                QueueUnavailable, match=r"no permission to (change a setting|read the settings)"
            ) as raised:
                await verb
            assert not raised.value.retryable
    assert await admin.exists("raylane:settings") == 0
    await admin.acl_log_reset()


async def test_a_missing_right_is_named_at_once(valkey: EmbeddedValkey, admin: Redis) -> None:
    await acl(admin, "SETUSER", PRODUCER, "-evalsha", "-zadd")
    async with Producer(backend=RedisBackend.connect(as_user(valkey, PRODUCER))) as producer:
        for missing in ("evalsha", "zadd"):
            with pytest.raises(QueueUnavailable, match=rf"{PRODUCER} .*'{missing}'.*docs/operations\.md") as raised:
                await producer.cluster.status()
            assert not raised.value.retryable
            await acl(admin, "SETUSER", PRODUCER, f"+{missing}")
    await admin.acl_log_reset()


async def test_a_wrong_password_is_refused_at_once_with_the_setting(valkey: EmbeddedValkey, admin: Redis) -> None:
    async with client_of(valkey.url, username=PRODUCER, password="guess") as client:
        message = await refused(client)
    assert "RAYLANE_REDIS__PASSWORD" in message
    assert "guess" not in message
    await admin.acl_log_reset()


async def test_a_unix_socket_works_and_its_wrong_password_is_refused_too(
    valkey: EmbeddedValkey, admin: Redis, tmp_path: Path
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, commands = await asyncio.open_connection(HOST, valkey.port)
        ways = {asyncio.create_task(pump(reader, commands)), asyncio.create_task(pump(answers, writer))}
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        commands.close()
        writer.close()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)

    path = tmp_path / "s"
    async with await asyncio.start_unix_server(serve, path):
        async with client_of(f"unix://{path}") as client:
            assert await client.set("k", "v", ex=60)
        async with client_of(f"unix://{path}", username=PRODUCER, password="guess") as client:
            assert "RAYLANE_REDIS__PASSWORD" in await refused(client)
    await admin.acl_log_reset()


async def test_a_server_that_asks_for_a_login_says_so(valkey: EmbeddedValkey, admin: Redis) -> None:
    await acl(admin, "SETUSER", "default", "off")
    try:
        async with client_of(valkey.url) as client:
            assert "RAYLANE_REDIS__PASSWORD" in await refused(client)
    finally:
        await acl(admin, "SETUSER", "default", "on")
    await admin.acl_log_reset()


async def test_the_password_may_be_in_a_file_and_the_url_overrides_it(
    valkey: EmbeddedValkey, admin: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "redis__password").write_text("PRODUCER-PASSWORD\n")
    monkeypatch.setenv("RAYLANE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("RAYLANE_REDIS__USERNAME", PRODUCER)
    monkeypatch.setenv("RAYLANE_REDIS__URL", valkey.url)
    async with client_of_settings(Settings().redis) as client:
        await refused(client)
    monkeypatch.setenv("RAYLANE_REDIS__URL", valkey.url.replace("//", f"//{WORKER}:WORKER-PASSWORD@"))
    async with client_of_settings(Settings().redis) as client:
        await refused(client)
    assert [entry["username"] for entry in await admin.acl_log()] == [WORKER, PRODUCER]
    await admin.acl_log_reset()
