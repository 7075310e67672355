"""Errors of the queue."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class QueueError(RaylaneError):
    """The queue could not do what was asked."""


class QueueUnavailable(QueueError):
    """Redis did not answer in time. Nothing is known about the request unless the message says so."""

    code = "queue_unavailable"
    retryable_by_default = True


class JobNotFound(QueueError):
    """No record of this job id: never enqueued, or older than its time to live."""

    code = "job_not_found"


class JobIdTaken(QueueError):
    """The job id was used before for a different request; the same request would have returned the first job."""

    code = "job_id_taken"


class JobNotRequeued(QueueError):
    """Only a job that failed or was cancelled can be put back into the queue."""

    code = "job_not_requeued"


class WaitTimeout(QueueError):
    """The job had not ended when the caller's patience did. The job itself goes on."""

    code = "wait_timeout"
    retryable_by_default = True


class LeaseLost(QueueError):
    """This worker no longer owns the job, so what it wanted to write was refused."""

    code = "lease_lost"
