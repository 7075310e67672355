"""Fixtures that several modules share. A module whose lane or cluster differs overrides the fixture."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from raylane.testing import Address, FakeRay
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue, QueueOverview
from raylane_common.settings import RedisSettings
from tests.helpers.claims import patient_lane
from tests.helpers.ray_scripts import run_batches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_common.redis.queue import LaneQueue
    from raylane_worker.embedded import EmbeddedMoto
    from tests.helpers.kit import Ran


@pytest.fixture(scope="session")
def _results_on_ray(request: pytest.FixtureRequest, moto: EmbeddedMoto, weather: Path) -> dict[str, list[Ran]]:
    """How the scripts of each module ended, by its name. All run in one driver: starting one takes longest."""
    modules = dict.fromkeys(item.module for item in request.session.items if isinstance(item, pytest.Function))
    batches = {module.__name__: module.batch(moto, weather) for module in modules if hasattr(module, "batch")}
    printed = asyncio.run(run_batches([*batches.values()], moto.url))
    return dict(zip(batches, printed, strict=True))


@pytest.fixture(scope="module")
def results_on_ray(request: pytest.FixtureRequest, _results_on_ray: dict[str, list[Ran]]) -> list[Ran]:
    """How the scripts of the module ended: those of its `batch(moto, weather)`."""
    return _results_on_ray[request.module.__name__]


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


@pytest.fixture
async def opened() -> AsyncIterator[Any]:
    """Opens clients by URL, which are closed at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str, **settings: Any) -> Redis:
            return await stack.enter_async_context(connect(RedisSettings.model_validate({"url": url, **settings})))

        yield open_one
