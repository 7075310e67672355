"""Makes all checks within one limit of time. Each is bounded, and none needs another to succeed but that of Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raylane.doctor.lanes import look
from raylane.doctor.queue import CLOCK, REDIS, WORKERS, check_server, check_workers
from raylane_common import checks as arguments
from raylane_common.errors import InvalidRequest, RaylaneError
from raylane_common.wire.base import Lane
from raylane_common.wire.checks import Check, CheckState, not_tried, problem

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from raylane.options import Enqueuer
    from raylane_common.redis.queue import QueueOverview
    from raylane_common.wire.jobs import LaneOverview, WorkerOverview

_SHORTEST_S, _LONGEST_S = 1.0, 60.0
# The part of the time for Redis itself. The workers have most of the rest.
_PART_FOR_REDIS: Final = 0.3
_PART_FOR_WORKERS: Final = 0.9
_ORDER: Final = (REDIS, CLOCK, WORKERS, "S3", "Glue", "STS", "model", "Ray")


async def examine(jobs: Enqueuer, overview: QueueOverview, timeout_s: float) -> list[Check]:
    """Returns what was found, within `timeout_s` seconds. Raises `InvalidRequest` if that is not between 1 and 60."""
    limit_s = arguments.seconds("timeout_s", timeout_s)
    if not _SHORTEST_S <= limit_s <= _LONGEST_S:
        raise InvalidRequest.field("timeout_s", f"must be from {_SHORTEST_S:g} to {_LONGEST_S:g}")
    until_s = asyncio.get_running_loop().time() + limit_s
    server, (lanes, workers) = await asyncio.gather(
        _bounded(check_server(overview), limit_s * _PART_FOR_REDIS), _at_work(overview, limit_s * _PART_FOR_REDIS)
    )
    if isinstance(workers, Check):
        if any(check.state is CheckState.PROBLEM for check in server):
            workers = not_tried(WORKERS, "and what they use, because of Redis")
        return [*server, workers]
    left_s = until_s - asyncio.get_running_loop().time()
    alive = [Lane(lane.lane) for lane in lanes if lane.workers]
    clocks = {worker.name for worker in workers if worker.ahead_s is not None}
    looked = await look(jobs, alive, clocks, left_s * _PART_FOR_WORKERS)
    return sorted([*server, *check_workers(lanes, workers), *looked], key=_place)


def _place(check: Check) -> int:
    """Returns the place of a check in the list: from what all need to what few need."""
    kind = check.area.partition(" ")[0]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


async def _bounded(work: Awaitable[list[Check]], limit_s: float) -> list[Check]:
    try:
        async with asyncio.timeout(limit_s):
            return await work
    except TimeoutError:
        hint = "check RAYLANE_REDIS__URL (address, port, TLS or not) and that the server is up"
        return [problem(REDIS, f"no answer within {limit_s:g} s", hint)]
    except RaylaneError as error:
        return [problem(REDIS, error.message)]


async def _at_work(overview: QueueOverview, limit_s: float) -> tuple[list[LaneOverview], list[WorkerOverview] | Check]:
    """Returns the lanes and their workers, or why Redis does not tell them."""
    try:
        async with asyncio.timeout(limit_s):
            return await overview.lanes(), await overview.workers()
    except TimeoutError:
        return [], not_tried(WORKERS, "and what they use, because Redis does not answer")
    except RaylaneError as error:
        return [], not_tried(WORKERS, f"and what they use: {error.message}")
