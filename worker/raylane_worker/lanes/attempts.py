"""Runs one attempt of one job: calls the handler under a time limit, and turns what happens into an outcome.

See docs/decisions/0001.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import (
    InternalError,
    InvalidRequest,
    JobCancelled,
    JobTimeout,
    LeaseLost,
    QueueUnavailable,
    RaylaneError,
)
from raylane_common.logs import get_logger
from raylane_common.redis.queue import spans
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import parse_request
from raylane_common.wire.registry import lane_of
from raylane_worker.context import GivesWay, JobContext
from raylane_worker.runs.left import is_left, name_left_run, note_stopped_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raylane_common.redis.queue import AttemptOutcome, Lease
    from raylane_common.telemetry.tracing import Span
    from raylane_common.wire.base import RetryPolicy
    from raylane_common.wire.kinds import Request
    from raylane_worker.context import Handlers, Resources
    from raylane_worker.lanes.leases import HeldLease

logger = get_logger("raylane.worker")

# `runs.run.stop_run` takes up to 25 s. The rest allows for two Redis commands that each take `redis.give_up_s`.
_CLEAN_UP_S: Final = 45.0


class AttemptRunner:
    """Runs attempts with the handlers of one lane."""

    def __init__(
        self,
        handlers: Handlers,
        resources: Resources,
        *,
        timeout_s: float,
        retries: Mapping[JobKind, RetryPolicy],
    ) -> None:
        """`timeout_s` limits each attempt. `retries` says for each kind how long to wait before the next one."""
        self._handlers = handlers
        self._resources = resources
        self._timeout_s = timeout_s
        self._retries = retries

    async def run(self, lease: Lease, held: HeldLease) -> AttemptOutcome | None:
        """Runs one attempt and returns its outcome; None if the lease was lost and another worker has the job.

        Raises `asyncio.CancelledError` if the worker stops.
        """
        with spans.attempting(lease.record) as span:
            try:
                outcome = await self._run(lease, held, span)
            except Exception as error:  # a bug between a job and its record must not end the worker
                logger.exception("job %s: bug in the worker", lease.job_id)
                what = f"{type(error).__name__} in the worker after the attempt; its log has the traceback"
                outcome = lease.failed(InternalError(what))
            span.set({"raylane.job.outcome": outcome.verdict if outcome is not None else "lost"})
            return outcome

    async def _run(self, lease: Lease, held: HeldLease, span: Span) -> AttemptOutcome | None:
        record = lease.record
        if record.cancel_requested_at is not None:
            # The job is already being cancelled. With the reason set, a renewal does not interrupt the clean-up.
            held.stop_reason = "cancel"
            return await self._cancelled(lease)
        try:
            outcome = await self._handle(lease)
        except asyncio.CancelledError:
            # `HeldLease.stop` sets a reason and cancels once. Anything else means that the worker is stopping.
            if held.stop_reason is None or held.task.uncancel() > 0:
                raise
            return await self._cancelled(lease) if held.stop_reason == "cancel" else _lost(lease)
        except LeaseLost:
            return _lost(lease)
        except GivesWay as wait:
            logger.debug("job %s: gives way to other jobs of its lane", record.id)
            return lease.returned(delay_s=wait.delay_s)
        except RaylaneError as error:
            span.failed(error.code, error.message)
            if self._is_final(lease, error):
                await self._stop_what_is_left(lease, error)
            return self._failed(lease, error)
        logger.info("job %s: %s succeeded, attempt %d", record.id, record.kind, record.attempt)
        return outcome

    def _is_final(self, lease: Lease, error: RaylaneError) -> bool:
        """Whether the job gets no further attempt after this error."""
        is_last = lease.record.attempt >= (lease.record.max_attempts or 1)
        return not error.retryable or (is_last and not isinstance(error, QueueUnavailable))

    def _failed(self, lease: Lease, error: RaylaneError) -> AttemptOutcome:
        """Decides from the error whether the job gets another attempt, and when it starts."""
        record = lease.record
        if self._is_final(lease, error):
            logger.warning("job %s: failed: %s", record.id, error)
            return lease.failed(error)
        policy = self._retries[JobKind(record.kind)]
        # Full jitter, so that jobs that failed together, as when S3 was down, do not all start again together.
        pauses = Backoff(first_s=policy.backoff_base_s, cap_s=policy.backoff_cap_s, jitter=1.0)
        delay_s = pauses.nth_s(record.attempt) + (error.retry_after_s or 0)
        logger.warning("job %s: %s; next attempt in %.1f s", record.id, error, delay_s)
        if isinstance(error, QueueUnavailable):
            # Redis failed, not the job, so this attempt does not count.
            return lease.returned(error, delay_s)
        return lease.retried(error, delay_s)

    async def _cancelled(self, lease: Lease) -> AttemptOutcome | None:
        """Runs the kind's clean-up and returns the outcome; None if the lease was lost."""
        cancelled = JobCancelled("the job was cancelled")
        try:
            await lease.refresh()
            await self._clean_up(lease)
        except LeaseLost:
            return _lost(lease)
        except Exception as error:  # the boundary between a job and the worker, as in `_handle`
            if isinstance(error, QueueUnavailable) and error.retryable:
                logger.warning("job %s: its clean-up failed and will run again: %s", lease.job_id, error)
                return lease.returned()
            name_left_run(cancelled, error)
            logger.warning("job %s: %s", lease.job_id, cancelled.message, exc_info=_trace(error))
        logger.info("job %s: cancelled", lease.job_id)
        return lease.cancelled(cancelled)

    async def _stop_what_is_left(self, lease: Lease, error: RaylaneError) -> None:
        """Stops the run that the job may leave behind. Adds to the error whether that was possible."""
        # After a bug or a timeout it is not known what was started.
        if not (is_left(error) or isinstance(error, InternalError | JobTimeout)):
            return
        try:
            await lease.refresh()
            await self._clean_up(lease)
        except LeaseLost:
            # The worker that has the job now stops it, and the outcome of this attempt is refused.
            return
        except Exception as problem:  # the boundary between a job and the worker, as in `_handle`
            name_left_run(error, problem)
            what = "what it started on Ray could not be stopped"
            logger.warning("job %s: %s: %s", lease.job_id, what, problem, exc_info=_trace(problem))
        else:
            note_stopped_run(error)

    async def _clean_up(self, lease: Lease) -> None:
        """Lets the handler stop what the job started elsewhere. Raises what the handler raises."""
        request = parse_request(lease.record)
        handler = self._handlers.get(request.kind)
        if handler is not None and handler.clean_up is not None:
            async with asyncio.timeout(_CLEAN_UP_S):
                await handler.clean_up(request, JobContext(lease.record, lease, self._resources.now()))

    async def _handle(self, lease: Lease) -> AttemptOutcome:
        """Runs the handler, and returns the outcome with its result.

        Raises only `RaylaneError`, `GivesWay` and `asyncio.CancelledError`.
        """
        try:
            request: Request = parse_request(lease.record)
            handler = self._handlers.get(request.kind)
            if handler is None:
                raise InvalidRequest.field("lane", f"{request.kind} jobs belong in lane {lane_of(request.kind)}")
            async with asyncio.timeout(self._timeout_s) as deadline:
                result = await handler.run(request, JobContext(lease.record, lease, self._resources.now()))
            return lease.succeeded(result)
        except TimeoutError as error:
            if not deadline.expired():
                raise InternalError("a timeout inside the handler was not caught; see the worker's log") from error
            raise JobTimeout(
                f"the job took longer than {self._timeout_s:g} s (lanes.{lease.record.lane}.timeout_s)"
            ) from error
        except (RaylaneError, GivesWay):
            raise
        except Exception as error:  # the boundary between a job and the worker: a bug ends the job, not the worker
            logger.exception("job %s: bug in the %s handler", lease.job_id, lease.record.kind)
            raise InternalError(
                f"{type(error).__name__} in the {lease.record.kind} handler; the worker's log has the traceback"
            ) from error


def _lost(lease: Lease) -> AttemptOutcome | None:
    """Logs a lost lease. Returns no outcome, because the worker that has the job now writes it."""
    logger.warning("job %s: lost its lease; another worker has it", lease.job_id)
    return None


def _trace(error: Exception) -> Exception | None:
    """Returns the error if its traceback belongs in the log; None for our own errors, whose message is enough."""
    return None if isinstance(error, RaylaneError) else error
