"""`ray` jobs: inspect the cluster and its runs, and run a script of the caller.

A run is called `RayRun` only in the Ray client. See docs/decisions/0010 and 0011.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import Field, StringConstraints, field_validator, model_validator

from raylane_common.errors import InvalidRequest
from raylane_common.limits import (
    ENV_NAME_PATTERN,
    MAX_ENV_BYTES,
    MAX_FILES_BYTES,
    MAX_RUN_CPUS,
    MAX_RUN_MEMORY_BYTES,
    NO_CONTROLS_PATTERN,
)
from raylane_common.ray.models import EndpointReport, RayHealth, RayNode, RayRun, RayVersion, Run
from raylane_common.ray.runtime_env import check_env_vars, check_requirements
from raylane_common.rules import Code, SubmissionId, Text, is_plain_path
from raylane_common.wire.answer import Answer
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.checks import ChecksRequest, ChecksResult

__all__ = [
    "RayChecksRequest",
    "RayClusterRequest",
    "RayClusterResult",
    "RayDeleteRequest",
    "RayDeleteResult",
    "RayEndpointsRequest",
    "RayEndpointsResult",
    "RayLogsRequest",
    "RayLogsResult",
    "RayRunRequest",
    "RayRunResult",
    "RayRunsRequest",
    "RayRunsResult",
    "RayStatusRequest",
    "RayStatusResult",
    "RayStopRequest",
    "RayStopResult",
    "RaySubmitRequest",
    "RaySubmitResult",
]

SCRIPT_NAME: Final = "main.py"
"""The file name under which a submitted script is shipped. No other file of the run may have it."""

EnvName = Annotated[str, StringConstraints(max_length=200, pattern=ENV_NAME_PATTERN)]
Requirement = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_CONTROLS_PATTERN)]


class _ClusterRequest(BaseRequest):
    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False


class _ClusterLook(_ClusterRequest):
    is_look: ClassVar[bool] = True


class RayStatusRequest(_ClusterLook):
    """Ask the cluster for its version, and the client for the state of its endpoints."""

    action: Literal["status"] = "status"


class RayEndpointsRequest(_ClusterLook):
    """Show each address of the cluster as the worker sees it, even if the cluster does not answer."""

    action: Literal["endpoints"] = "endpoints"


class RayClusterRequest(_ClusterLook):
    """Ask for the cluster's health, nodes and use of resources."""

    action: Literal["cluster"] = "cluster"


class RayRunsRequest(_ClusterLook):
    """List the cluster's runs, newest first."""

    action: Literal["runs"] = "runs"
    limit: int = Field(default=100, ge=1, le=500)


class RayRunRequest(_ClusterLook):
    """Look at one run."""

    action: Literal["run"] = "run"
    submission_id: SubmissionId


class RayLogsRequest(_ClusterLook):
    """Read what a run printed."""

    action: Literal["logs"] = "logs"
    submission_id: SubmissionId


class RayStopRequest(_ClusterRequest):
    """Stop a run."""

    action: Literal["stop"] = "stop"
    submission_id: SubmissionId


class RayDeleteRequest(_ClusterRequest):
    """Delete a run that has ended from the cluster."""

    action: Literal["delete"] = "delete"
    submission_id: SubmissionId


class RaySubmitRequest(_ClusterRequest):
    """Run a Python script on the cluster and follow it until it ends.

    Ray shows `env_vars` and `pip` to everybody who may list runs, so anything that looks like a credential is refused.
    So are variables that change which code runs, and entries of `pip` that are not requirements.
    """

    action: Literal["submit"] = "submit"
    code: Code
    # Empty fields are left out of the JSON, so that older workers still accept the request.
    files: dict[str, Text] = Field(
        default_factory=dict,
        description="Text files for the script's directory, by relative path; at most 4 MiB in total",
        exclude_if=lambda value: not value,
    )
    env_vars: dict[EnvName, Text] = Field(
        default_factory=dict,
        description="Environment variables for the script; at most 32 KiB in total",
        exclude_if=lambda value: not value,
    )
    pip: tuple[Requirement, ...] = Field(
        default=(),
        max_length=100,
        description="Requirements that Ray installs for the script, such as `pandas==2.2.3`; no options, URLs or paths",
        exclude_if=lambda value: not value,
    )
    num_cpus: float | None = Field(
        default=None,
        ge=0,
        le=MAX_RUN_CPUS,
        strict=True,
        description="CPUs that Ray reserves for the script itself; None: the worker's setting",
        exclude_if=lambda value: value is None,
    )
    memory_bytes: int | None = Field(
        default=None,
        ge=0,
        le=MAX_RUN_MEMORY_BYTES,
        strict=True,
        description="Memory that Ray reserves for the script itself; None: the worker's setting",
        exclude_if=lambda value: value is None,
    )

    @field_validator("files")
    @classmethod
    def _plain_files(cls, files: dict[str, str]) -> dict[str, str]:
        for path in files:
            if not is_plain_path(path) or path == SCRIPT_NAME:
                raise ValueError(
                    f"{path!r} must be a plain relative path, and not {SCRIPT_NAME}, which is the script itself"
                )
        if _size_bytes(files) > MAX_FILES_BYTES:
            raise ValueError(f"must not exceed {MAX_FILES_BYTES} bytes in total")
        return files

    @model_validator(mode="after")
    def _safe_environment(self) -> Self:
        if _size_bytes(self.env_vars) > MAX_ENV_BYTES:
            raise InvalidRequest.field("env_vars", f"must not exceed {MAX_ENV_BYTES} bytes in total")
        check_env_vars(self.env_vars)
        check_requirements(self.pip)
        return self


class RayStatusResult(BaseResult):
    """The cluster's version, the endpoint that answered, and the state of every endpoint."""

    type: Literal["ray_status"] = "ray_status"
    version: RayVersion
    endpoint: str
    endpoints: tuple[EndpointReport, ...]


class RayEndpointsResult(BaseResult):
    """Each address as the worker sees it. If none of them answered, `problem` says why."""

    type: Literal["ray_endpoints"] = "ray_endpoints"
    endpoints: tuple[EndpointReport, ...]
    problem: str | None = None


class RayClusterResult(BaseResult):
    """The cluster's health and nodes; `status` is the text that `ray status` prints."""

    type: Literal["ray_cluster"] = "ray_cluster"
    health: RayHealth
    nodes: tuple[RayNode, ...]
    status: str


class RayRunsResult(BaseResult):
    """The cluster's runs, newest first; `total` also counts those beyond the limit."""

    type: Literal["ray_runs"] = "ray_runs"
    runs: tuple[RayRun, ...]
    total: int


class RayRunResult(BaseResult):
    """One run, as Ray reports it."""

    type: Literal["ray_run"] = "ray_run"
    run: RayRun


class RayLogsResult(BaseResult):
    """What a run printed; only the end of it if `truncated`."""

    type: Literal["ray_logs"] = "ray_logs"
    submission_id: str
    logs: str
    truncated: bool


class RayStopResult(BaseResult):
    """The outcome of stopping a run. `stopped` is False if it had already ended; `run` is its present state."""

    type: Literal["ray_stop"] = "ray_stop"
    stopped: bool
    run: RayRun


class RayDeleteResult(BaseResult):
    """Whether Ray forgot the run."""

    type: Literal["ray_delete"] = "ray_delete"
    deleted: bool


class RaySubmitResult(BaseResult):
    """A run that the caller submitted and that succeeded."""

    type: Literal["ray_submit"] = "ray_submit"
    run: Run
    answer: Answer | None = Field(
        default=None,
        exclude_if=lambda answer: answer is None,
        description="What the script gave to `raylane_run.answer`",
    )


class RayChecksRequest(ChecksRequest):
    """Look at each address of the cluster, and at S3."""

    kind: ClassVar[JobKind] = JobKind.RAY


RayRequest = (
    RayStatusRequest
    | RayEndpointsRequest
    | RayClusterRequest
    | RayRunsRequest
    | RayRunRequest
    | RayLogsRequest
    | RayStopRequest
    | RayDeleteRequest
    | RaySubmitRequest
    | RayChecksRequest
)
AnyRayResult = (
    RayStatusResult
    | RayEndpointsResult
    | RayClusterResult
    | RayRunsResult
    | RayRunResult
    | RayLogsResult
    | RayStopResult
    | RayDeleteResult
    | RaySubmitResult
    | ChecksResult
)


def _size_bytes(texts: dict[str, str]) -> int:
    return sum(
        len(name.encode(errors="replace")) + len(value.encode(errors="replace")) for name, value in texts.items()
    )


def _describe(payload: Payload) -> str:
    return text(payload, "submission_id")


KIND: Final = Kind(
    name=JobKind.RAY,
    lane=Lane.RAY,
    requests=get_args(RayRequest),
    results=get_args(AnyRayResult),
    describe=_describe,
)
