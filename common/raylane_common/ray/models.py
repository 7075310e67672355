"""What Ray's Jobs API answers, and what a run is. Pure data: importing this costs nothing but pydantic."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class RayJobStatus(StrEnum):
    """Ray's own words for the state of a job."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether the job will not change any more."""
        return self in (RayJobStatus.STOPPED, RayJobStatus.SUCCEEDED, RayJobStatus.FAILED)


class RayJob(BaseModel):
    """One job as Ray tells it. Fields that Raylane does not use are dropped; unknown ones are tolerated.

    `runtime_env` is left out on purpose: Ray returns its variables in clear text.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    submission_id: str | None = None
    job_id: str | None = None
    type: str = "SUBMISSION"
    status: RayJobStatus
    entrypoint: str = ""
    message: str | None = None
    error_type: str | None = None
    driver_exit_code: int | None = None
    start_time_ms: int | None = Field(default=None, validation_alias=AliasChoices("start_time_ms", "start_time"))
    end_time_ms: int | None = Field(default=None, validation_alias=AliasChoices("end_time_ms", "end_time"))
    metadata: dict[str, str] | None = None
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class RayStop(BaseModel):
    """A job that was asked to stop, as it was when the asking ended. `stopped`: it has, and because it was asked."""

    model_config = ConfigDict(frozen=True)

    stopped: bool
    job: RayJob


class RayVersion(BaseModel):
    """Answer of GET /api/version. `session_name` names one life of one head node."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ray_version: str
    session_name: str | None = None
    authentication_mode: str | None = Field(
        default=None,
        description="`token` or `disabled`; None where it was not asked, as of private addresses",
        exclude_if=lambda value: value is None,
    )
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class Submission(BaseModel):
    """A submission that Ray accepted."""

    model_config = ConfigDict(frozen=True)

    submission_id: str
    endpoint: str = Field(description="Name of the endpoint that answered")


class RayHealth(BaseModel):
    """Whether the cluster can work, as far as its head can tell. `gcs_ok`: its control store answers."""

    model_config = ConfigDict(frozen=True)

    ray_version: str
    gcs_ok: bool
    said: str = Field(default="", description="What the control store said")
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class RayNode(BaseModel):
    """One node of the cluster. Resources by name; bytes for memory."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    node_id: str
    node_ip: str = ""
    node_name: str = ""
    is_head_node: bool = False
    state: str = ""
    state_message: str | None = None
    resources_total: dict[str, float] = Field(default_factory=dict)


class ClusterStatus(BaseModel):
    """What `ray status` prints: nodes, use of resources, pending demand, as text for people."""

    model_config = ConfigDict(frozen=True)

    text: str
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class LogPiece(BaseModel):
    """The next part of what a job prints. `end`: characters from the beginning up to here, to go on from."""

    model_config = ConfigDict(frozen=True)

    text: str
    end: int


class RayLogs(BaseModel):
    """What a job printed; only the last part if `truncated`."""

    model_config = ConfigDict(frozen=True)

    text: str
    truncated: bool
    endpoint: str = Field(description="Name of the endpoint that answered")


class EndpointState(StrEnum):
    """What a client knows of an address."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class EndpointReport(BaseModel):
    """One address as seen by one client now. The URL carries no credentials."""

    model_config = ConfigDict(frozen=True)

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


class Run(BaseModel):
    """One submission of one piece of code to Ray, as far as it has come."""

    model_config = ConfigDict(frozen=True)

    submission_id: str
    status: RayJobStatus
    endpoint: str = Field(description="Name of the endpoint that answered last, such as `private` or `public`")
    exit_code: int | None = None
    output_tail: str = Field(default="", description="Last part of what the run printed")
    output_truncated: bool = False
    message: str | None = Field(default=None, description="Ray's own word on a run that did not succeed")
    output_uri: str | None = Field(
        default=None,
        description="Where the run was told to write files, if anywhere",
        exclude_if=lambda value: value is None,
    )
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
