"""Errors of a job's execution, for a reason outside its subject."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class JobError(RaylaneError):
    """The job's execution went wrong for a reason outside its subject."""


class JobTimeout(JobError):
    """The job ran longer than its lane allows."""

    code = "job_timeout"
    retryable_by_default = True


class JobCancelled(JobError):
    """The job was cancelled on request."""

    code = "job_cancelled"


class JobExpired(JobError):
    """The job had not started by the time that its caller set."""

    code = "expired"


class DependencyFailed(JobError):
    """A job that this one waited for did not succeed; `details["job_id"]` names it."""

    code = "dependency_failed"


class WorkerLost(JobError):
    """Every attempt ended with the death of its worker."""

    code = "worker_lost"
    outside_job_by_default = True


class StagedBodyMissing(JobError):
    """The bytes of an upload are no longer in Redis; upload the file again."""

    code = "staged_body_missing"


class InternalError(JobError):
    """A defect in Raylane: an exception that no handler foresaw."""

    code = "internal_error"
    outside_job_by_default = True
