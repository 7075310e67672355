"""`producer.operator.examine` beside parts that are really broken: it names them, and ends in time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer
from raylane.backend import RedisBackend
from raylane.testing import Address, FakeRay
from raylane_common.errors import InvalidRequest
from raylane_common.redis.connection import connect, keys_of
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.settings import RedisSettings, Settings
from raylane_common.wire.base import Lane
from raylane_common.wire.checks import CheckState
from raylane_common.wire.jobs import WorkerAbout
from raylane_worker.context import JobContext, Resources
from raylane_worker.doctor.model import check_model
from raylane_worker.embedded import SilentEndpoint
from tests.helpers.aws import aws_settings, closed, own_bucket, s3, silent
from tests.helpers.claims import patient_lane
from tests.helpers.lanes import a_job, worker
from tests.helpers.whole_worker import whole_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from raylane_common.settings import StorageSettings
    from raylane_common.wire.checks import Check
    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

TOKEN = "a-token-of-the-cluster"
OK, WARNING, PROBLEM, NOT_TRIED = CheckState.OK, CheckState.WARNING, CheckState.PROBLEM, CheckState.NOT_TRIED
# Everything that is checked answers within milliseconds; a busy machine gets more.
PATIENT_S = 40.0


@pytest.fixture
async def producer(redis: Redis, queue: JobQueue) -> AsyncIterator[Producer]:
    async with Producer(backend=RedisBackend(redis, queue=queue)) as opened:
        yield opened


@pytest.fixture
async def bucket(moto: EmbeddedMoto) -> StorageSettings:
    storage = own_bucket(create=False)
    async with s3(moto.url) as client:
        await client.create_bucket(Bucket=storage.bucket)
    return storage


@asynccontextmanager
async def working(
    redis: Redis, moto_url: str, storage: StorageSettings, *, lanes: Sequence[Lane] = tuple(Lane), **more: Any
) -> AsyncIterator[None]:
    """Runs a worker with these settings of Ray and others; AWS has the time limits of its defaults."""
    settings = {"storage": storage, "aws": aws_settings(moto_url, max_tries=3), **more}
    async with whole_worker(Settings.model_validate(settings), redis, lanes):
        yield


def found(checks: Sequence[Check], area: str) -> list[tuple[CheckState, str]]:
    """Returns what was found about an area."""
    return [(check.state, check.message) for check in checks if check.area == area]


def states(checks: Sequence[Check], area: str) -> set[CheckState]:
    return {state for state, _ in found(checks, area)}


async def test_a_healthy_deployment_has_no_problem_and_nothing_is_left(
    redis: Redis, producer: Producer, moto: EmbeddedMoto, bucket: StorageSettings
) -> None:
    cluster = FakeRay(token=TOKEN)
    async with Address(cluster) as private, Address(cluster) as public:
        addresses = {"private_url": private.url, "public_url": public.url, "token": TOKEN}
        async with working(redis, moto.url, bucket, ray=addresses):
            checks = await producer.operator.examine(timeout_s=PATIENT_S)
    assert [check for check in checks if check.state not in (OK, NOT_TRIED)] == []
    areas = [check.area for check in checks]
    assert list(dict.fromkeys(areas)) == [
        *("Redis", "clock", "workers", "S3", "Glue", "STS", "model"),
        *("Ray private", "Ray public", "Ray"),
    ]
    [(_, told)] = found(checks, "Ray private")
    assert private.url in told
    assert "token accepted" in told
    [lanes] = [check.lanes for check in checks if check.area == "S3"]
    assert set(lanes) == {"upload", "generate", "ray"}
    assert await producer.operator.jobs() == []
    assert [lane.dead for lane in await producer.operator.lanes()] == [0, 0, 0]
    async with s3(moto.url) as client:
        assert "Contents" not in await client.list_objects_v2(Bucket=bucket.bucket)


async def test_without_a_worker_it_says_so_and_enqueues_nothing(redis: Redis, producer: Producer) -> None:
    checks = await producer.operator.examine()
    assert found(checks, "workers") == [(PROBLEM, "no worker runs")]
    assert await redis.keys(keys_of(redis).job("*")) == []


async def test_a_lane_without_a_worker_is_named_and_the_others_are_checked(
    redis: Redis, producer: Producer, moto: EmbeddedMoto, bucket: StorageSettings
) -> None:
    async with working(redis, moto.url, bucket, lanes=[Lane.UPLOAD]):
        checks = await producer.operator.examine(timeout_s=PATIENT_S)
    assert found(checks, "workers")[:2] == [
        (PROBLEM, "no worker takes the lane generate"),
        (PROBLEM, "no worker takes the lane ray"),
    ]
    assert states(checks, "S3") == {OK}


async def test_each_address_of_ray_is_told_by_itself(
    redis: Redis, producer: Producer, moto: EmbeddedMoto, bucket: StorageSettings
) -> None:
    async with Address(FakeRay()) as public:
        addresses: dict[str, object] = {"private_url": closed(), "public_url": public.url}
        async with working(redis, moto.url, bucket, ray=addresses, lanes=[Lane.RAY]):
            checks = await producer.operator.examine(timeout_s=PATIENT_S)
    [(state, told)] = found(checks, "Ray private")
    assert state is WARNING
    assert "Connection refused" in told
    assert states(checks, "Ray public") == {OK}


async def test_a_wrong_token_and_a_page_in_place_of_ray_are_problems(
    redis: Redis, producer: Producer, moto: EmbeddedMoto, bucket: StorageSettings
) -> None:
    async with Address(FakeRay(token="another")) as private:
        addresses = {"private_url": private.url, "public_url": moto.url, "token": TOKEN}
        async with working(redis, moto.url, bucket, ray=addresses, lanes=[Lane.RAY]):
            checks = await producer.operator.examine(timeout_s=PATIENT_S)
    [(state, told)] = found(checks, "Ray private")
    assert state is PROBLEM
    assert "refused the credentials" in told
    assert "RAYLANE_RAY__TOKEN" in told
    [(state, told)] = found(checks, "Ray public")
    assert state is PROBLEM
    assert "not Ray" in told
    assert TOKEN not in "".join(check.model_dump_json() for check in checks)


async def test_addresses_of_different_clusters_are_a_problem(
    redis: Redis, producer: Producer, moto: EmbeddedMoto, bucket: StorageSettings
) -> None:
    async with Address(FakeRay(session_name="session_a")) as one, Address(FakeRay(session_name="session_b")) as two:
        addresses: dict[str, object] = {"private_url": one.url, "public_url": two.url}
        async with working(redis, moto.url, bucket, ray=addresses, lanes=[Lane.RAY]):
            checks = await producer.operator.examine(timeout_s=PATIENT_S)
    assert (
        PROBLEM,
        "the addresses lead to different clusters: private leads to session_a, public leads to session_b",
    ) in found(checks, "Ray")


async def test_a_missing_bucket_is_a_problem_and_the_catalog_is_still_checked(
    redis: Redis, producer: Producer, moto: EmbeddedMoto
) -> None:
    async with working(redis, moto.url, own_bucket(create=False), lanes=[Lane.UPLOAD, Lane.GENERATE]):
        checks = await producer.operator.examine(timeout_s=PATIENT_S)
    [(state, told)] = found(checks, "S3")  # and not one of each lane
    assert state is PROBLEM
    assert "RAYLANE_STORAGE__BUCKET" in told
    assert states(checks, "Glue") == {OK}


async def test_without_an_address_of_ray_the_settings_are_named(
    redis: Redis, producer: Producer, moto: EmbeddedMoto, bucket: StorageSettings
) -> None:
    async with working(redis, moto.url, bucket, lanes=[Lane.RAY]):
        checks = await producer.operator.examine(timeout_s=PATIENT_S)
    assert found(checks, "Ray") == [(PROBLEM, "no address is set")]


@pytest.mark.parametrize(
    ("model", "state", "words"),
    [
        ({"model": "llamacpp:m"}, OK, "whether its service takes the credentials"),
        ({"model": "llamacpp:m", "model_endpoint_url": closed()}, PROBLEM, "does not answer"),
        ({"model": "llamacpp:m", "model_endpoint_url": "nowhere"}, PROBLEM, "it is no address"),
        ({}, OK, "templates write the code"),
    ],
)
async def test_a_model_is_checked_as_far_as_that_costs_nothing(
    moto: EmbeddedMoto, model: dict[str, str], state: CheckState, words: str
) -> None:
    settings = Settings.model_validate({"generation": {"model_endpoint_url": moto.url} | model})
    resources = Resources(settings, None, None, None)  # type: ignore[arg-type]  # a model needs none of them
    ctx = JobContext(None, None, resources)  # type: ignore[arg-type]  # as above
    [check] = await check_model(ctx, PATIENT_S)
    assert check.state is state
    assert words in check.message


async def test_everything_that_hangs_at_once_is_told_in_time(redis: Redis, producer: Producer) -> None:
    async with AsyncExitStack() as stack:
        aws, ray = await stack.enter_async_context(silent()), await stack.enter_async_context(SilentEndpoint())
        other, model = await stack.enter_async_context(SilentEndpoint()), await stack.enter_async_context(silent())
        settings = {"private_url": ray.url, "public_url": other.url, "connect_timeout_s": 60}
        generation = {"model": "llamacpp:m", "model_endpoint_url": model.replace("http://", "https://")}
        await stack.enter_async_context(
            working(redis, aws, own_bucket(create=False), ray=settings, generation=generation)
        )
        async with asyncio.timeout(PATIENT_S):
            checks = await producer.operator.examine(timeout_s=4)
    # A busy machine may load the libraries of a lane for so long that the whole lane is told, also before it takes the
    # job of the checks.
    told = [message for _, message in found(checks, "workers")]
    late = any("did not end within" in message or "was not checked" in message for message in told)
    for area in ("S3", "Glue", "Ray", "model"):
        seen = {check.state for check in checks if check.area.startswith(area)}
        assert seen or late, area
        assert seen <= {PROBLEM, NOT_TRIED}, area
    assert states(checks, "Redis") == {OK}


async def test_a_redis_that_is_silent_or_refuses_the_password_is_told(redis: Redis, valkey: EmbeddedValkey) -> None:
    async with SilentEndpoint() as endpoint:
        limits = {"connect_timeout_s": 1, "socket_timeout_s": 2, "give_up_s": 30}
        checks = await _examined({"url": f"redis://127.0.0.1:{endpoint.port}", **limits}, timeout_s=2)
        assert found(checks, "Redis") == [(PROBLEM, "no answer within 0.6 s")]
        assert states(checks, "workers") == {NOT_TRIED}
    checks = await _examined({"url": valkey.url, "username": "nobody", "password": "wrong"})
    [(state, told)] = found(checks, "Redis")
    assert state is PROBLEM
    assert "RAYLANE_REDIS__PASSWORD" in told
    assert "wrong" not in told.replace("WRONGPASS", "")
    assert found(checks, "workers") == [(NOT_TRIED, "and what they use, because of Redis")]


async def test_a_user_that_may_not_ask_is_told_the_command(redis: Redis, valkey: EmbeddedValkey) -> None:
    await redis.execute_command("ACL", "SETUSER", "small", "on", ">p", "~*", "&*", "+@all", "-info")  # type: ignore[no-untyped-call]
    try:
        checks = await _examined({"url": valkey.url, "username": "small", "password": "p"})
    finally:
        await redis.execute_command("ACL", "DELUSER", "small")  # type: ignore[no-untyped-call]
    assert [state for state, _ in found(checks, "Redis")] == [OK, NOT_TRIED]
    [hint] = [check.hint for check in checks if check.state is NOT_TRIED]
    assert "+info" in hint
    assert states(checks, "workers") == {PROBLEM}


async def test_a_full_memory_and_a_policy_that_deletes_jobs_are_problems(redis: Redis, producer: Producer) -> None:
    await LaneQueue(redis, "ray", worker="host-1", lease_s=2, max_attempts={}, result_ttl_s=3600).beat(60)
    try:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        policy = await producer.operator.examine(timeout_s=1)
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", "1mb")
        full = await producer.operator.examine(timeout_s=3)
    finally:
        await redis.config_set("maxmemory", "0")
        await redis.config_set("maxmemory-policy", "noeviction")
    assert (WARNING, "when its memory is full, it deletes keys (maxmemory-policy allkeys-lru), and so jobs") in found(
        policy, "Redis"
    )
    [(_, told)] = [each for each in found(full, "Redis") if each[0] is PROBLEM]
    assert told.startswith("its memory is full, so it takes no jobs")
    assert PROBLEM in states(full, "workers")


async def test_a_worker_of_another_version_is_named(redis: Redis, producer: Producer) -> None:
    queues = [
        LaneQueue(redis, "upload", worker=name, lease_s=2, max_attempts={}, result_ttl_s=3600)
        for name in ("host-1", "host-2", "host-3")
    ]
    for queue, about in zip(
        queues, (WorkerAbout(version="0.0.7", started_at=1).model_dump_json(), "", '{"version": {}}'), strict=True
    ):
        await queue.beat(60, about)
    checks = await producer.operator.examine(timeout_s=1)
    told = {message.partition(" ")[0]: (state, message) for state, message in found(checks, "workers")}
    assert told["host-1"][0] is WARNING
    assert "with version 0.0.7; here is " in told["host-1"][1]
    for name in ("host-2", "host-3"):
        assert told[name][0] is WARNING
        assert "unknown" in told[name][1]


async def test_a_worker_that_knows_no_checks_and_a_busy_one_are_no_problems(redis: Redis, producer: Producer) -> None:
    async def refuse(request: Any, ctx: JobContext) -> DatabasesResult:
        raise InvalidRequest.field("action", "must be one of upload, preview")

    async with worker(redis, refuse) as running:
        await running.heart_beat()
        checks = await producer.operator.examine(timeout_s=PATIENT_S)
    assert (NOT_TRIED, "the worker of the lane upload is older and knows no checks") in found(checks, "workers")

    started = asyncio.Event()

    async def hang(request: Any, ctx: JobContext) -> DatabasesResult:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with worker(redis, hang, concurrency=1) as running:
        await running.heart_beat()
        await producer._backend.queue.enqueue(a_job())
        await asyncio.wait_for(started.wait(), PATIENT_S)
        checks = await producer.operator.examine(timeout_s=2)
    assert (WARNING, "all workers of the lane upload are busy, so what its jobs use was not checked") in found(
        checks, "workers"
    )


async def test_old_jobs_and_dead_letters_are_told(redis: Redis, queue: JobQueue, producer: Producer) -> None:
    job_id = await queue.enqueue(a_job())
    await redis.hset(keys_of(redis).job(job_id), "enqueued_at", "1")  # type: ignore[misc]  # an asynchronous client
    await patient_lane(redis).beat(60)
    checks = await producer.operator.examine(timeout_s=1)
    assert any("has waited for" in message for _, message in found(checks, "workers"))


@pytest.mark.parametrize("timeout_s", [0, 0.5, 61, float("nan"), "10", None])
async def test_a_wrong_limit_is_refused(producer: Producer, timeout_s: Any) -> None:
    with pytest.raises(InvalidRequest, match="timeout_s"):
        await producer.operator.examine(timeout_s=timeout_s)


async def _examined(settings: dict[str, object], timeout_s: float = 10) -> list[Check]:
    redis = connect(RedisSettings.model_validate(settings))
    try:
        async with asyncio.timeout(PATIENT_S), Producer(backend=RedisBackend(redis)) as producer:
            return await producer.operator.examine(timeout_s=timeout_s)
    finally:
        await redis.aclose()


def _about(at_ms: int, **settings: str) -> WorkerAbout:
    version = metadata.version("raylane")
    return WorkerAbout(version=version, started_at=1, at_ms=at_ms, beat_ms=60_000, settings=settings)


async def test_all_living_workers_are_compared(redis: Redis, producer: Producer) -> None:
    """In their settings and their clocks. Those of another lane may be set up differently."""
    seconds, micros = await redis.time()
    now_ms = seconds * 1000 + micros // 1000
    same = {"storage.bucket": "b", "ray.token": "set"}
    said = {
        "w1": ("ray", _about(now_ms, **same)),
        "w2": ("ray", _about(now_ms, **same)),
        "w3": ("ray", _about(now_ms + 60_000, **{"storage.bucket": "other\nbucket"})),
        "w4": ("upload", _about(now_ms, **{"storage.bucket": "mine"})),
        "w5": ("ray", WorkerAbout(version=metadata.version("raylane"), started_at=1)),
    }
    for name, (lane, about) in said.items():
        queue = LaneQueue(redis, lane, worker=name, lease_s=1, max_attempts={}, result_ttl_s=60)
        await queue.beat(60, about.model_dump_json())
    checks = await producer.operator.examine(timeout_s=1)
    differ = [(check.message, check.lanes) for check in checks if "differs" in check.message]
    assert differ == [
        ("ray.token differs: w1, w2: set; w3: not set", ("ray",)),
        ("storage.bucket differs: w1, w2: b; w3: other\\nbucket", ("ray",)),
    ]
    assert (NOT_TRIED, "w5: of an older version, which does not say its settings and its clock") in found(
        checks, "workers"
    )
    clocks = found(checks, "clock")
    [late] = [message for state, message in clocks if state is WARNING]
    assert late.startswith("the clock of w3 is ")
    assert {message for _, message in clocks} >= {
        f"the clocks of {name} and of Redis agree to within 2 s" for name in ("w1", "w4")
    }


async def test_a_worker_says_its_settings_and_its_clock_without_secrets(
    redis: Redis, producer: Producer, moto: EmbeddedMoto, bucket: StorageSettings
) -> None:
    ray = {"private_url": "http://ray:8265", "token": TOKEN}
    async with working(redis, moto.url, bucket, ray=ray, lanes=[Lane.RAY]):
        [one] = await producer.operator.workers()
        assert one.about is not None
        assert one.about.settings is not None
        assert one.about.settings["storage.bucket"] == bucket.bucket
        assert one.about.settings["ray.token"] == "set"
        assert TOKEN not in one.about.model_dump_json()
        assert one.ahead_s == pytest.approx(0, abs=2)
