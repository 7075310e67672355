"""Errors of the Ray cluster and of runs on it."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class RayError(RaylaneError):
    """A problem with the Ray cluster, or with a run on it."""


class RayUnreachable(RayError):
    """No answer of Ray's own from any endpoint; `details["endpoints"]` holds the cause and the elapsed seconds of each.

    Not retryable if the workers have no endpoint at all.

    What to do: check `RAYLANE_RAY__PRIVATE_URL` and `RAYLANE_RAY__PUBLIC_URL`, that the head runs, and that no proxy,
    firewall or login page in front of it answers instead.
    """

    code = "ray_unreachable"
    retryable_by_default = True


class WrongCluster(RayUnreachable):
    """A different cluster answered. Retryable while an endpoint of the right cluster may come back.

    What to do: check that all addresses lead to the same cluster.
    """

    code = "wrong_cluster"
    retryable_by_default = False


class RayInsecure(RayUnreachable):
    """The cluster has known vulnerabilities, or a public address without authentication, and the settings refuse it.

    Retryable while a safe endpoint may come back.

    What to do: upgrade Ray, turn on token authentication, or set `RAYLANE_RAY__INSECURE_CLUSTER=warn`.
    """

    code = "ray_insecure"
    retryable_by_default = False


class RayRejected(RayError):
    """Ray answered 4xx: the request itself is wrong.

    What to do: correct what the message says.
    """

    code = "ray_rejected"


class RayAuth(RayError):
    """Ray answered 401 or 403: the token is missing or wrong.

    What to do: set `RAYLANE_RAY__TOKEN` to the cluster's token.
    """

    code = "ray_auth"


class RunNotFound(RayError):
    """The cluster knows no run with this submission id.

    What to do: `raylane ray runs` lists the runs that it knows.
    """

    code = "run_not_found"


class RunExists(RayError):
    """The cluster already has a different run with this submission id.

    What to do: choose another id, or delete that run.
    """

    code = "run_exists"


class RayServerError(RayError):
    """Ray answered 500, or JSON that does not follow its API.

    What to do: read the log of the cluster's head.
    """

    code = "ray_server_error"
    retryable_by_default = True


class SubmitOutcomeUnknown(RayError):
    """The submission may or may not have arrived; `details["submission_id"]` names it.

    What to do: submit again with the same id, which never starts a second run.
    """

    code = "submit_outcome_unknown"
    retryable_by_default = True


class RunLost(RayError):
    """Ray accepted the run but no longer knows it: its head was restarted, or somebody deleted the run.

    What to do: if running the code twice does no harm, `raylane retry JOB` starts a new run.
    """

    code = "run_lost"


class RunNotStarted(RayError):
    """Ray accepted the run but did not start it within `ray.pending_timeout_s`, so it was stopped.

    What to do: give the cluster more CPUs, or raise `RAYLANE_RAY__PENDING_TIMEOUT_S`.
    """

    code = "run_not_started"


class RunFailed(RayError):
    """The code ran on Ray and failed; `details["run"]` holds its status, exit code and the end of its output.

    What to do: read the output.
    """

    code = "run_failed"


class RunStopped(RayError):
    """Somebody stopped the run before it ended.

    What to do: `raylane retry JOB` starts it again.
    """

    code = "run_stopped"


class RunTimeout(RayError):
    """The run took longer than `ray.run_timeout_s`, so it was stopped.

    What to do: raise `RAYLANE_RAY__RUN_TIMEOUT_S` if the work needs more.
    """

    code = "run_timeout"
