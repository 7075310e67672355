"""A worker with its real handlers in the test's own process, without the check of its settings at the start."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from raylane_common.redis.connection import keys_of
from raylane_common.redis.queue.wake import listen
from raylane_common.wire.base import Lane
from raylane_worker.app import lane_worker, open_resources
from raylane_worker.context import CurrentSettings
from raylane_worker.handlers import HANDLERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from redis.asyncio import Redis

    from raylane_common.settings import Settings


@asynccontextmanager
async def whole_worker(
    settings: Settings, redis: Redis, lanes: Sequence[Lane] = tuple(Lane), *, name: str = "host-1"
) -> AsyncIterator[None]:
    """Runs the lanes until the block ends. They have sent their first heartbeats when it begins."""
    async with open_resources(settings, redis) as resources:
        resources = replace(resources, current=CurrentSettings(settings))
        workers = [lane_worker(lane, settings, redis, resources, name, HANDLERS, lambda: None) for lane in lanes]
        for worker in workers:
            await worker.heart_beat()
        keys = keys_of(redis)
        channels: dict[str, Callable[[str], None]] = {}
        for worker in workers:
            lane = worker.lane_queue.lane
            channels |= {keys.wake(lane): worker.wake, keys.cancel(lane): worker.cancel}
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(listen(redis, channels))]
        tasks += [asyncio.create_task(worker.async_run()) for worker in workers]
        try:
            yield
        finally:
            await asyncio.gather(*(worker.drain(0) for worker in workers))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
