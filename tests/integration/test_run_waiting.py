"""Jobs of real workers that wait for a slot for their run on a fake cluster."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer
from raylane.testing import Address, FakeRay
from raylane_common.errors import JobCancelled, ModelMisconfigured, RunFailed
from raylane_common.ray.client import RayClient
from raylane_common.ray.settings import RaySettings
from raylane_common.redis.queue import LaneQueue
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.ray import RaySubmitRequest
from raylane_worker import run_slots as slots_module
from raylane_worker.app import run as run_worker
from raylane_worker.run_slots import FEWEST_RUNS, RunSlots
from raylane_worker.runs import line as line_module
from tests.helpers.claims import record
from tests.helpers.handler_harness import open_harness
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue
    from redis.asyncio import Redis

    from raylane_common.redis.queue import Lease
    from raylane_worker.embedded import EmbeddedValkey

SCRIPT = "print(1)"


@pytest.fixture
async def producer(redis: Redis, valkey: EmbeddedValkey) -> AsyncIterator[Producer]:
    async with Producer(redis_url=valkey.url) as opened:
        yield opened


@asynccontextmanager
async def working(valkey: EmbeddedValkey, address: Address, *, concurrency: int = 8, **ray: Any) -> AsyncIterator[None]:
    """Runs a worker of the ray lane. At the end it returns its jobs to the lane and stops."""
    settings = Settings.model_validate(
        {
            "redis": {"url": valkey.url},
            "ray": {"private_url": address.url, "poll_interval_s": 0.05, "max_runs": 1, **ray},
            "lanes": {"ray": {"concurrency": concurrency}, "drain_s": 60},
        }
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_worker(settings, [Lane.RAY], ready=ready, stop=stop))
    await asyncio.wait_for(ready.wait(), 10)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def submit(producer: Producer, *job_ids: str) -> None:
    for job_id in job_ids:
        await producer.cluster.submit(SCRIPT, job_id=job_id, session_id=job_id)


async def waits(redis: Redis, *job_ids: str) -> None:
    """Returns once exactly these jobs wait for a slot."""

    async def all_wait() -> bool:
        cluster = await redis.hkeys(keys.run_limits)  # type: ignore[misc]  # redis-py's sync/async union
        return bool(cluster) and sorted(await redis.zrange(keys.run_line(cluster[0]), 0, -1)) == sorted(job_ids)

    await until(all_wait)


async def runs(ray: FakeRay, *job_ids: str) -> None:
    """Returns once exactly these jobs have a run that has not ended."""
    wanted = {f"rl-{job_id}-1" for job_id in job_ids}
    await until(lambda: {name for name, job in ray.jobs.items() if job["status"] == "RUNNING"} == wanted)


def end_run(ray: FakeRay, job_id: str) -> None:
    ray.end(f"rl-{job_id}-1")


async def run_in_turn(producer: Producer, ray: FakeRay, *job_ids: str) -> None:
    """Lets each of these jobs have the only run, and returns once all have their result."""
    for job_id in job_ids:
        await runs(ray, job_id)
        end_run(ray, job_id)
        await producer.result(job_id, timeout_s=60)


async def holding(redis: Redis, producer: Producer, ray: FakeRay, job_id: str) -> tuple[LaneQueue, Lease]:
    """Claims a job as another worker does, and takes the only slot for it."""
    await submit(producer, job_id)
    lane = LaneQueue(redis, "ray", worker="other", lease_s=60, max_attempts={"ray": 4}, result_ttl_s=3600)
    [lease] = (await lane.claim(1)).leases
    assert ray.session_name is not None
    assert (await lease.take_run_slot(ray.session_name, 1)).is_held
    return lane, lease


async def test_a_run_starts_when_another_one_ends(
    redis: Redis, valkey: EmbeddedValkey, producer: Producer, ray: FakeRay, private: Address
) -> None:
    async with working(valkey, private):
        await submit(producer, "j1")
        await runs(ray, "j1")
        await submit(producer, "j2", "j3")
        await waits(redis, "j2", "j3")
        assert [(each.taken, each.limit, each.waiting) for each in await producer.operator.cluster_runs()] == [
            (1, 1, 2)
        ]
        progress = (await producer.record("j3")).progress
        assert progress is not None
        assert (progress.stage, progress.message) == ("waiting", "waits for a run slot: 1 of 1 taken, 2 in line")
        for job_id, following in (("j1", "j2"), ("j2", "j3")):
            end_run(ray, job_id)
            await runs(ray, following)
        end_run(ray, "j3")
        await producer.wait("j3", timeout_s=60)
    assert ray.submissions == 3


async def test_a_job_that_waits_is_cancelled_at_once_and_its_run_never_starts(
    redis: Redis, valkey: EmbeddedValkey, producer: Producer, ray: FakeRay, private: Address
) -> None:
    async with working(valkey, private):
        await submit(producer, "j1")
        await runs(ray, "j1")
        await submit(producer, "j2", "j3")
        await waits(redis, "j2", "j3")
        await producer.cancel("j2")
        with pytest.raises(JobCancelled):
            await producer.result("j2", timeout_s=60)
        await waits(redis, "j3")
        end_run(ray, "j1")
        await run_in_turn(producer, ray, "j3")
    assert ray.submissions == 2


async def test_a_worker_that_stops_returns_jobs_that_wait_without_waiting_for_them(
    redis: Redis, valkey: EmbeddedValkey, producer: Producer, ray: FakeRay, private: Address
) -> None:
    await holding(redis, producer, ray, "holder")
    async with working(valkey, private):
        await submit(producer, "j1")
        await waits(redis, "j1")
    waiting = await record(redis, "j1")
    assert (waiting.status, waiting.attempt) == ("queued", 0)
    await waits(redis)


async def test_a_lane_full_of_waiting_jobs_lets_in_the_one_that_holds_the_slot(
    redis: Redis, valkey: EmbeddedValkey, producer: Producer, ray: FakeRay, private: Address
) -> None:
    lane, lease = await holding(redis, producer, ray, "holder")
    async with working(valkey, private, concurrency=2):
        await submit(producer, "j1", "j2", "j3")
        await until(lambda: private.count("GET /api/version") > 0)
        await lane.finish([lease.returned()])
        await runs(ray, "holder")
        # The job that gave way comes back a second later, so the others' order is open.
        ray.on_start = lambda run: asyncio.get_running_loop().call_soon(ray.end, run)
        end_run(ray, "holder")
        for job_id in ("holder", "j1", "j2", "j3"):
            await producer.result(job_id, timeout_s=60)


async def test_a_lane_full_of_waiting_jobs_lets_other_jobs_through_in_turns(
    redis: Redis,
    valkey: EmbeddedValkey,
    producer: Producer,
    ray: FakeRay,
    private: Address,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_module, "_TURN_S", 0.1)
    lane, lease = await holding(redis, producer, ray, "holder")
    async with working(valkey, private, concurrency=1):
        await submit(producer, "j1")
        await waits(redis, "j1")
        status = await producer.cluster.status()
        assert (await status.result(timeout_s=60)).endpoint == "private"
        await waits(redis, "j1")
        assert (await record(redis, "j1")).attempt == 1
        await lane.finish([lease.returned()])
        await run_in_turn(producer, ray, "holder", "j1")


async def test_no_job_fails_because_it_has_waited_too_long(
    redis: Redis,
    valkey: EmbeddedValkey,
    producer: Producer,
    ray: FakeRay,
    private: Address,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line_module, "_LONGEST_PART", 0.0001)
    _, lease = await holding(redis, producer, ray, "holder")
    async with working(valkey, private):
        await submit(producer, "j1")

        async def has_given_way_twice() -> bool:
            events = await redis.xrange(keys.job_events("j1"))
            return [fields.get("status") for _, fields in events].count("scheduled") >= 2

        await until(has_given_way_twice)
        await lease.free_run_slot()
        await run_in_turn(producer, ray, "j1")
        assert (await record(redis, "j1")).attempt == 1


async def test_the_limit_can_be_set_while_workers_run(
    redis: Redis, valkey: EmbeddedValkey, producer: Producer, ray: FakeRay, private: Address
) -> None:
    async with working(valkey, private):
        await submit(producer, "j1", "j2", "j3")
        await until(lambda: ray.submissions == 1)
        await producer.settings.set("ray.max_runs", "3")
        await runs(ray, "j1", "j2", "j3")
        for job_id in ("j1", "j2", "j3"):
            end_run(ray, job_id)
            await producer.result(job_id, timeout_s=60)


async def test_a_repeated_attempt_asks_for_no_slot_if_ray_has_accepted_its_run(redis: Redis) -> None:
    async with open_harness(redis) as harness:
        job = harness.job(RaySubmitRequest(code=SCRIPT))
        attempt = asyncio.create_task(job.run())
        await until(lambda: job.stage == "running")
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        harness.ray.finish("rl-job1-1")
        await job.run()
        assert job.slots == ["taken"]


async def test_a_generate_job_frees_its_slot_while_it_writes_the_next_version(redis: Redis) -> None:
    async with open_harness(redis) as harness:
        harness.ray.ends_at_poll, harness.ray.exit_code = 1, 1
        request = GenerateRequest(prompt="average temp_max by weather", execute=True, generator="template")
        job = harness.job(request)
        with pytest.raises(RunFailed):
            await job.run()
        assert job.slots == ["taken"]
        # A template writes only one version, an agent more; the one here has no model, and fails before it writes.
        job.checkpoints.append(job.checkpoints[-1].model_copy(update={"generator": "agent"}))
        with pytest.raises(ModelMisconfigured):
            await job.run()
        assert job.slots == ["taken", "freed"]


@pytest.mark.parametrize(("asked", "reserved"), [(None, 2.0), (0.5, 0.5), (0.0, 0.0)])
async def test_what_a_request_reserves_overrides_the_setting(
    redis: Redis, asked: float | None, reserved: float
) -> None:
    async with open_harness(redis, entrypoint_num_cpus=2.0, entrypoint_memory_bytes=1000) as harness:
        harness.ray.ends_at_poll = 1
        await harness.job(RaySubmitRequest(code=SCRIPT, num_cpus=asked)).run()
        assert harness.ray.reserved == {"rl-job1-1": {"entrypoint_num_cpus": reserved, "entrypoint_memory": 1000}}


# The limit itself.


def nodes(*cpus: float | None, state: str = "ALIVE") -> list[dict[str, JsonValue]]:
    return [
        {"node_id": str(number), "state": state, "resources_total": {} if each is None else {"CPU": each}}
        for number, each in enumerate(cpus)
    ]


@asynccontextmanager
async def limiting(*addresses: str | None, **ray: Any) -> AsyncIterator[RunSlots]:
    private, public = (*addresses, None)[:2]
    settings = RaySettings.model_validate({"private_url": private, "public_url": public, **ray})
    async with RayClient(settings) as client:
        yield RunSlots(client)


@pytest.mark.parametrize(
    ("machines", "runs"),
    [
        (nodes(4.0), 4),
        (nodes(4.0, 8.0, None), 12),
        (nodes(0.5), FEWEST_RUNS),
        (nodes(None), FEWEST_RUNS),
        (nodes(1.0) + nodes(8.0, state="DEAD"), FEWEST_RUNS),
    ],
)
async def test_by_default_the_cluster_gets_one_run_per_cpu_and_at_least_two(
    ray: FakeRay, private: Address, machines: list[dict[str, JsonValue]], runs: int
) -> None:
    ray.nodes = machines
    async with limiting(private.url) as slots:
        assert await slots.limit() == (ray.session_name, runs)


async def test_the_cpus_are_counted_once_and_then_now_and_again(
    ray: FakeRay, private: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray.nodes = nodes(4.0)
    async with limiting(private.url) as slots:
        assert {limit.runs for limit in await asyncio.gather(*(slots.limit() for _ in range(20)))} == {4}
        assert private.count("GET /api/v0/nodes") == 1
    monkeypatch.setattr(slots_module, "_COUNT_CPUS_EVERY_S", 0.0)
    async with limiting(private.url) as slots:
        assert (await slots.limit()).runs == 4
        ray.nodes = nodes(4.0, 4.0)
        assert (await slots.limit()).runs == 8
        ray.error = (500, "no answer from the control store")
        assert (await slots.limit()).runs == 8, "the number that is known is kept"


async def test_a_cluster_that_does_not_tell_its_cpus_gets_two_runs(ray: FakeRay, private: Address) -> None:
    ray.error = (500, "no answer from the control store")
    async with limiting(private.url) as slots:
        assert (await slots.limit()).runs == FEWEST_RUNS


async def test_a_limit_in_the_settings_is_taken_without_a_question(private: Address) -> None:
    async with limiting(private.url, max_runs=7) as slots:
        assert (await slots.limit()).runs == 7
    assert private.count("GET /api/v0/nodes") == 0


async def test_all_addresses_of_a_cluster_share_one_limit_and_another_cluster_has_its_own(
    ray: FakeRay, private: Address, public: Address
) -> None:
    async with (
        Address(FakeRay(session_name="session_other")) as elsewhere,
        limiting(private.url) as one,
        limiting(None, public.url) as two,
        limiting(elsewhere.url) as three,
    ):
        names = [(await slots.limit()).cluster for slots in (one, two, three)]
    assert names == [ray.session_name, ray.session_name, "session_other"]


@pytest.mark.parametrize("name", [None, "a name: with spaces\n", "x" * 5000, "*"])
async def test_whatever_a_head_calls_itself_makes_a_short_plain_key(
    ray: FakeRay, private: Address, name: str | None
) -> None:
    ray.session_name = name
    async with limiting(private.url, max_runs=1) as slots:
        cluster = (await slots.limit()).cluster
    assert cluster.isalnum()
    assert len(cluster) <= 64
