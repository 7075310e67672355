"""Checks Redis, and who works on the queue."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING, Final

from raylane_common.counting import counted
from raylane_common.errors import QueueUnavailable
from raylane_common.safe_text import safe_line
from raylane_common.wire.base import Lane
from raylane_common.wire.checks import not_tried, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.redis.facts import ClockReading, ServerFacts
    from raylane_common.redis.queue import QueueOverview
    from raylane_common.wire.checks import Check
    from raylane_common.wire.jobs import LaneOverview, WorkerOverview

REDIS: Final = "Redis"
WORKERS: Final = "workers"
CLOCK: Final = "clock"

_OLDEST: Final = (6, 2)
_NEARLY_FULL: Final = 0.9
_CLOCKS_DIFFER_S: Final = 2.0
# S3 refuses signatures when the clock of their maker is wrong by a quarter of an hour.
_CLOCKS_FAR_APART_S: Final = 600.0
_OLD_JOB_S: Final = 60.0
# A deployment may have hundreds of workers.
_MOST_NAMES: Final = 5
_MEBIBYTE: Final = 1024 * 1024


async def check_server(overview: QueueOverview) -> list[Check]:
    """Checks the server. Raises `QueueUnavailable` if it does not answer."""
    clock = await overview.clock()
    try:
        facts = await overview.server()
    except QueueUnavailable as error:
        if error.retryable:
            raise
        hint = "give the user the command: ACL SETUSER NAME +info"
        return [
            ok(REDIS, f"answers in {clock.round_trip_s * 1000:.1f} ms"),
            not_tried(REDIS, f"version, persistence and memory: {error.message}", hint),
            clock_check("this machine", -clock.ahead_s),
        ]
    return [*_of_facts(facts, clock), clock_check("this machine", -clock.ahead_s)]


def clock_check(whose: str, ahead_s: float) -> Check:
    """Returns the check of a clock that is so many seconds ahead of that of Redis, or behind if negative."""
    differs = f"the clock of {whose} is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} that of Redis"
    hint = "synchronise both with NTP"
    if abs(ahead_s) > _CLOCKS_FAR_APART_S:
        return problem(CLOCK, differs, hint)
    if abs(ahead_s) > _CLOCKS_DIFFER_S:
        return warning(CLOCK, differs, hint)
    return ok(CLOCK, f"the clocks of {whose} and of Redis agree to within {_CLOCKS_DIFFER_S:g} s")


def _of_facts(facts: ServerFacts, clock: ClockReading) -> list[Check]:
    name = f"{facts.product} {facts.version}"
    found = [ok(REDIS, f"{name} answers in {clock.round_trip_s * 1000:.1f} ms")]
    numbers = re.match(r"(\d{1,6})\.(\d{1,6})", facts.version)
    if numbers and (int(numbers[1]), int(numbers[2])) < _OLDEST:
        found = [problem(REDIS, f"{name} is too old", "upgrade it to Redis 6.2, or to Valkey")]
    if facts.role == "slave":
        found.append(
            problem(REDIS, "it is a replica, which takes no jobs", "let RAYLANE_REDIS__URL lead to the primary")
        )
    if facts.is_loading:
        found.append(warning(REDIS, "it is still loading its data", "wait until it is done"))
    return [*found, *_of_persistence(facts), *_of_memory(facts)]


def _of_persistence(facts: ServerFacts) -> list[Check]:
    failed = [
        problem(REDIS, f"its last write of the {what} failed", "see its log; is the disk full?")
        for what in facts.failed_writes
    ]
    if facts.has_append_only_file:
        return failed or [ok(REDIS, "it keeps an append-only file")]
    hint = "set `appendonly yes`, or RAYLANE_REDIS__DURABILITY=wait with replicas"
    return [*failed, warning(REDIS, "it keeps no append-only file, so a crash loses jobs", hint)]


def _of_memory(facts: ServerFacts) -> list[Check]:
    found: list[Check] = []
    if facts.policy != "noeviction":
        evicts = f"when its memory is full, it deletes keys (maxmemory-policy {facts.policy}), and so jobs"
        state = problem if facts.max_bytes else warning
        found.append(state(REDIS, evicts, "set `maxmemory-policy noeviction`"))
    used = f"{facts.used_bytes / _MEBIBYTE:,.0f} MiB"
    if not facts.max_bytes:
        return [*found, ok(REDIS, f"{used} of memory in use, without a limit")]
    share = facts.used_bytes / facts.max_bytes
    told = f"{used} of {facts.max_bytes / _MEBIBYTE:,.0f} MiB of memory in use"
    hint = "raise maxmemory, or shorten RAYLANE_RESULT_TTL_S and RAYLANE_DEAD_TTL_S"
    if share >= 1:
        return [*found, problem(REDIS, f"its memory is full, so it takes no jobs: {told}", hint)]
    if share >= _NEARLY_FULL:
        return [*found, warning(REDIS, f"its memory is nearly full: {told}", hint)]
    return [*found, ok(REDIS, told)]


def check_workers(lanes: Sequence[LaneOverview], workers: Sequence[WorkerOverview]) -> list[Check]:
    """Returns who takes the jobs of each lane, in which version, and what has piled up."""
    found = [
        problem(WORKERS, f"no worker takes the lane {lane.lane}", f"start one: raylane-worker run --lanes {lane.lane}")
        for lane in lanes
        if not lane.workers
    ]
    if len(found) == len(lanes):
        found = [problem(WORKERS, "no worker runs", "start one: raylane-worker run")]
    found += [_of_worker(worker) for worker in workers]
    found += _of_settings(workers)
    found += [clock_check(worker.name, worker.ahead_s) for worker in workers if worker.ahead_s is not None]
    for lane in lanes:
        if lane.workers and lane.oldest_s is not None and lane.oldest_s > _OLD_JOB_S:
            queued = counted(lane.queued, "job waits", "jobs wait")
            waits = f"the next job of the lane {lane.lane} has waited for {lane.oldest_s:.0f} s; {queued}"
            found.append(warning(WORKERS, waits, "start more workers; `raylane lanes` shows more"))
        if lane.dead:
            dead = f"{counted(lane.dead, 'dead letter')} in the lane {lane.lane}"
            found.append(warning(WORKERS, dead, "see `raylane dead list`"))
    return found


def _of_worker(worker: WorkerOverview) -> Check:
    ours = metadata.version("raylane")
    told = f"{worker.name} takes {', '.join(worker.lanes)}"
    if worker.about is None:
        hint = "upgrade the workers, then the producers"
        return warning(WORKERS, f"{told}; its version is older than {ours}, and unknown", hint)
    if worker.about.version != ours:
        hint = "upgrade the workers first, then the producers, so that both have the same version"
        return warning(WORKERS, f"{told}, with version {worker.about.version}; here is {ours}", hint)
    return ok(WORKERS, f"{told}, with version {ours} as here")


def _of_settings(workers: Sequence[WorkerOverview]) -> list[Check]:
    """Returns in which settings the workers of a lane differ, and who does not say them."""
    told = {worker.name: worker.about.settings for worker in workers if worker.about and worker.about.settings}
    found: dict[str, list[str]] = {}
    for lane in Lane:
        names = [worker.name for worker in workers if lane.value in worker.lanes and worker.name in told]
        for setting in sorted({setting for name in names for setting in told[name]}):
            by_value: dict[str, list[str]] = {}
            for name in names:
                by_value.setdefault(told[name].get(setting, "not set"), []).append(name)
            if len(by_value) > 1:
                said = "; ".join(f"{_several(those)}: {safe_line(value)}" for value, those in by_value.items())
                found.setdefault(f"{safe_line(setting)} differs: {said}", []).append(lane.value)
    hint = "give all workers of a lane the same settings, and restart them"
    checks = [
        warning(WORKERS, message, hint).model_copy(update={"lanes": tuple(lanes)}) for message, lanes in found.items()
    ]
    silent = [worker.name for worker in workers if worker.about is not None and worker.name not in told]
    if silent:
        older = f"{_several(silent)}: of an older version, which does not say its settings and its clock"
        checks.append(not_tried(WORKERS, older, "upgrade the workers"))
    return checks


def _several(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
