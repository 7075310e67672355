"""The audit in a real server: what it keeps, for how long, and what other programs may do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import InvalidRequest
from raylane_common.redis.audit import AuditLog
from raylane_common.wire.audit import AuditEntry

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEY = "raylane:audit"


def entry(number: int) -> AuditEntry:
    return AuditEntry(
        at_ms=number, caller="ada", method="POST", route="/v1/jobs", session_id="ada-1", job_id="j", status=202
    )


async def test_entries_are_read_newest_first_and_page_by_page(redis: Redis) -> None:
    log = AuditLog(redis)
    await log.add([entry(number) for number in range(5)], keep=100, ttl_s=3600)
    first = await log.entries(limit=3)
    rest = await log.entries(limit=3, before=first[-1].id)
    assert [found.at_ms for found in first + rest] == [4, 3, 2, 1, 0]
    assert first[0].model_copy(update={"id": ""}) == entry(4)
    assert await log.entries(limit=3, before=rest[-1].id) == []


async def test_about_as_many_are_kept_as_the_settings_say_and_the_key_expires(redis: Redis) -> None:
    log = AuditLog(redis)
    for start in range(0, 1000, 200):
        await log.add([entry(number) for number in range(start, start + 200)], keep=100, ttl_s=3600)
    # Redis removes whole nodes of a stream, of 100 entries.
    assert 100 <= await redis.xlen(KEY) <= 200
    assert 3590 < await redis.ttl(KEY) <= 3600
    assert (await log.entries(limit=1))[0].at_ms == 999


async def test_old_entries_are_removed_by_the_clock_of_redis(redis: Redis) -> None:
    log, day_ms = AuditLog(redis), 24 * 3600 * 1000
    now_ms = (await redis.time())[0] * 1000
    for number in range(300):
        await redis.xadd(KEY, {"caller": "old"}, id=f"{now_ms - 2 * day_ms}-{number}")
    await log.add([entry(1)], keep=1000, ttl_s=24 * 3600)
    assert await redis.xlen(KEY) == 301
    await log.add([entry(2)], keep=1000, ttl_s=24 * 3600)
    assert await redis.xlen(KEY) <= 102


async def test_what_other_programs_wrote_is_left_out(redis: Redis) -> None:
    log = AuditLog(redis)
    await redis.xadd(KEY, {"caller": "ada"})
    await redis.xadd(KEY, {"at_ms": "x", "caller": "\udcff", "method": "", "route": "", "status": "many"})
    await log.add([entry(1)], keep=10, ttl_s=3600)
    await redis.xadd(
        KEY, {"at_ms": "7", "caller": "newer", "method": "POST", "route": "/", "status": "202", "more": "1"}
    )
    assert [found.caller for found in await log.entries(limit=10)] == ["newer", "ada"]


async def test_a_key_that_another_program_has_overwritten_is_named(redis: Redis) -> None:
    log = AuditLog(redis)
    await redis.set(KEY, "x", ex=60)
    for call in (log.add([entry(1)], keep=10, ttl_s=3600), log.entries(limit=1)):
        with pytest.raises(InvalidRequest, match=KEY):
            await call


@pytest.mark.parametrize("before", ["0-0", "0-1", "00-00", f"{'9' * 19}-{'9' * 19}"])
async def test_any_place_can_be_asked_for(redis: Redis, before: str) -> None:
    log = AuditLog(redis)
    await log.add([entry(1)], keep=10, ttl_s=3600)
    assert len(await log.entries(limit=1, before=before)) == before.startswith("9")


@pytest.mark.parametrize("before", ["", "x", "1", "1-", "-", "+", "1-1 ", "(1-1", "1" * 30 + "-1"])
async def test_a_wrong_place_is_refused(redis: Redis, before: str) -> None:
    with pytest.raises(InvalidRequest, match="before"):
        await AuditLog(redis).entries(limit=1, before=before)
