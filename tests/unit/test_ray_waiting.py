"""What is reported of a run that waits for the cluster, and how often. Time is virtual."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

from raylane_common.errors import LeaseLost, QueueUnavailable, RayUnreachable
from raylane_common.ray.answers import Answer
from raylane_common.ray.models import ClusterStatus, RayRun, RunStatus
from raylane_common.ray.parsing import read_cluster_status
from raylane_common.ray.waiting import reason
from raylane_worker.runs.waiting import report_waiting
from tests.helpers import virtual_time
from tests.helpers.virtual_time import now_s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from raylane_common.ray.client import RayClient

GIB = 1024.0**3
NOT_STARTED = "Job has not started yet."
NEEDS_RESOURCES = f"{NOT_STARTED} It may be waiting for resources (CPUs, GPUs, memory, custom resources)."
PENDING = RayRun(status=RunStatus.PENDING, message=NEEDS_RESOURCES)
RUNNING = RayRun(status=RunStatus.RUNNING, message="Job is currently running.")


def status(usage: Mapping[str, list[float]], *demands: tuple[dict[str, float], int]) -> ClusterStatus:
    """Returns what a head reports: its resources, used and in total, and what its waiting tasks ask for."""
    report: Any = {"usage": dict(usage), "resourceDemand": [list(demand) for demand in demands]}
    data: JsonValue = {"autoscalingStatus": "text", "clusterStatus": {"loadMetricsReport": report}}
    return read_cluster_status(Answer("private", 200, b"", {"data": data}))


@pytest.mark.parametrize(
    ("job", "cluster", "wanted"),
    [
        (RUNNING, status({"CPU": [2.0, 2.0]}, ({"CPU": 1.0}, 3)), "CPU on the cluster: 0 of 2 free"),
        # What is free is reported before what is asked for.
        (RUNNING, status({"CPU": [2.0, 2.0]}), "CPU on the cluster: 0 of 2 free"),
        (
            RUNNING,
            status({"CPU": [3.5, 4.0]}, ({"CPU": 0.1}, 1), ({"CPU": 2.0}, 1)),
            "CPU on the cluster: 0.5 of 4 free",
        ),
        (PENDING, status({"CPU": [1.0, 2.0]}, ({"CPU": 2.0}, 1)), "CPU on the cluster: 1 of 2 free"),
        (RUNNING, status({"CPU": [0.0, 2.0]}, ({"CPU": 1.0, "GPU": 1.0}, 1)), "GPU on the cluster"),
        (
            PENDING,
            status({"CPU": [0.0, 2.0], "memory": [15 * GIB, 20 * GIB]}, ({"memory": 8 * GIB}, 1)),
            "memory on the cluster: 5 of 20 GiB free",
        ),
        # Everything is there, but not on one node; or nothing is reported yet.
        (PENDING, status({"CPU": [1.0, 4.0]}, ({"CPU": 2.0}, 1)), "resources of the cluster"),
        (PENDING, ClusterStatus(text=""), "resources of the cluster"),
        (RUNNING, ClusterStatus(text=""), None),
        # A worker for its task starts.
        (RUNNING, status({"CPU": [0.0, 2.0]}, ({"CPU": 1.0}, 1)), None),
        (
            RayRun(status=RunStatus.PENDING, message=NOT_STARTED),
            status({"CPU": [2.0, 2.0]}),
            "Ray to set up its environment",
        ),
    ],
)
def test_what_a_run_waits_for_is_named(job: RayRun, cluster: ClusterStatus, wanted: str | None) -> None:
    assert reason(job, cluster) == wanted


@pytest.mark.parametrize(
    "odd",
    [None, {}, {"loadMetricsReport": {"usage": {"CPU": [1]}, "resourceDemand": [[], ["x", 1], [{"CPU": "1"}, 1]]}}],
)
def test_a_status_that_is_read_only_in_part_is_no_error(odd: JsonValue) -> None:
    found = read_cluster_status(
        Answer("private", 200, b"", {"data": {"autoscalingStatus": None, "clusterStatus": odd}})
    )
    assert found == ClusterStatus(text="", endpoint="private")


class Cluster:
    """A client that reports what a run waits for: another reason from each of these seconds on."""

    def __init__(self, reasons: Mapping[float, str | Exception | None]) -> None:
        self._reasons = reasons

    async def waits_for(self, _: str) -> str | None:
        found = [reason for from_s, reason in self._reasons.items() if from_s <= now_s()][-1]
        if isinstance(found, Exception):
            raise found
        return found


def reported(
    reasons: Mapping[float, str | Exception | None], failure: Exception | None = None
) -> list[tuple[float, str]]:
    """Returns what is reported to followers in a minute, and when. The first report fails with `failure`."""
    failures = [failure] if failure else []
    found: list[tuple[float, str]] = []

    async def report(what: str) -> None:
        if failures:
            raise failures.pop()
        found.append((now_s(), what))

    async def wait_a_minute() -> None:
        reporting = asyncio.create_task(report_waiting(cast("RayClient", Cluster(reasons)), "a", report))
        await asyncio.wait({reporting}, timeout=60)
        reporting.cancel()

    virtual_time.run(wait_a_minute())
    return found


def test_a_run_that_waits_is_reported_within_5_s_and_again_only_when_that_changes() -> None:
    assert reported({0: None, 11: "CPU: 0 of 2 free", 31: "CPU: 1 of 2 free", 33: "CPU: 0 of 2 free", 41: None}) == [
        (15, "waits for CPU: 0 of 2 free"),
        (45, "is running"),
    ]


def test_a_run_that_never_waits_is_never_reported() -> None:
    assert reported({0: None}) == []


@pytest.mark.parametrize("failure", [RayUnreachable("away"), QueueUnavailable("away")])
def test_a_failure_does_not_end_the_reports(failure: Exception) -> None:
    assert reported({0: failure, 12: "CPU"}) == [(15, "waits for CPU")]
    assert reported({0: "CPU"}, failure) == [(10, "waits for CPU")]


def test_a_lost_lease_ends_the_reports() -> None:
    assert reported({0: "CPU"}, LeaseLost("another worker has it")) == []
