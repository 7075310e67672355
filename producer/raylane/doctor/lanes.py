"""Lets a worker of each lane look at what the jobs of that lane use."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from raylane.doctor.queue import WORKERS, clock_check
from raylane_common.errors import InvalidRequest, JobError, JobExpired, RaylaneError, WaitTimeout
from raylane_common.wire.base import Lane
from raylane_common.wire.checks import ChecksResult, not_tried, problem, warning
from raylane_common.wire.generate import GenerateChecksRequest
from raylane_common.wire.ray import RayChecksRequest
from raylane_common.wire.upload import UploadChecksRequest

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from raylane.handle import JobHandle
    from raylane.options import Enqueuer
    from raylane_common.wire.checks import Check

_REQUESTS: Final[dict[Lane, type[UploadChecksRequest | GenerateChecksRequest | RayChecksRequest]]] = {
    Lane.UPLOAD: UploadChecksRequest,
    Lane.GENERATE: GenerateChecksRequest,
    Lane.RAY: RayChecksRequest,
}
# The part of the time that a worker has for its checks. The rest is for taking the job and for its result.
_PART_FOR_CHECKS: Final = 0.75


async def look(jobs: Enqueuer, lanes: Iterable[Lane], clocks: Container[str], limit_s: float) -> list[Check]:
    """Asks one worker of each of these lanes, for at most `limit_s` seconds. Raises nothing.

    `clocks` are the workers whose clocks are checked already.
    """
    found = await asyncio.gather(*(_look(jobs, lane, clocks, limit_s) for lane in lanes))
    return _merged(check for checks in found for check in checks)


async def _look(jobs: Enqueuer, lane: Lane, clocks: Container[str], limit_s: float) -> list[Check]:
    handle: JobHandle[ChecksResult] | None = None
    try:
        async with asyncio.timeout(limit_s):
            request = _REQUESTS[lane](limit_s=limit_s * _PART_FOR_CHECKS)
            handle = await jobs.enqueue(request, ChecksResult, {"priority": "high", "expires_s": limit_s})
            result: object = await handle.result()
            finished_at = (await handle.record()).finished_at
    except (TimeoutError, WaitTimeout, JobExpired):
        if handle is None:
            return [problem(WORKERS, f"Redis did not take a job of the lane {lane} within {limit_s:.1f} s")]
        return [await _not_taken(handle, lane, limit_s)]
    except InvalidRequest:
        hint = "upgrade the workers, then the producers"
        return [not_tried(WORKERS, f"the worker of the lane {lane} is older and knows no checks", hint)]
    except JobError as error:
        return [problem(WORKERS, f"the checks of the lane {lane} failed: {error.message}")]
    except RaylaneError as error:
        return [problem(WORKERS, f"the lane {lane} was not checked: {error.message}")]
    if not isinstance(result, ChecksResult):  # of a newer version
        return [
            not_tried(WORKERS, f"the worker of the lane {lane} answered with what is not known here", "upgrade this")
        ]
    checks = [check.model_copy(update={"lanes": (lane.value,)}) for check in result.checks]
    if finished_at is not None and result.worker not in clocks:
        checks.append(clock_check(result.worker, (result.at_ms - finished_at) / 1000))
    return checks


async def _not_taken(handle: JobHandle[ChecksResult], lane: Lane, limit_s: float) -> Check:
    """Says why there is no result. The job ends by itself if it cannot be cancelled."""
    with suppress(RaylaneError, TimeoutError):
        async with asyncio.timeout(limit_s / 10):
            status = await handle.cancel()
            if status == "running":
                return problem(WORKERS, f"the checks of the lane {lane} did not end within {limit_s:.1f} s")
    hint = "start more workers; `raylane lanes` shows how many jobs wait"
    return warning(WORKERS, f"all workers of the lane {lane} are busy, so what its jobs use was not checked", hint)


def _merged(checks: Iterable[Check]) -> list[Check]:
    """Returns each finding once, with all lanes that have made it."""
    found: dict[tuple[str, ...], Check] = {}
    for check in checks:
        # The time that something took is another one in each lane.
        key = (check.area, check.state, check.hint, _without_times(check.message))
        known = found.get(key)
        found[key] = check if known is None else known.model_copy(update={"lanes": (*known.lanes, *check.lanes)})
    return list(found.values())


def _without_times(message: str) -> str:
    return " ".join(word for word in message.split() if not word.replace(".", "", 1).isdecimal())
