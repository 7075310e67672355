"""The answers of Ray's Jobs API, and what is known of a run. Needs nothing but pydantic."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import AliasChoices, ConfigDict, Field

from raylane_common.model import Model


class RunStatus(StrEnum):
    """Ray's own names for the state of a run."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self in (RunStatus.STOPPED, RunStatus.SUCCEEDED, RunStatus.FAILED)


class RayRun(Model):
    """One job of the cluster: one of our runs, or somebody else's. Fields that Raylane does not use are dropped.

    `runtime_env` is left out on purpose: Ray returns its variables in clear text.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    submission_id: str | None = None
    job_id: str | None = None
    type: str = "SUBMISSION"
    status: RunStatus
    entrypoint: str = ""
    message: str | None = None
    error_type: str | None = None
    driver_exit_code: int | None = None
    start_time_ms: int | None = Field(default=None, validation_alias=AliasChoices("start_time_ms", "start_time"))
    end_time_ms: int | None = Field(default=None, validation_alias=AliasChoices("end_time_ms", "end_time"))
    metadata: dict[str, str] | None = None
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class RayStop(Model):
    """The last known state of a run that was asked to stop. `stopped`: it has stopped, and because it was asked to."""

    stopped: bool
    run: RayRun


class RayVersion(Model):
    """The answer of GET /api/version. `session_name` is another one after each start of the head."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    ray_version: str
    session_name: str | None = None
    authentication_mode: str | None = Field(
        default=None,
        description="`token` or `disabled`; None if it was not asked, as of private addresses",
        exclude_if=lambda value: value is None,
    )
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class Submission(Model):
    """A submission that Ray has accepted."""

    submission_id: str
    endpoint: str = Field(description="Name of the endpoint that answered")


class RayHealth(Model):
    """The health of the cluster's head. `gcs_ok`: its control store (GCS) answers."""

    ray_version: str
    gcs_ok: bool
    said: str = Field(default="", description="Answer of the control store")
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class RayNode(Model):
    """One node of the cluster, with its resources by name; memory is in bytes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    node_id: str
    node_ip: str = ""
    node_name: str = ""
    is_head_node: bool = False
    state: str = ""
    state_message: str | None = None
    resources_total: dict[str, float] = Field(default_factory=dict)


class ClusterStatus(Model):
    """The use of the cluster. `text` is what `ray status` prints.

    The resources have Ray's names, such as `CPU`; memory is in bytes. They are missing in the first seconds of a head.
    """

    text: str
    total: dict[str, float] = Field(default_factory=dict)
    free: dict[str, float] = Field(default_factory=dict, description="What no task uses")
    demand: dict[str, float] = Field(default_factory=dict, description="Most that a single waiting task asks for")
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class LogPiece(Model):
    """The next part of a run's output. `end`: the characters from the beginning up to here, to continue from later."""

    text: str
    end: int


class RayLogs(Model):
    """The output of a run; only the last part if `truncated`."""

    text: str
    truncated: bool
    endpoint: str = Field(description="Name of the endpoint that answered")


class EndpointState(StrEnum):
    """What a client knows about an endpoint."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class EndpointReport(Model):
    """The state of one endpoint as one client sees it. The URL has no credentials."""

    name: str
    url: str
    state: EndpointState
    last_error: str | None = Field(default=None, description="Why it is down")
    next_probe_in_s: float | None = None
    latency_ms: float | None = Field(
        default=None,
        description="Moving average of its answers to small requests",
        exclude_if=lambda value: value is None,
    )


class Run(Model):
    """The state of one submission of a version of code to Ray."""

    submission_id: str
    status: RunStatus
    endpoint: str = Field(description="Name of the endpoint that answered last, such as `private` or `public`")
    exit_code: int | None = None
    output_tail: str = Field(default="", description="Last part of the run's output")
    output_truncated: bool = False
    message: str | None = Field(default=None, description="Ray's message about a run that did not succeed")
    output_uri: str | None = Field(
        default=None,
        description="Where the run may write files, if anywhere",
        exclude_if=lambda value: value is None,
    )
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
