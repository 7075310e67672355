"""The websocket over which a log is followed: kept while it works, closed at the end, never redirected."""

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
    """Replaces the check of the queue, which these tests do not use."""


@pytest.fixture(autouse=True)
def _every_log_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the log is read, and there is no websocket."""
    monkeypatch.setattr(tail, "_SHORT_CHARACTERS", -1)


async def test_a_silent_log_keeps_its_connection() -> None:
    # Ray's dashboard never reads from a follower, so it answers no ping; the path is probed instead.
    async with rigged(failover_delay_s=0.05) as rig:
        # Otherwise it may win a race of probes on a busy machine, and the private one is rightly left.
        rig.public.address.break_with(Break.NEVER_ANSWERS)
        following = asyncio.create_task(rig.follow())
        await until(lambda: bool(rig.output))
        asked = rig.private.address.count("GET /api/version")
        await until(lambda: rig.private.address.count("GET /api/version") >= asked + 3)
        assert rig.private.address.count(TAIL) == 1, "the whole log was sent again and again"
        rig.ray.end(JOB)
        assert await following == "all"


async def test_leaving_a_followed_log_closes_its_connection() -> None:
    async with rigged() as rig:
        async for _ in rig.client.follow_logs(JOB):
            break
        # Ray does not answer the closing handshake of a client.
        await until(lambda: not client_tasks() and not rig.client_sockets(), timeout_s=3)


async def test_a_redirect_of_a_followed_log_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_FIRST_PAUSE_S", 0.01)
    async with rigged() as rig:
        rig.private.address.break_with(Break.REDIRECT, only=TAIL)
        following = asyncio.create_task(rig.follow())
        await until(lambda: bool(rig.output))
        rig.ray.end(JOB)
        assert await following == "all"
        assert "GET /login" not in rig.private.address.requests


async def test_an_address_that_redirects_only_websockets_stays_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tail, "_FIRST_PAUSE_S", 0.01)
    async with rigged() as rig:
        rig.private.address.break_with(Break.REDIRECT, only=TAIL)
        following = asyncio.create_task(rig.follow())
        await until(lambda: bool(rig.output))
        rig.ray.end(JOB)
        assert await following == "all"
        assert rig.states == "up unknown", "every other request gets through"
        assert caplog.records == []
