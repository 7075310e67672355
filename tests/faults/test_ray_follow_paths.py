"""The websocket over which a log is followed: kept while all is well, let go at the end, and led nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from raylane.testing import Break
from raylane_common.ray import tail
from tests.faults.ray_rig import JOB, client_tasks, rigged
from tests.helpers.waiting import until

TAIL = f"GET /api/jobs/{JOB}/logs/tail"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> None:
    """Instead of the one for the queue, which these tests have nothing to do with."""


async def test_a_job_that_prints_nothing_for_a_while_keeps_the_connection_that_it_is_followed_over() -> None:
    # Ray's dashboard never reads from who follows a log, so it answers no ping: the path is asked instead.
    async with rigged(failover_delay_s=0.05) as rig:
        following = asyncio.create_task(rig.follow())
        await until(lambda: bool(rig.heard))
        asked = rig.private.address.count("GET /api/version")
        await until(lambda: rig.private.address.count("GET /api/version") >= asked + 3)
        rig.ray.end(JOB)
        assert await following == "all"
        assert rig.private.address.count(TAIL) == 1, "the whole log was sent again and again"


async def test_a_log_that_is_not_followed_any_more_is_let_go() -> None:
    async with rigged() as rig:
        async for _ in rig.client.follow_logs(JOB):
            break
        # Ray does not answer who closes first.
        await until(lambda: not client_tasks() and not rig.client_sockets(), timeout_s=3)


async def test_a_log_is_not_followed_to_where_a_redirect_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_FIRST_PAUSE_S", 0.01)
    async with rigged() as rig:
        rig.private.address.break_with(Break.REDIRECT, only=TAIL)
        following = asyncio.create_task(rig.follow())
        await until(lambda: bool(rig.heard))
        rig.ray.end(JOB)
        assert await following == "all"
        assert "GET /login" not in rig.private.address.requests


async def test_an_address_that_only_redirects_websockets_is_not_put_down_for_everybody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tail, "_FIRST_PAUSE_S", 0.01)
    async with rigged() as rig:
        rig.private.address.break_with(Break.REDIRECT, only=TAIL)
        following = asyncio.create_task(rig.follow())
        await until(lambda: bool(rig.heard))
        rig.ray.end(JOB)
        assert await following == "all"
        assert rig.states == "up unknown", "every other request gets through"
        assert caplog.records == []
