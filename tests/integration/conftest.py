"""Fixtures that several modules share. A module whose lane or cluster differs overrides the fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane.testing import Address, FakeRay
from raylane_common.redis.queue import JobQueue, QueueOverview
from tests.helpers.claims import patient_lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.redis.queue import LaneQueue


@pytest.fixture
def queue(redis: Redis) -> JobQueue:
    """The queue as a producer sees it. Its followers ask again every 50 ms."""
    return JobQueue(redis, block_s=0.05)


@pytest.fixture
def lane(redis: Redis) -> LaneQueue:
    """The upload lane as a worker sees it, with leases that no test outlasts."""
    return patient_lane(redis)


@pytest.fixture
def overview(redis: Redis) -> QueueOverview:
    """The queue as an operator sees it."""
    return QueueOverview(redis)


@pytest.fixture
def ray() -> FakeRay:
    """An in-process Ray cluster."""
    return FakeRay()


@pytest.fixture
async def private(ray: FakeRay) -> AsyncIterator[Address]:
    """The first address of the cluster."""
    async with Address(ray) as address:
        yield address


@pytest.fixture
async def public(ray: FakeRay) -> AsyncIterator[Address]:
    """The address to use when the first one fails."""
    async with Address(ray) as address:
        yield address
