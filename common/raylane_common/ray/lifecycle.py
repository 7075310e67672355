"""A job of the cluster over time: waited for until it has ended, and stopped until it has stopped."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from raylane_common.errors import RayError, RunLost, RunNotFound, RunNotStarted, WaitTimeout
from raylane_common.ray.models import RayJob, RayJobStatus, RayStop

FIRST_POLL_S: Final = 0.2
OUTAGE_PATIENCE_S: Final = 60.0
_LONGEST_COURTESY_S: Final = 20.0
_PENDING_NOTICE_S: Final = 60.0

logger = logging.getLogger("raylane.ray")


class Jobs(Protocol):
    """The cluster's jobs, one question at a time; see `RayClient` for what each raises."""

    async def job(self, submission_id: str) -> RayJob:
        """One job as it is now."""

    async def ask_to_stop(self, submission_id: str) -> bool:
        """Asks once for a job to stop."""


async def wait_for_end(
    jobs: Jobs,
    submission_id: str,
    *,
    timeout_s: float | None,
    pending_timeout_s: float,
    poll_interval_s: float,
    accepted: bool,
) -> RayJob:
    """The job once it has ended; a cluster that is away for less than a minute does not end the wait.

    With `accepted`, Ray is known to have taken the job. Raises `WaitTimeout`; `RunNotStarted` for a job that was
    PENDING for all of `pending_timeout_s`; `RunLost` for one that Ray had and has no more; `RunNotFound`; and the
    `RayError` that has stood in the way for a minute.
    """
    loop = asyncio.get_running_loop()
    pause_s = FIRST_POLL_S
    asked_since = answered_at = loop.time()
    noticed = False
    while True:
        try:
            job = await jobs.job(submission_id)
        except RunNotFound as error:
            if accepted:
                raise _lost(submission_id) from error
            raise
        except RayError as error:
            if not error.retryable or loop.time() - answered_at > OUTAGE_PATIENCE_S:
                raise
            pause_s = max(pause_s, min(error.retry_after_s or 0, _LONGEST_COURTESY_S))
        else:
            if job.status.is_final:
                return job
            accepted, answered_at = True, loop.time()
            pending_s = loop.time() - asked_since if job.status is RayJobStatus.PENDING else 0.0
            if pending_s > pending_timeout_s:
                raise _not_started(submission_id, pending_timeout_s)
            if pending_s > _PENDING_NOTICE_S and not noticed:
                noticed = True
                logger.warning("run %s is still pending after %.0f s: %s", submission_id, pending_s, job.message)
        if timeout_s is not None and loop.time() - asked_since > timeout_s:
            raise WaitTimeout(
                f"{submission_id} had not ended after {timeout_s:g} s; it goes on",
                details={"submission_id": submission_id},
            )
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, poll_interval_s)


async def stop_and_confirm(
    jobs: Jobs, submission_id: str, *, patience_s: float, may_come_s: float, poll_interval_s: float
) -> RayStop:
    """Asks Ray to stop the job until it has ended, or for `patience_s`: then it is returned as it is.

    Asks again because a job whose supervisor is only starting does not hear it. An unknown job is waited for during
    `may_come_s`, then `RunNotFound` is raised.
    """
    loop = asyncio.get_running_loop()
    comes_until = loop.time() + may_come_s
    give_up_at = loop.time() + patience_s
    pause_s = FIRST_POLL_S
    asked = False
    while True:
        try:
            job = await jobs.job(submission_id)
            if job.status.is_final or loop.time() > give_up_at:
                return RayStop(stopped=asked and job.status is RayJobStatus.STOPPED, job=job)
            # It ran until now; the answer may be lost, and may say of an earlier request that there is nothing to stop.
            asked = True
            await jobs.ask_to_stop(submission_id)
        except RunNotFound:
            if loop.time() >= comes_until:
                raise
            give_up_at = loop.time() + patience_s
        except RayError as error:
            if not error.retryable or loop.time() > give_up_at:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, poll_interval_s)


def _lost(submission_id: str) -> RunLost:
    return RunLost(
        f"Ray took {submission_id} and knows it no more: its head was restarted, or the job deleted. How far it had "
        "come is not known, so it is not run again by itself",
        details={"submission_id": submission_id},
    )


def _not_started(submission_id: str, pending_timeout_s: float) -> RunNotStarted:
    return RunNotStarted(
        f"{submission_id} was still pending {pending_timeout_s:g} s (ray.pending_timeout_s) after Ray had taken it: "
        "the cluster is full, its runtime_env cannot be made, or Ray has lost it; its log on the head says more",
        details={"submission_id": submission_id},
    )
