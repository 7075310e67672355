"""Errors of the Ray cluster and of runs on it."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class RayError(RaylaneError):
    """The Ray cluster, or a run on it."""


class RayUnreachable(RayError):
    """No endpoint answered; `details["endpoints"]` holds each one's cause and elapsed seconds."""

    code = "ray_unreachable"
    retryable_by_default = True


class WrongCluster(RayUnreachable):
    """What answers is another cluster than the one first seen. Retryable while an address of ours may come back."""

    code = "wrong_cluster"
    retryable_by_default = False


class RayInsecure(RayUnreachable):
    """What answers has known holes, or a public address and no authentication; refused by `ray.insecure_cluster`.

    Retryable while an address that is safe may come back.
    """

    code = "ray_insecure"
    retryable_by_default = False


class RayRejected(RayError):
    """Ray answered 4xx: the request itself is wrong."""

    code = "ray_rejected"


class RayAuth(RayError):
    """Ray answered 401 or 403: set the endpoint's token (RAYLANE_RAY__TOKEN)."""

    code = "ray_auth"


class RunNotFound(RayError):
    """The cluster knows no job with this submission id."""

    code = "run_not_found"


class RunExists(RayError):
    """The cluster already has a *different* job under this submission id."""

    code = "run_exists"


class RayServerError(RayError):
    """Ray answered 500, or something that is not Ray's answer."""

    code = "ray_server_error"
    retryable_by_default = True


class SubmitOutcomeUnknown(RayError):
    """The submission may or may not have arrived; `details["submission_id"]` lets the caller find out later."""

    code = "submit_outcome_unknown"
    retryable_by_default = True


class RunLost(RayError):
    """Ray had taken the job and knows it no more: its head was restarted, or somebody deleted the job."""

    code = "run_lost"


class RunNotStarted(RayError):
    """Ray took the run and had not begun it by `ray.pending_timeout_s`; it was stopped."""

    code = "run_not_started"


class RunFailed(RayError):
    """The code ran on Ray and failed; `details["run"]` holds status, exit code and the tail of the output."""

    code = "run_failed"


class RunStopped(RayError):
    """The run was stopped before it ended."""

    code = "run_stopped"


class RunTimeout(RayError):
    """The run took longer than `ray.run_timeout_s` and was stopped."""

    code = "run_timeout"
