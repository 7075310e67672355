"""What the fake cluster can do and a real one cannot. That it answers alike is in `test_ray_conformance.py`."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

import raylane.testing
from raylane.testing import Address, Break, FakeRay
from tests.helpers.clusters import Api, Fake
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def served(ray: FakeRay) -> AsyncIterator[tuple[Address, Api]]:
    async with Address(ray) as address, aiohttp.ClientSession() as session:
        yield address, Api(Fake(address), session)


async def test_jobs_stay_pending_until_they_are_started() -> None:
    started: list[str] = []
    ray = FakeRay(starts=False, on_start=started.append)
    async with served(ray) as (_, api):
        await api.submit("a", runtime_env={"env_vars": {"A": "1"}})
        job = await api.job("a")
        assert (job["status"], job["driver_node_id"], started) == ("PENDING", None, [])
        assert job["message"].startswith("Job has not started yet. It may be waiting for the runtime environment")
        assert await api.logs("a") == ""
        assert "non-terminal state PENDING" in (await api.ask("DELETE /api/jobs/a")).text
        async with api.tail("a") as socket:
            ray.start("a")
            ray.start("a")
            assert started == ["a"]
            assert (await socket.receive_str()).endswith("Running entrypoint for job a: true\n")
            ray.end("a")
            await until(lambda: heard_nothing_more(socket))
        await api.submit("b")
        ray.end("b", exit_code=1)
        assert (await api.status("b"), started) == ("FAILED", ["a", "b"])


async def heard_nothing_more(socket: aiohttp.ClientWebSocketResponse) -> bool:
    return (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_an_ended_job_does_not_change() -> None:
    ray = FakeRay()
    async with served(ray) as (_, api):
        for name in ("stopped", "over"):
            await api.submit(name)
        assert (await api.ask("POST /api/jobs/stopped/stop")).data == {"stopped": True}
        ray.end("stopped")
        ray.end("over", exit_code=2)
        ray.end("over")
        assert (await api.status("stopped"), (await api.job("over"))["driver_exit_code"]) == ("STOPPED", 2)
        for step in (ray.start, ray.end, lambda name: ray.write(name, "x")):
            with pytest.raises(KeyError):
                step("unknown")


async def test_a_restarted_head_knows_nothing() -> None:
    ray = FakeRay()
    async with served(ray) as (_, api):
        await api.ask("PUT /api/packages/gcs/a.zip", data=b"PK")
        await api.submit("a")
        names = {ray.session_name}
        async with api.tail("a") as socket:
            await socket.receive_str()
            ray.restart()
            assert (await socket.receive()).type is not aiohttp.WSMsgType.TEXT
        assert socket.close_code == 1006
        names |= {ray.session_name}
        ray.restart()
        assert (await api.ask("GET /api/version")).data["session_name"] == ray.session_name
        assert len({*names, ray.session_name}) == 3
        assert (await api.ask("GET /api/packages/gcs/a.zip")).status == 404
        assert (await api.ask("GET /api/jobs/")).data == []
        await api.submit("a")
        assert ray.submissions == 2
        assert ray.logs["a"].count("Running entrypoint") == 1


async def test_a_cluster_may_have_no_authentication_or_be_unhealthy() -> None:
    ray = FakeRay(gcs_healthy=False)
    async with served(ray) as (_, api):
        assert (await api.ask("GET /api/version", headers={})).status == 200
        assert (await api.ask("GET /api/authentication_mode")).data == {"authentication_mode": "disabled"}
        assert (await api.ask("GET /api/gcs_healthz")).status == 503
        ray.error = (500, "No available agent to submit job, please try again later.")
        for line, status in {"GET /api/jobs/": 500, "POST /api/jobs/": 500, "GET /api/version": 200}.items():
            assert (await api.ask(line)).status == status


async def test_drivers_are_listed_and_cannot_be_stopped() -> None:
    ray = FakeRay()
    ray.jobs["02000000"] = {"type": "DRIVER", "submission_id": None, "job_id": "02000000", "status": "RUNNING"}
    async with served(ray) as (_, api):
        assert (await api.job("02000000"))["type"] == "DRIVER"
        for line, doing in {
            "POST {}/stop": "stop",
            "DELETE {}": "delete",
            "GET {}/logs": "get logs of",
            "GET {}/logs/tail": "get logs of",
        }.items():
            answer = await api.ask(line.format("/api/jobs/02000000"))
            assert (answer.status, answer.text) == (400, f"Can only {doing} submission type jobs")


async def test_nodes_may_change() -> None:
    ray = FakeRay()
    ray.nodes.append(ray.nodes[0] | {"node_id": "2", "is_head_node": False})
    ray.nodes.append(ray.nodes[0] | {"node_id": "3", "is_head_node": False, "state": "DEAD"})
    async with served(ray) as (_, api):
        assert (await api.ask("GET /api/v0/nodes")).data["data"]["result"]["total"] == 3
        status = (await api.ask("GET /api/cluster_status")).data["data"]
        assert status["clusterStatus"]["loadMetricsReport"]["usage"]["CPU"] == [0.0, 4.0]
        assert "0.0/4.0 CPU" in status["autoscalingStatus"]


async def test_a_cut_ends_connections_and_accepts_new_ones() -> None:
    ray = FakeRay()
    async with served(ray) as (address, api):
        await api.submit("a")
        async with api.tail("a") as socket:
            await socket.receive_str()
            assert address.connections > 0
            address.cut()
            assert (await socket.receive()).type is not aiohttp.WSMsgType.TEXT
        assert socket.close_code == 1006
        await until(lambda: address.connections == 0)
        ray.end("a")
        assert "Running entrypoint" in "".join(await api.tailed("a"))
        assert address.count("GET /api/jobs/a/logs/tail") == 2


async def test_a_tail_ends_when_its_client_leaves() -> None:
    async with served(FakeRay()) as (address, api):
        await api.submit("a")
        async with api.tail("a") as socket:
            await socket.receive_str()
            assert address.connections > 0
        await until(lambda: address.connections == 0)


@pytest.mark.parametrize("broken", [Break.CUT_AFTER, Break.CUT_IN_BODY, Break.GATEWAY_AFTER])
async def test_an_address_breaks_whatever_the_answer_is(broken: Break) -> None:
    async with served(FakeRay()) as (address, api):
        address.break_with(broken)
        for line in ("GET /api/jobs/unknown", "POST /api/version"):
            if broken is Break.GATEWAY_AFTER:
                assert (await api.ask(line)).status == 502
            else:
                with pytest.raises(aiohttp.ClientError):
                    await api.ask(line)


def test_names_are_loaded_when_they_are_used() -> None:
    assert set(raylane.testing.__all__) <= set(dir(raylane.testing))
    with pytest.raises(AttributeError, match=r"module 'raylane\.testing' has no attribute 'Nothing'"):
        raylane.testing.Nothing  # type: ignore[attr-defined]  # noqa: B018  # that is what is tested
    code = "import sys; from raylane.testing import MemoryProducer; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
