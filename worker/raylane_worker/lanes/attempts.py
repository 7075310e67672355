"""One attempt of one job: the handler under its time limit, and what its end means for the job."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, Final

from raylane_common.errors import (
    InternalError,
    InvalidRequest,
    JobCancelled,
    JobTimeout,
    LeaseLost,
    QueueUnavailable,
    RaylaneError,
)
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import parse_request
from raylane_common.wire.kinds import lane_of
from raylane_worker.context import JobContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from raylane_common.redis.queue import AttemptOutcome, Lease
    from raylane_common.wire.base import RetryPolicy
    from raylane_common.wire.kinds import Request, Result
    from raylane_worker.context import Resources
    from raylane_worker.lanes.leases import HeldLease

    Handlers = Mapping[JobKind, Callable[[Any, JobContext], Awaitable[Result]]]
    Cleanups = Mapping[JobKind, Callable[[Any, JobContext], Awaitable[None]]]

logger = logging.getLogger("raylane.worker")

_CLEANUP_S: Final = 45.0


class AttemptRunner:
    """Makes attempts with the handlers of a lane."""

    def __init__(
        self,
        handlers: Handlers,
        cleanups: Cleanups,
        resources: Resources,
        *,
        timeout_s: float,
        retries: Mapping[JobKind, RetryPolicy],
    ) -> None:
        """`cleanups` undo, by kind, what a cancelled job has started; `timeout_s` is for one attempt."""
        self._handlers = handlers
        self._cleanups = cleanups
        self._resources = resources
        self._timeout_s = timeout_s
        self._retries = retries

    async def run(self, lease: Lease, hold: HeldLease) -> AttemptOutcome | None:
        """How the attempt ended; None if it is no longer ours to say."""
        record = lease.record
        if record.cancel_requested_at is not None:
            # Said already: hearing of it again must not cut the cleanup.
            hold.stopped = "cancel"
            return await self._cancelled(lease)
        try:
            result = await self._handle(lease)
        except asyncio.CancelledError:
            # Cancelled once for its own reason; more than that, or for none: the worker stops.
            if hold.stopped is None or hold.task.uncancel() > 0:
                raise
            if hold.stopped == "cancel":
                return await self._cancelled(lease)
            logger.warning("job %s: lost its lease; another worker has it", record.id)
            return None
        except LeaseLost:
            logger.warning("job %s: lost its lease; another worker has it", record.id)
            return None
        except RaylaneError as error:
            return self._failed(lease, error)
        logger.info("job %s: %s succeeded, attempt %d", record.id, record.kind, record.attempt)
        return lease.succeeded(result)

    def _failed(self, lease: Lease, error: RaylaneError) -> AttemptOutcome:
        """The next attempt, or the job's end: the error says whether it is worth another one, and when."""
        record = lease.record
        if not error.retryable or (
            record.attempt >= (record.max_attempts or 1) and not isinstance(error, QueueUnavailable)
        ):
            logger.warning("job %s: failed: %s", record.id, error)
            return lease.failed(error)
        policy = self._retries[JobKind(record.kind)]
        ceiling_s = min(policy.backoff_cap_s, policy.backoff_base_s * 2.0 ** (record.attempt - 1))
        delay_s = random.uniform(0, ceiling_s) + (error.retry_after_s or 0)  # noqa: S311  # full jitter, not a secret
        logger.warning("job %s: %s; next attempt in %.1f s", record.id, error, delay_s)
        if isinstance(error, QueueUnavailable):
            # Redis went away under the attempt: that is nothing that the job has done.
            return lease.returned(error, delay_s)
        return lease.retried(error, delay_s)

    async def _cancelled(self, lease: Lease) -> AttemptOutcome | None:
        """Undoes what the job has started elsewhere, as far as that can be done."""
        message, details = "the job was cancelled", {}
        try:
            await lease.refresh()
            request = parse_request(lease.record)
            cleanup = self._cleanups.get(request.kind)
            if cleanup is not None:
                async with asyncio.timeout(_CLEANUP_S):
                    await cleanup(request, JobContext(lease.record, lease, self._resources))
        except LeaseLost:
            logger.warning("job %s: lost its lease; another worker has it", lease.job_id)
            return None
        except Exception as error:  # the border between a job and the worker, as in `_handle`
            if isinstance(error, QueueUnavailable) and error.retryable:
                logger.warning("job %s: its cleanup is put off: %s", lease.job_id, error)
                return lease.returned()
            message = "the job was cancelled, but what it had started may go on"
            details = {"cleanup": str(error) if isinstance(error, RaylaneError) else type(error).__name__}
            logger.warning("job %s: %s", lease.job_id, message, exc_info=error)
        logger.info("job %s: cancelled", lease.job_id)
        return lease.cancelled(JobCancelled(message, details=dict(details)))

    async def _handle(self, lease: Lease) -> Result:
        """The handler's result. Everything that goes wrong leaves as a `RaylaneError`."""
        try:
            request: Request = parse_request(lease.record)
            handler = self._handlers.get(request.kind)
            if handler is None:
                raise InvalidRequest.field("lane", f"{request.kind} jobs belong into lane {lane_of(request.kind)}")
            async with asyncio.timeout(self._timeout_s) as deadline:
                return await handler(request, JobContext(lease.record, lease, self._resources))
        except TimeoutError as error:
            if not deadline.expired():
                raise InternalError("a time limit inside the job was not handled; see the worker's log") from error
            raise JobTimeout(
                f"the job took longer than {self._timeout_s:g} s (lanes.{lease.record.lane}.timeout_s)"
            ) from error
        except RaylaneError:
            raise
        except Exception as error:  # the border between a job and the worker: a defect ends the job, not the worker
            logger.exception("job %s: defect in the %s handler", lease.job_id, lease.record.kind)
            raise InternalError(
                f"{type(error).__name__} in the {lease.record.kind} handler; the worker's log has the traceback"
            ) from error
