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


class RayVersion(BaseModel):
    """Answer of GET /api/version. `session_name` names one life of one head node."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ray_version: str
    session_name: str | None = None
    endpoint: str = Field(default="", description="Name of the endpoint that answered")


class Submission(BaseModel):
    """A submission that Ray accepted."""

    model_config = ConfigDict(frozen=True)

    submission_id: str
    endpoint: str = Field(description="Name of the endpoint that answered")


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
    last_error: str | None = None
    next_probe_in_s: float | None = None


class Run(BaseModel):
    """One submission of one piece of code to Ray, as far as it has come."""

    model_config = ConfigDict(frozen=True)

    submission_id: str
    status: RayJobStatus
    endpoint: str = Field(description="Name of the endpoint that answered last: `private` or `public`")
    exit_code: int | None = None
    output_tail: str = Field(default="", description="Last part of what the run printed")
    output_truncated: bool = False
    message: str | None = Field(default=None, description="Ray's own word on a run that did not succeed")
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
