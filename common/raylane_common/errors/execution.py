"""Errors of running a job, whatever its kind."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class JobError(RaylaneError):
    """The job ended for a reason that does not depend on its kind."""


class JobTimeout(JobError):
    """An attempt took longer than its lane allows.

    What to do: raise `RAYLANE_LANES__{LANE}__TIMEOUT_S` if the work needs more.
    """

    code = "job_timeout"
    retryable_by_default = True


class JobCancelled(JobError):
    """The job was cancelled on request.

    What to do: nothing; `raylane retry JOB` starts it again.
    """

    code = "job_cancelled"


class JobExpired(JobError):
    """The job did not start within the time that its caller set with `expires_s`.

    What to do: start more workers for its lane, or allow more time.
    """

    code = "expired"


class DependencyFailed(JobError):
    """A job that this one waited for did not succeed; `details["job_id"]` names it.

    What to do: fix and requeue that job, then this one.
    """

    code = "dependency_failed"


class WorkerLost(JobError):
    """The worker died during the last allowed attempt.

    What to do: check the worker's log and the machine's memory, then run `raylane retry JOB`.
    """

    code = "worker_lost"
    outside_job_by_default = True


class StagedBodyMissing(JobError):
    """The bytes of an upload are no longer in Redis, or not all of its parts are on S3.

    What to do: upload the file again.
    """

    code = "staged_body_missing"


class ScratchFull(JobError):
    """The worker has too little disk space for the file.

    What to do: free some, or name another directory with `RAYLANE_UPLOADS__SCRATCH_DIR`.
    """

    code = "scratch_full"
    retryable_by_default = True


class InternalError(JobError):
    """A defect in Raylane: an exception that no handler expected.

    What to do: report it with the traceback from the worker's log.
    """

    code = "internal_error"
    outside_job_by_default = True
