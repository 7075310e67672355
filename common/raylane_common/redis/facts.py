"""What a Redis server says of itself: version, persistence, memory, and its clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raylane_common.redis.connection import queue_errors
from raylane_common.rules import printable

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True)
class ServerFacts:
    """The facts that matter for a queue. `role` is `master` or `slave`, and `policy` what happens when memory is full.

    `max_bytes` is 0 without a limit. `failed_writes` names the ways of persistence whose last write has failed.
    """

    product: str
    version: str
    role: str
    is_loading: bool
    has_append_only_file: bool
    failed_writes: tuple[str, ...]
    policy: str
    used_bytes: int
    max_bytes: int


@dataclass(frozen=True)
class ClockReading:
    """The server's clock beside ours. `ahead_s` is how much it is ahead, give or take half of `round_trip_s`."""

    ahead_s: float
    round_trip_s: float


async def clock_of(redis: Redis) -> ClockReading:
    """Compares the clocks. Raises `QueueUnavailable`."""
    with queue_errors("tell its time"):
        # The first command may have to connect.
        await redis.time()
        before_s, started_s = time.time(), time.perf_counter()
        seconds, micros = await redis.time()
        round_trip_s = time.perf_counter() - started_s
    return ClockReading(seconds + micros / 1e6 - (before_s + round_trip_s / 2), round_trip_s)


async def facts_of(redis: Redis) -> ServerFacts:
    """Asks the server. Raises `QueueUnavailable`, also if the user may not ask."""
    with queue_errors("tell about itself"):
        told: dict[str, Any] = await redis.info()
    is_valkey = "valkey_version" in told
    writes = {"append-only file": "aof_last_write_status", "snapshot": "rdb_last_bgsave_status"}
    return ServerFacts(
        product="Valkey" if is_valkey else "Redis",
        version=_text(told, "valkey_version" if is_valkey else "redis_version"),
        role=_text(told, "role"),
        is_loading=_number(told, "loading") == 1,
        has_append_only_file=_number(told, "aof_enabled") == 1,
        failed_writes=tuple(what for what, name in writes.items() if _text(told, name) == "err"),
        policy=_text(told, "maxmemory_policy"),
        used_bytes=_number(told, "used_memory"),
        max_bytes=_number(told, "maxmemory"),
    )


def _text(told: dict[str, Any], name: str) -> str:
    return printable(str(told.get(name, "")))


def _number(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    return int(value) if isinstance(value, int | float) else 0
