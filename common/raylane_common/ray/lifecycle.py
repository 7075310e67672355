"""Waits for a job of the cluster to end, and stops one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from raylane_common.backoff import Backoff
from raylane_common.errors import RayError, RunLost, RunNotFound, RunNotStarted, WaitTimeout
from raylane_common.logs import get_logger
from raylane_common.ray.models import RayRun, RayStop, RunStatus

if TYPE_CHECKING:
    from raylane_common.ray.looks import FollowedRun

# Ray takes about 4 s to stop a run. The pauses between the requests to stop it grow, up to fivefold.
_POLL_FACTOR: Final = 1.5
_LONGEST_POLL_FACTOR: Final = 5.0
# A restart of the head, or of the network to it, is over by then. A longer outage needs an operator.
MAX_OUTAGE_S: Final = 60.0
# Installing a runtime environment may take this long; after that the log says that the run is still pending.
_PENDING_NOTICE_S: Final = 60.0

logger = get_logger("raylane.ray")


class Jobs(Protocol):
    """The two calls of `RayClient` that this module needs."""

    async def job(self, submission_id: str) -> RayRun:
        """Returns one job as it is now."""

    async def ask_to_stop(self, submission_id: str) -> bool:
        """Asks Ray once to stop a job."""


async def wait_for_end(
    run: FollowedRun, submission_id: str, *, timeout_s: float | None, pending_timeout_s: float, accepted: bool
) -> RayRun:
    """Returns the job once it has ended. An outage of the cluster of less than a minute does not end the wait.

    The parameters are those of `RayClient.wait`. Raises `WaitTimeout`, `RunNotStarted`, `RunLost`, `RunNotFound`, and
    the `RayError` of an outage that takes longer than a minute.
    """
    try:
        # With 0 or less it looks once.
        async with asyncio.timeout(timeout_s if timeout_s is not None and timeout_s > 0 else None) as limit:
            return await _wait(run, submission_id, timeout_s, pending_timeout_s, accepted=accepted)
    except TimeoutError:
        if timeout_s is None or not limit.expired():
            raise
        raise _not_ended(submission_id, timeout_s) from None


async def _wait(
    run: FollowedRun, submission_id: str, timeout_s: float | None, pending_timeout_s: float, *, accepted: bool
) -> RayRun:
    loop = asyncio.get_running_loop()
    started_at_s = loop.time()
    job: RayRun | None = None
    noticed = False
    while True:
        try:
            job = await run.next(job)
        except RunNotFound as error:
            if accepted:
                raise _lost(submission_id) from error
            raise
        except RayError as error:
            if not error.retryable or run.unanswered_s > MAX_OUTAGE_S:
                raise
        else:
            if job.status.is_final:
                return job
            accepted = True
            pending_s = loop.time() - started_at_s if job.status is RunStatus.PENDING else 0.0
            if pending_s > pending_timeout_s:
                raise _not_started(submission_id, pending_timeout_s)
            if pending_s > _PENDING_NOTICE_S and not noticed:
                noticed = True
                logger.warning("run %s is still pending after %.0f s: %s", submission_id, pending_s, job.message)
        if timeout_s is not None and loop.time() - started_at_s > timeout_s:
            raise _not_ended(submission_id, timeout_s)


async def stop_and_confirm(
    jobs: Jobs, submission_id: str, *, timeout_s: float, appear_timeout_s: float, poll_interval_s: float
) -> RayStop:
    """Asks Ray to stop the job until it has ended. Returns the job as it is after `timeout_s`.

    Asks again and again, since a job ignores the request while its supervisor starts. Waits for an unknown job for
    `appear_timeout_s`, then raises `RunNotFound`.
    """
    loop = asyncio.get_running_loop()
    appears_by_s = loop.time() + appear_timeout_s
    give_up_at_s = loop.time() + timeout_s
    pauses = Backoff(poll_interval_s, _LONGEST_POLL_FACTOR * poll_interval_s, factor=_POLL_FACTOR)
    asked = False
    while True:
        try:
            job = await jobs.job(submission_id)
            if job.status.is_final or loop.time() > give_up_at_s:
                return RayStop(stopped=asked and job.status is RunStatus.STOPPED, run=job)
            # It ran until now. The answer proves nothing: it may be lost, or be about an earlier request.
            asked = True
            await jobs.ask_to_stop(submission_id)
        except RunNotFound:
            if loop.time() >= appears_by_s:
                raise
            give_up_at_s = loop.time() + timeout_s
        except RayError as error:
            if not error.retryable or loop.time() > give_up_at_s:
                raise
        await asyncio.sleep(pauses.next_s())


def _not_ended(submission_id: str, timeout_s: float) -> WaitTimeout:
    return WaitTimeout(
        f"{submission_id} had not ended after {timeout_s:g} s; it continues", details={"submission_id": submission_id}
    )


def _lost(submission_id: str) -> RunLost:
    return RunLost(
        f"Ray accepted {submission_id} and no longer knows it: its head was restarted, or somebody deleted the run. "
        "How far it came is unknown, so it is not run again automatically",
        details={"submission_id": submission_id},
    )


def _not_started(submission_id: str, pending_timeout_s: float) -> RunNotStarted:
    return RunNotStarted(
        f"{submission_id} was still pending {pending_timeout_s:g} s (ray.pending_timeout_s) after Ray accepted it: the "
        "cluster is full, the runtime_env cannot be installed, or Ray has lost the run; see its log on the head",
        details={"submission_id": submission_id},
    )
