"""A real worker is scraped while it runs real jobs: its numbers are those of the jobs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer
from raylane.testing import Address, FakeRay
from raylane_common.errors import (
    InternalError,
    InvalidRequest,
    JobCancelled,
    MissingPackage,
    RunNotFound,
    StorageRejected,
    StorageUnavailable,
)
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.settings import Settings
from raylane_common.telemetry import health, queue
from raylane_common.telemetry.definitions import WORKER_METRICS
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.jobs import NewJob
from raylane_common.wire.ray import RayDeleteRequest, RayDeleteResult
from raylane_worker.app import run
from raylane_worker.context import Handler
from raylane_worker.embedded import HOST, REGION, embedded_valkey
from raylane_worker.handlers import HANDLERS
from tests.helpers.aws import aws_settings, closed, own_bucket
from tests.helpers.bedrock import BedrockStub, answer, tool_result
from tests.helpers.scrape import address_in, probe, scrape
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from redis.asyncio import Redis

    from raylane_worker.context import Handlers, JobContext
    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

MODEL = "bedrock:amazon.nova-pro-v1:0"
RETRIES = {"ray": {"max_attempts": 2, "backoff_base_s": 0.01, "backoff_cap_s": 0.02}}


@asynccontextmanager
async def working(
    valkey: EmbeddedValkey,
    caplog: pytest.LogCaptureFixture,
    handlers: Handlers = HANDLERS,
    *,
    taken: list[Lane] | None = None,
    stop: asyncio.Event | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> AsyncIterator[str]:
    """Runs a worker of the ray lane, or those `taken`, with metrics at a free port; yields its address."""
    caplog.set_level("INFO", logger="raylane")
    given = {"redis": {"url": valkey.url}, "telemetry": {"port": 0}, "retries": RETRIES, **settings}
    ready, stop = asyncio.Event(), stop or asyncio.Event()
    running = asyncio.create_task(
        run(Settings.model_validate(given), taken or [Lane.RAY], ready=ready, stop=stop, handlers=handlers)
    )
    try:
        await asyncio.wait({running, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield address_in(caplog)
    finally:
        stop.set()
        await running


class Script:
    """A handler that does what the id of the run to delete says, and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.release = asyncio.Event()

    async def run(self, request: Any, ctx: JobContext) -> RayDeleteResult:
        assert isinstance(request, RayDeleteRequest)
        what = request.submission_id
        self.calls.append(what)
        match what:
            case "waits":
                await self.release.wait()
            case "fails":
                raise StorageRejected("no such bucket")
            case "dies":
                raise StorageUnavailable("try again")
            case "recovers" if self.calls.count(what) == 1:
                raise RunNotFound("not yet", retryable=True)
            case "bug":
                raise ZeroDivisionError
        return RayDeleteResult(deleted=True)

    @property
    def handlers(self) -> Handlers:
        return {JobKind.RAY: Handler(self.run)}


async def test_the_counts_of_a_worker_are_those_of_its_jobs(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "KEPT_S", 0.0)
    script = Script()
    async with (
        working(valkey, caplog, script.handlers) as url,
        Producer(redis_url=valkey.url) as producer,
    ):
        before = await scrape(url)
        outcomes = ("succeeded", "failed", "dead", "cancelled")
        assert [before("raylane_jobs_ended_total", lane="ray", kind="ray", outcome=it) for it in outcomes] == [0] * 4

        names = ["ok", "ok", "ok", "recovers", "fails", "dies", "bug", "waits"]
        jobs = [await producer.cluster.delete(name) for name in names]
        await until(lambda: "waits" in script.calls)
        await jobs[-1].cancel()
        errors = [None] * 4 + [StorageRejected, StorageUnavailable, InternalError, JobCancelled]
        for job, error in zip(jobs, errors, strict=True):
            with pytest.raises(error) if error else nullcontext():
                await job.result(30)

        async def all_are_counted() -> bool:
            return sum((await scrape(url)).of("raylane_jobs_ended_total").values()) == len(jobs)

        await until(all_are_counted)
        found = await scrape(url)

    ended = {it: found("raylane_jobs_ended_total", lane="ray", kind="ray", outcome=it) for it in outcomes}
    assert ended == {"succeeded": 4, "failed": 1, "dead": 2, "cancelled": 1}
    attempts = {dict(labels)["outcome"]: value for labels, value in found.of("raylane_attempts_total").items()}
    assert attempts == {"succeeded": 4, "failed": 3, "cancelled": 1, "retried": 2, "returned": 0, "lost": 0}
    codes = {dict(labels)["code"]: value for labels, value in found.of("raylane_job_errors_total").items()}
    assert codes == {"storage_rejected": 1, "storage_unavailable": 2, "internal_error": 1, "run_not_found": 1}
    assert found("raylane_job_wait_seconds_count", lane="ray", kind="ray") == len(jobs)
    assert found("raylane_attempt_seconds_count", lane="ray", kind="ray") == len(script.calls) == sum(attempts.values())


async def test_every_end_is_counted_once_wherever_it_happens(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "KEPT_S", 0.0)
    jobs = JobQueue(redis)
    request = RayDeleteRequest(submission_id="ok")
    dead = LaneQueue(redis, "ray", worker="dead", lease_s=0.1, max_attempts={}, result_ttl_s=3600)
    await jobs.enqueue(NewJob(request=request, id="lost", max_attempts=1))
    await dead.claim(1)
    await jobs.enqueue_many(
        [
            NewJob(request=request, id="expired", expires_s=0.001),
            NewJob(request=RayDeleteRequest(submission_id="fails"), id="first"),
            NewJob(request=request, id="second", after=("first",)),
            NewJob(request=request, id="third", after=("second",)),
            NewJob(request=request, id="unwanted", delay_s=600),
            NewJob(request=request, id="with-it", after=("unwanted",)),
        ]
    )
    # A producer ends these: one by a cancel, one because it waited for that, and one that comes too late.
    assert await jobs.cancel("unwanted") == "cancelled"
    await jobs.enqueue(NewJob(request=request, id="too-late", after=("unwanted",)))
    async with working(valkey, caplog, Script().handlers) as url:

        async def all_have_ended() -> bool:
            return sum((await scrape(url)).of("raylane_jobs_ended_total").values()) == 8

        await until(all_have_ended)
        found = await scrape(url)
    samples = found.of("raylane_jobs_ended_total").items()
    outcomes = {dict(labels)["outcome"]: value for labels, value in samples if ("kind", "ray") in labels}
    assert outcomes == {"succeeded": 0, "failed": 6, "dead": 1, "cancelled": 1}
    codes = {dict(labels)["code"]: value for labels, value in found.of("raylane_jobs_failed_total").items()}
    assert codes == {"worker_lost": 1, "expired": 1, "storage_rejected": 1, "dependency_failed": 4}


async def test_the_queue_is_counted_as_it_is_now(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "KEPT_S", 0.0)
    script = Script()
    lanes = {"ray": {"concurrency": 1}}
    async with (
        working(valkey, caplog, script.handlers, settings={"lanes": lanes}) as url,
        Producer(redis_url=valkey.url) as producer,
    ):
        await producer.cluster.delete("waits")
        await until(lambda: script.calls == ["waits"])
        await producer.cluster.delete("ok")
        await producer.cluster.delete("ok", delay_s=600)
        found = await scrape(url)
        jobs = found.of("raylane_queue_jobs").items()
        states = {dict(labels)["state"]: value for labels, value in jobs if ("lane", "ray") in labels}
        assert states == {"waiting": 0, "scheduled": 1, "queued": 1, "parked": 0, "running": 1, "dead": 0}
        assert found("raylane_queue_workers", lane="ray") == 1
        assert found("raylane_queue_workers", lane="upload") == 0
        assert found("raylane_queue_up") == 1
        oldest_s = found("raylane_queue_oldest_seconds", lane="ray")
        assert oldest_s is not None
        assert 0 <= oldest_s < 60
        assert found("raylane_queue_oldest_seconds", lane="upload") == 0
        # One worker runs one job at a time, and each of the two jobs wants a place.
        assert found("raylane_queue_wanted_workers", lane="ray") == 2
        assert (found("raylane_lane_places", lane="ray"), found("raylane_lane_places_taken", lane="ray")) == (1, 1)
        script.release.set()


async def test_a_worker_is_ready_while_its_lanes_take_jobs(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    script, stop = Script(), asyncio.Event()
    async with (
        working(valkey, caplog, script.handlers, stop=stop) as url,
        Producer(redis_url=valkey.url) as producer,
    ):
        assert await probe(url, "/livez") == (200, {"live": True})

        async def is_ready() -> bool:
            return await probe(url, "/readyz") == (
                200,
                {"ready": True, "checks": {"worker": "ok", "redis": "ok", "lane ray": "ok"}},
            )

        await until(is_ready)
        await producer.cluster.delete("waits")
        await until(lambda: bool(script.calls))
        stop.set()

        async def is_draining() -> bool:
            status, document = await probe(url, "/readyz")
            return status == 503 and document["checks"]["lane ray"] == "draining" and not document["ready"]

        await until(is_draining)
        assert (await probe(url, "/livez"))[0] == 200
        script.release.set()


async def test_while_redis_is_away_a_worker_is_alive_and_says_nothing_of_the_queue(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (queue, health):
        monkeypatch.setattr(module, "KEPT_S", 0.0)
        monkeypatch.setattr(module, "_LIMIT_S", 0.2)
    async with embedded_valkey() as own, working(own, caplog, Script().handlers) as url:
        await until(lambda: _is_known(url, "raylane_queue_workers"))
        os.kill(own.pid, signal.SIGSTOP)
        try:
            found = await scrape(url)
            status, document = await probe(url, "/readyz")
            alive, _ = await probe(url, "/livez")
        finally:
            os.kill(own.pid, signal.SIGCONT)
    assert {name for name, _ in found.samples if name.startswith("raylane_queue")} == {"raylane_queue_up"}
    assert found("raylane_queue_up") == 0
    assert found("raylane_lane_places", lane="ray") is not None
    assert (status, document["checks"]["redis"], alive) == (503, "no answer within 0.2 s", 200)


async def _is_known(url: str, name: str) -> bool:
    return bool((await scrape(url)).of(name))


async def test_a_port_without_the_package_stops_the_worker_at_its_start(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingPackage, match=r"pip install 'raylane\[metrics\]'"):
        async with working(valkey, caplog):
            pass


async def test_a_port_that_is_taken_is_named(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    taken = {"host": "127.0.0.1", "port": valkey.port}
    with pytest.raises(InvalidRequest, match=r"telemetry.port: cannot listen at 127.0.0.1, port \d+") as caught:
        async with working(valkey, caplog, settings={"telemetry": taken}):
            pass
    assert caught.value.details["field"] == "telemetry.port"


CODE = """\
from raylane_run import answer, read

rows = read("{uri}")
answer.value("rows", len(rows))
"""


async def test_every_metric_of_a_worker_is_exposed_and_counts_what_the_jobs_did(
    redis: Redis, valkey: EmbeddedValkey, moto: EmbeddedMoto, caplog: pytest.LogCaptureFixture
) -> None:
    small, large = b"a,b\n1,2\n", b"a,b\n" + b"1,2\n" * 500
    ray, bucket = FakeRay(), own_bucket()

    def write_code(body: dict[str, Any]) -> list[bytes]:
        if tool_result(body) is None:
            return answer(tool=("get_data_sources", {}))
        code = CODE.format(uri=f"s3://{bucket.bucket}/sessions/s/csv/small.csv")
        return answer(tool=("submit_code", {"code": code, "interpreted_as": "all rows"}))

    async with Address(ray) as public, BedrockStub(code_agent=write_code) as bedrock:
        settings = {
            "storage": bucket.model_dump(),
            "aws": aws_settings(moto.url).model_dump(),
            "ray": {"private_url": closed(), "public_url": public.url, "warm_runs": 0, "allowed_hosts": [HOST]},
            "generation": {"model": MODEL, "model_endpoint_url": bedrock.url, "model_region": REGION},
        }
        of_producer = {"redis": {"url": valkey.url}, "uploads": {"staged_bytes": 100}}
        async with (
            working(valkey, caplog, taken=list(Lane), settings=settings) as url,
            Producer(Settings.model_validate(of_producer)) as producer,
        ):
            for name, data in (("small.csv", small), ("large.csv", large)):
                await (await producer.upload(data, filename=name, session_id="s")).result(60)
            await (await producer.tables.databases()).result(60)
            with pytest.raises(RunNotFound):
                await (await producer.cluster.delete("none")).result(60)
            asking = await producer.generate("how many rows", session_id="s", execute=True)
            await until(lambda: bool(ray.jobs))
            found = await scrape(url)
            await asking.cancel()
            with pytest.raises(JobCancelled):
                await asking.result(60)

    types = {metric.name.removesuffix("_total"): metric.kind for group in WORKER_METRICS.values() for metric in group}
    assert {name: kind for name, kind in found.types.items() if name.startswith("raylane_")} == types
    shown = found.labels()
    for metric in (metric for group in WORKER_METRICS.values() for metric in group):
        name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
        assert shown[name] == {frozenset(metric.labels)}, name
    assert found("raylane_s3_sent_bytes_total", operation="PutObject") == len(small)
    assert found("raylane_s3_received_bytes_total", operation="GetObject") == len(large)
    assert found("raylane_aws_requests_total", service="glue", operation="GetDatabases", outcome="ok") == 1
    assert found("raylane_model_calls_total", model=MODEL, outcome="ok") == len(bedrock.requests) == 3
    assert found("raylane_model_tokens_total", model=MODEL, kind="input") == 300
    assert found("raylane_model_tokens_total", model=MODEL, kind="output") == 60
    assert found("raylane_ray_endpoint_up", endpoint="private") == 0
    assert found("raylane_ray_endpoint_up", endpoint="public") == 1
    assert found("raylane_job_errors_total", lane="ray", kind="ray", code="run_not_found") == 1
    assert found("raylane_ray_failovers_total", endpoint="public") == 1
    assert found("raylane_ray_submissions_total", outcome="accepted") == ray.submissions == 1
    [slots] = found.of("raylane_run_slots_taken").items()
    assert slots == (frozenset({("cluster", ray.session_name)}), 1)
