"""Errors of the queue."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class QueueError(RaylaneError):
    """The queue could not do what was asked."""


class QueueUnavailable(QueueError):
    """Redis did not answer in time, or refused the command. The request may or may not have been stored.

    What to do: check `RAYLANE_REDIS__URL` and the server. To enqueue again safely, use the same `job_id`.
    """

    code = "queue_unavailable"
    retryable_by_default = True


class ClusterUnsupported(QueueUnavailable):
    """The URL of Redis does not say what the server is, or asks for what a cluster does not have.

    What to do: change `RAYLANE_REDIS__URL` as the message says, usually its scheme: `redis://` for one server,
    `redis+sentinel://` for Sentinel, `redis+cluster://` for a cluster.
    """

    code = "cluster_unsupported"
    retryable_by_default = False


class WriteNotConfirmed(QueueUnavailable):
    """Redis carried out the write, but did not confirm in time that it is kept: see `RAYLANE_REDIS__DURABILITY`.

    What to do: repeat the call with the same `job_id` (`details.job_id`), which makes no second job. Check the server's
    disk, or its replicas.
    """

    code = "write_not_confirmed"


class JobNotFound(QueueError):
    """No record has this job id: the job was never enqueued, or its record has expired.

    What to do: check the id; a finished job's record is kept for `RAYLANE_RESULT_TTL_S`.
    """

    code = "job_not_found"


class JobIdTaken(QueueError):
    """The job id belongs to a different request. Enqueueing the same request again returns the existing job.

    What to do: choose another `job_id`.
    """

    code = "job_id_taken"


class JobNotRequeued(QueueError):
    """The job cannot be requeued; the message says why.

    What to do: requeue only a job that failed or was cancelled, after the jobs that it depends on.
    """

    code = "job_not_requeued"


class WaitTimeout(QueueError):
    """The job did not end within the caller's timeout. The job itself continues.

    What to do: wait again, follow the job, or cancel it.
    """

    code = "wait_timeout"
    retryable_by_default = True


class LeaseLost(QueueError):
    """This worker no longer owns the job, so its write was refused.

    What to do: nothing; another worker has the job.
    """

    code = "lease_lost"
