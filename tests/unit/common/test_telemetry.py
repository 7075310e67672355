"""The shared parts of telemetry: counting, looking at the queue, health, and the number of workers."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import MissingPackage, QueueUnavailable
from raylane_common.ray.models import EndpointReport, EndpointState
from raylane_common.telemetry import health as health_module
from raylane_common.telemetry import queue as queue_module
from raylane_common.telemetry.definitions import ATTEMPTS, GATEWAY_METRICS, LOOP_LAG, WORKER_METRICS
from raylane_common.telemetry.health import Health
from raylane_common.telemetry.metrics import NO_METRICS, PrometheusMetrics
from raylane_common.telemetry.process import measure_lag
from raylane_common.telemetry.queue import QueueLook, wanted_workers
from raylane_common.telemetry.ray import RayMetrics, endpoint_readings
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import EndedJobs, LaneOverview
from tests.helpers import virtual_time
from tests.helpers.scrape import parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.telemetry.metrics import Metrics
    from raylane_common.wire.jobs import ClusterRuns
    from tests.helpers.scrape import Scrape

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"
ALL = [metric for groups in (WORKER_METRICS, GATEWAY_METRICS) for group in groups.values() for metric in group]


def scraped(metrics: Metrics) -> Scrape:
    return parsed(metrics.exposition().body.decode())


def overview(**fields: object) -> LaneOverview:
    counts = dict.fromkeys(("waiting", "scheduled", "queued", "parked", "running", "dead"), 0)
    return LaneOverview(**{"lane": "ray", "oldest_s": None, "ended_per_s": 0.0, "workers": (), **counts, **fields})  # type: ignore[arg-type]


def test_names_follow_the_conventions_of_prometheus() -> None:
    for metric in ALL:
        assert metric.name.startswith("raylane_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert not metric.help.endswith(".")
        assert list(metric.buckets) == sorted(metric.buckets)
        assert (metric.kind == "histogram") == bool(metric.buckets)
        if metric.kind == "histogram":
            assert metric.name.endswith("_seconds")
    assert len({metric.name for metric in ALL}) == len(set(ALL))


def test_an_expected_counter_is_there_before_its_first_event() -> None:
    metrics = PrometheusMetrics()
    metrics.expect(ATTEMPTS, "ray", "ray", "dead")
    assert scraped(metrics)("raylane_attempts_total", lane="ray", kind="ray", outcome="dead") == 0
    metrics.add(ATTEMPTS, "ray", "ray", "dead", by=2)
    assert scraped(metrics)("raylane_attempts_total", lane="ray", kind="ray", outcome="dead") == 2


def test_two_workers_of_one_process_count_apart() -> None:
    first, second = PrometheusMetrics(), PrometheusMetrics()
    first.add(ATTEMPTS, "ray", "ray", "dead")
    assert scraped(second).of("raylane_attempts_total") == {}


def test_metrics_that_are_off_do_nothing_and_say_what_they_need() -> None:
    NO_METRICS.add(ATTEMPTS, "not", "even", "the", "labels")
    NO_METRICS.observe(LOOP_LAG, 1)
    NO_METRICS.expect(LOOP_LAG)
    NO_METRICS.read(list)
    with pytest.raises(MissingPackage, match="metrics"):
        NO_METRICS.exposition()


def test_what_ray_does_is_counted() -> None:
    metrics = PrometheusMetrics()
    observer = RayMetrics(metrics)
    observer.request("private", "submit", "ok", 0.2)
    observer.request("private", "tail", "cancelled", 3600)
    for what, endpoint in (("fallback", "public"), ("up", "public"), ("probe", "public"), ("submit_unknown", "")):
        observer.happened(what, endpoint)
    found = scraped(metrics)
    assert found("raylane_ray_requests_total", endpoint="private", operation="tail", outcome="cancelled") == 1
    assert found("raylane_ray_request_seconds_sum", endpoint="private", operation="submit") == 0.2
    assert found("raylane_ray_request_seconds_count", endpoint="private", operation="tail") is None
    assert found("raylane_ray_failovers_total", endpoint="public") == 1
    assert found("raylane_ray_endpoint_changes_total", endpoint="public", state="up") == 1
    assert found("raylane_ray_submissions_total", outcome="unknown") == 1
    assert found("raylane_ray_submissions_total", outcome="accepted") == 0


def test_the_state_of_an_endpoint_that_was_not_used_is_absent() -> None:
    reports = [
        EndpointReport(name="private", url="http://a", state=EndpointState.DOWN),
        EndpointReport(name="public", url="http://b", state=EndpointState.UNKNOWN),
    ]
    assert [(reading.metric.name, reading.labels, reading.value) for reading in endpoint_readings(reports)] == [
        ("raylane_ray_endpoint_up", ("private",), 0)
    ]


class Redis:
    """What a look reads. It fails with `error`, or never answers without `answers`."""

    def __init__(self, lanes: Sequence[LaneOverview]) -> None:
        self.lanes = lanes
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.looks = 0
        self.ended: list[EndedJobs] = []

    async def read_lanes(self) -> Sequence[LaneOverview]:
        self.looks += 1
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return self.lanes

    async def read_runs(self) -> Sequence[ClusterRuns]:
        return []

    async def read_ended(self) -> Sequence[EndedJobs]:
        return self.ended

    def look(self) -> tuple[QueueLook, PrometheusMetrics]:
        look = QueueLook(self.read_lanes, self.read_runs, self.read_ended, places={"ray": 2}, target_wait_s=30)
        metrics = PrometheusMetrics()
        metrics.read(look.readings)
        return look, metrics


async def test_ten_scrapers_share_one_look() -> None:
    redis = Redis([overview(queued=3, oldest_s=1.0)])
    look, metrics = redis.look()
    redis.answers.clear()
    scrapers = [asyncio.create_task(look.refresh()) for _ in range(10)]
    await asyncio.sleep(0)
    # One that goes away leaves the look to the others.
    scrapers[0].cancel()
    redis.answers.set()
    await asyncio.gather(*scrapers[1:])
    await look.refresh()
    assert redis.looks == 1
    assert scraped(metrics)("raylane_queue_jobs", lane="ray", state="queued") == 3


@pytest.mark.parametrize("error", [QueueUnavailable("away"), None])
async def test_a_number_that_is_not_known_now_is_absent(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_module, "KEPT_S", 0.0)
    monkeypatch.setattr(queue_module, "_LIMIT_S", 0.05)
    redis = Redis([overview()])
    look, metrics = redis.look()
    await look.refresh()
    assert scraped(metrics)("raylane_queue_jobs", lane="ray", state="queued") == 0
    redis.error = error
    if error is None:
        redis.answers.clear()
    await look.refresh()
    found = {name for name, _ in scraped(metrics).samples if name.startswith("raylane_queue")}
    assert found == {"raylane_queue_up"}
    assert scraped(metrics)("raylane_queue_up") == 0


async def test_the_age_of_a_job_that_cannot_be_read_is_absent_and_not_0() -> None:
    look, metrics = Redis([overview(queued=1)]).look()
    await look.refresh()
    found = scraped(metrics)
    assert found("raylane_queue_jobs", lane="ray", state="queued") == 1
    assert found("raylane_queue_oldest_seconds", lane="ray") is None
    assert found("raylane_queue_wanted_workers", lane="ray") is None


async def test_parked_jobs_are_not_queued_and_want_no_worker() -> None:
    look, metrics = Redis([overview(queued=5, parked=5)]).look()
    await look.refresh()
    found = scraped(metrics)
    assert found("raylane_queue_jobs", lane="ray", state="queued") == 0
    assert found("raylane_queue_jobs", lane="ray", state="parked") == 5
    assert found("raylane_queue_wanted_workers", lane="ray") == 0


async def test_a_counter_of_ends_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "KEPT_S", 0.0)
    redis = Redis([overview()])
    look, metrics = redis.look()
    seen: list[float | None] = []
    # The server fails over and has lost the last 5, is away, comes back, and is emptied.
    for count in (0, 1000, 995, 996, None, 996, 0, 2):
        redis.error = QueueUnavailable("away") if count is None else None
        redis.ended = [EndedJobs("ray", "ray", "failed", "expired", count or 0)]
        await look.refresh()
        seen.append(scraped(metrics)("raylane_jobs_ended_total", lane="ray", kind="ray", outcome="failed"))
    assert seen == [0, 1000, 1000, 1001, None, 1001, 1001, 1003]
    assert scraped(metrics)("raylane_jobs_failed_total", lane="ray", kind="ray", code="expired") == 1003


async def test_labels_of_ends_are_ours_whatever_redis_holds() -> None:
    redis = Redis([overview()])
    look, metrics = redis.look()
    redis.ended = [EndedJobs("ray", f"kind{n}", f"end{n}", "expired", 1) for n in range(50)]
    redis.ended += [EndedJobs(f"lane{n}", "ray", "dead", f"code{n}", 2) for n in range(50)]
    await look.refresh()
    found = scraped(metrics)
    assert found("raylane_jobs_ended_total", lane="ray", kind="other", outcome="other") == 50
    assert found("raylane_jobs_ended_total", lane="other", kind="ray", outcome="dead") == 100
    assert found("raylane_jobs_failed_total", lane="other", kind="ray", code="other") == 100
    assert len(found.of("raylane_jobs_ended_total")) == 4 * len(JobKind) + 2


counts = st.integers(0, 10**6)


@given(
    queued=counts,
    running=counts,
    ended_per_s=st.floats(0, 10**4),
    oldest_s=st.floats(0, 10**7),
    places=st.integers(1, 1000),
    target_wait_s=st.floats(0.001, 86400),
)
def test_never_more_places_than_jobs_are_wanted_and_never_fewer_than_run(
    queued: int, running: int, ended_per_s: float, oldest_s: float, places: int, target_wait_s: float
) -> None:
    wanted = wanted_workers(
        queued, running, ended_per_s=ended_per_s, oldest_s=oldest_s, places=places, target_wait_s=target_wait_s
    )
    assert math.ceil(running / places) <= wanted <= math.ceil((queued + running) / places)
    assert (wanted == 0) == (queued + running == 0)


def test_the_documented_examples_of_wanted_workers_are_right() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.count("|") == 7]
    examples = [row for row in rows if row[0].isdigit()]
    known = re.compile(r"[\d.]+")
    assert len(examples) == 5
    for queued, running, ended, oldest, places, wanted in examples:
        assert int(wanted) == wanted_workers(
            int(queued),
            int(running),
            ended_per_s=float(ended),
            oldest_s=float(age[0]) if (age := known.match(oldest)) else 0,
            places=int(places),
            target_wait_s=30,
        )


async def test_health_says_why_not_and_asks_once_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "_LIMIT_S", 0.05)
    health, asked = Health(), 0

    async def redis() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise QueueUnavailable("Redis did not answer")

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def fine() -> None:
        return None

    for name, why_not in (("redis", redis), ("ray", hangs), ("lane", fine)):
        health.require(name, why_not)
    reports = await asyncio.gather(*(health.report() for _ in range(20)))
    assert asked == 1
    assert all(report is reports[0] for report in reports)
    assert reports[0].document() == {
        "ready": False,
        "checks": {"redis": "Redis did not answer", "ray": "no answer within 0.05 s", "lane": "ok"},
    }


def test_the_lag_of_a_loop_that_was_blocked_is_seen() -> None:
    async def blocked() -> PrometheusMetrics:
        metrics = PrometheusMetrics()
        measuring = asyncio.create_task(measure_lag(metrics))
        await asyncio.sleep(10.2)
        virtual_time.block(1.5)
        await asyncio.sleep(10)
        measuring.cancel()
        return metrics

    found = scraped(virtual_time.run(blocked()))
    assert found("raylane_loop_lag_seconds_sum") == pytest.approx(1.2)
    count = found("raylane_loop_lag_seconds_count")
    assert count == 40
    assert found("raylane_loop_lag_seconds_bucket", le="0.001") == count - 1
    assert found("raylane_loop_lag_seconds_bucket", le="2.5") == count
