"""Results: what each kind of job returns, one model per action, told apart by `type`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from raylane_common.ray.models import EndpointReport, RayHealth, RayJob, RayNode, RayVersion, Run
from raylane_common.requests import GeneratorName
from raylane_common.sources import Column, Source


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class UploadResult(_Result):
    """Where the CSV went and what is in it. `preview`: the first 5 records after the header, cells as text."""

    type: Literal["upload"] = "upload"
    s3_uri: str
    bucket: str
    key: str
    bytes: int
    rows: int
    columns: tuple[Column, ...]
    preview: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()


class DatabasesResult(_Result):
    """The catalog's databases, by name."""

    type: Literal["databases"] = "databases"
    databases: tuple[str, ...]


class TableSummary(BaseModel):
    """One table in a listing. `supported` says whether it can be selected; `reason` why not."""

    model_config = ConfigDict(frozen=True)

    database: str
    table: str
    location: str | None
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    supported: bool
    reason: str | None = None


class TablesResult(_Result):
    """The tables of one database, by name."""

    type: Literal["tables"] = "tables"
    tables: tuple[TableSummary, ...]


class SelectedTablesResult(_Result):
    """The sources that a selection put into the session."""

    type: Literal["selected"] = "selected"
    sources: tuple[Source, ...]


class Finding(BaseModel):
    """One broken verification rule. `line` counts from 1 and is None where the whole code is meant."""

    model_config = ConfigDict(frozen=True)

    rule: str
    message: str
    line: int | None = None


class CodeVersion(BaseModel):
    """One version of the code that a generate job wrote: what was found in it and how its run went, if it ran."""

    model_config = ConfigDict(frozen=True)

    number: int
    code: str
    findings: tuple[Finding, ...] = ()
    run: Run | None = None


class Usage(BaseModel):
    """Tokens that the model billed, over all agents of the job."""

    model_config = ConfigDict(frozen=True)

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


class GenerateResult(_Result):
    """The code that passed verification, how the prompt was read, and its run if it was executed."""

    type: Literal["generate"] = "generate"
    generator: GeneratorName
    model: str | None = Field(default=None, description="`provider:model_id`; None for the template generator")
    code: str
    interpreted_as: str
    sources_used: tuple[Source, ...]
    attempts: tuple[CodeVersion, ...]
    usage: Usage | None = None
    run: Run | None = None


class RayStatusResult(_Result):
    """The cluster's version, the endpoint that answered, and what is known of every endpoint."""

    type: Literal["ray_status"] = "ray_status"
    version: RayVersion
    endpoint: str
    endpoints: tuple[EndpointReport, ...]


class RayJobsResult(_Result):
    """Jobs of the cluster, newest first; `total` counts those beyond the limit too."""

    type: Literal["ray_jobs"] = "ray_jobs"
    jobs: tuple[RayJob, ...]
    total: int


class RayJobResult(_Result):
    """One job of the cluster."""

    type: Literal["ray_job"] = "ray_job"
    job: RayJob


class RayLogsResult(_Result):
    """What a job printed; only the last part if `truncated`."""

    type: Literal["ray_logs"] = "ray_logs"
    submission_id: str
    logs: str
    truncated: bool


class RayStopResult(_Result):
    """`stopped` is False if the job had ended before; `job` is how it stands now."""

    type: Literal["ray_stop"] = "ray_stop"
    stopped: bool
    job: RayJob


class RayDeleteResult(_Result):
    """Whether Ray forgot the job."""

    type: Literal["ray_delete"] = "ray_delete"
    deleted: bool


class RayEndpointsResult(_Result):
    """Each address as the worker sees it; `problem` says why none of them answered, if so."""

    type: Literal["ray_endpoints"] = "ray_endpoints"
    endpoints: tuple[EndpointReport, ...]
    problem: str | None = None


class RayClusterResult(_Result):
    """The cluster's health and nodes; `status` is what `ray status` prints, for people."""

    type: Literal["ray_cluster"] = "ray_cluster"
    health: RayHealth
    nodes: tuple[RayNode, ...]
    status: str


class RunResult(_Result):
    """A run that the caller submitted, at its successful end."""

    type: Literal["run"] = "run"
    run: Run


Result = (
    UploadResult
    | DatabasesResult
    | TablesResult
    | SelectedTablesResult
    | GenerateResult
    | RayStatusResult
    | RayJobsResult
    | RayJobResult
    | RayLogsResult
    | RayStopResult
    | RayDeleteResult
    | RayEndpointsResult
    | RayClusterResult
    | RunResult
)
AnyResult = Annotated[Result, Field(discriminator="type")]
