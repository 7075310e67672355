"""Requests: what a producer may ask for, one model per action, checked the same way in producer and worker."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    field_validator,
    model_validator,
)

from raylane_common.errors import InvalidRequest
from raylane_common.limits import (
    JOB_ID_PATTERN,
    MAX_CODE_BYTES,
    MAX_CODE_VERSIONS,
    MAX_ENV_BYTES,
    MAX_FILENAME_BYTES,
    MAX_FILES_BYTES,
    MAX_PROMPT_BYTES,
    MAX_STAGED_BYTES,
    SESSION_ID_PATTERN,
    SUBMISSION_ID_PATTERN,
)
from raylane_common.ray.credentials import refuse_credentials
from raylane_common.ray.package import is_plain_path

_SCRIPT: Final = "main.py"

_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_COMPRESSED: Final = (".gz", ".bz2", ".zst", ".lz4", ".snappy")


def _filename(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if value != value.strip():
        raise ValueError("must not begin or end with a blank")
    if "/" in value or "\\" in value:
        raise ValueError("must be a bare name, without '/' or '\\'")
    if ".." in value or value == ".":
        raise ValueError("must not contain '..'")
    if _CONTROL_CHARACTER.search(value):
        raise ValueError("must not contain control characters")
    if value.endswith((";", "?")):
        raise ValueError("must not end with ';' or '?', which Ray's reader drops")
    if value.lower().endswith(_COMPRESSED):
        raise ValueError(f"must not end with {', '.join(_COMPRESSED)}, which Ray takes for compressed; unpack it first")
    if len(value.encode()) > MAX_FILENAME_BYTES:
        raise ValueError(f"must not exceed {MAX_FILENAME_BYTES} bytes")
    return value


def _prompt(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value.encode(errors="replace")) > MAX_PROMPT_BYTES:
        raise ValueError(f"must not exceed {MAX_PROMPT_BYTES} bytes")
    return value


def _code(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    if len(value.encode(errors="replace")) > MAX_CODE_BYTES:
        raise ValueError(f"must not exceed {MAX_CODE_BYTES} bytes")
    return value


SessionId = Annotated[str, StringConstraints(pattern=SESSION_ID_PATTERN)]
JobId = Annotated[str, StringConstraints(pattern=JOB_ID_PATTERN)]
UniqueKey = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
SubmissionId = Annotated[str, StringConstraints(pattern=SUBMISSION_ID_PATTERN)]
Filename = Annotated[str, AfterValidator(_filename)]
Prompt = Annotated[str, AfterValidator(_prompt)]
Code = Annotated[str, AfterValidator(_code)]
EnvName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Requirement = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
CatalogName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f/]+$")]


class JobKind(StrEnum):
    """What a job does."""

    UPLOAD = "upload"
    TABLES = "tables"
    GENERATE = "generate"
    RAY = "ray"


class Lane(StrEnum):
    """The queue of one class of work."""

    UPLOAD = "upload"
    GENERATE = "generate"
    RAY = "ray"


LANE_OF: Final[dict[JobKind, Lane]] = {
    JobKind.UPLOAD: Lane.UPLOAD,
    JobKind.TABLES: Lane.UPLOAD,
    JobKind.GENERATE: Lane.GENERATE,
    JobKind.RAY: Lane.RAY,
}


class BaseRequest(BaseModel):
    """What all requests have in common: the kind they belong to, and whether they are a session's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[JobKind]
    needs_session: ClassVar[bool] = True


class UploadRequest(BaseRequest):
    """Put a CSV on S3 and into the session's sources. Its bytes are staged beside the record, not inside it."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD

    filename: Filename
    size_bytes: int = Field(ge=1, le=MAX_STAGED_BYTES)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ListDatabasesRequest(BaseRequest):
    """List the catalog's databases."""

    kind: ClassVar[JobKind] = JobKind.TABLES
    needs_session: ClassVar[bool] = False

    action: Literal["databases"] = "databases"


class ListTablesRequest(BaseRequest):
    """List the tables of one database."""

    kind: ClassVar[JobKind] = JobKind.TABLES
    needs_session: ClassVar[bool] = False

    action: Literal["list"] = "list"
    database: CatalogName


class TableRef(BaseModel):
    """Names one catalog table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: CatalogName
    table: CatalogName


class SelectTablesRequest(BaseRequest):
    """Put tables into the session's sources: all of them, or none."""

    kind: ClassVar[JobKind] = JobKind.TABLES

    action: Literal["select"] = "select"
    tables: tuple[TableRef, ...] = Field(min_length=1, max_length=100)


class GeneratorName(StrEnum):
    """What writes the code. `auto` takes `agent` only where a model is configured."""

    AUTO = "auto"
    TEMPLATE = "template"
    AGENT = "agent"


class GenerateRequest(BaseRequest):
    """Write Ray code that answers the prompt from the session's sources; run it if `execute`."""

    kind: ClassVar[JobKind] = JobKind.GENERATE

    prompt: Prompt
    execute: bool = False
    generator: GeneratorName | None = Field(default=None, description="None: what the worker is set to")
    max_attempts: int = Field(
        default=MAX_CODE_VERSIONS,
        ge=1,
        le=MAX_CODE_VERSIONS,
        description="Versions of the code, not attempts of the job",
    )
    keep_sources: bool = Field(default=False, description="Leave the session's sources in place after the run")


class RayStatusRequest(BaseRequest):
    """Ask the cluster for its version, and the client for the state of its endpoints."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["status"] = "status"


class RayJobsRequest(BaseRequest):
    """List the cluster's jobs, newest first."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["jobs"] = "jobs"
    limit: int = Field(default=100, ge=1, le=500)


class RayJobRequest(BaseRequest):
    """Look at one job of the cluster."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["job"] = "job"
    submission_id: SubmissionId


class RayLogsRequest(BaseRequest):
    """Read what a job of the cluster printed."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["logs"] = "logs"
    submission_id: SubmissionId


class RayStopRequest(BaseRequest):
    """Stop a job of the cluster."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["stop"] = "stop"
    submission_id: SubmissionId


class RayDeleteRequest(BaseRequest):
    """Make the cluster forget a job that has ended."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["delete"] = "delete"
    submission_id: SubmissionId


class RayEndpointsRequest(BaseRequest):
    """Show each address of the cluster as this worker sees it, whether the cluster answers or not."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["endpoints"] = "endpoints"


class RayClusterRequest(BaseRequest):
    """Ask for the cluster's health, nodes and use of resources."""

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["cluster"] = "cluster"


class RaySubmitRequest(BaseRequest):
    """Run a Python script of the caller's on the cluster and follow it to its end.

    Ray shows `env_vars` and `pip` to everybody who may list jobs, so what looks like a credential is refused.
    """

    kind: ClassVar[JobKind] = JobKind.RAY
    needs_session: ClassVar[bool] = False

    action: Literal["submit"] = "submit"
    code: Code
    # Left out where empty, so that workers of before these were there take the request.
    files: dict[str, str] = Field(
        default_factory=dict,
        description="Text files beside the script, by relative path; 4 MiB together",
        exclude_if=lambda value: not value,
    )
    env_vars: dict[EnvName, str] = Field(
        default_factory=dict,
        description="Environment of the script; 32 KiB together",
        exclude_if=lambda value: not value,
    )
    pip: tuple[Requirement, ...] = Field(
        default=(),
        max_length=100,
        description="Requirements that Ray installs for it",
        exclude_if=lambda value: not value,
    )

    @field_validator("files")
    @classmethod
    def _plain_files(cls, files: dict[str, str]) -> dict[str, str]:
        for path in files:
            if not is_plain_path(path) or path == _SCRIPT:
                raise ValueError(
                    f"{path!r} must be a plain relative path, and not {_SCRIPT}, which is the script itself"
                )
        if _size_bytes(files) > MAX_FILES_BYTES:
            raise ValueError(f"must not exceed {MAX_FILES_BYTES} bytes together")
        return files

    @model_validator(mode="after")
    def _shows_no_secrets(self) -> Self:
        if _size_bytes(self.env_vars) > MAX_ENV_BYTES:
            raise InvalidRequest.field("env_vars", f"must not exceed {MAX_ENV_BYTES} bytes together")
        refuse_credentials(self.env_vars, self.pip)
        return self


def _size_bytes(texts: dict[str, str]) -> int:
    return sum(len(name.encode(errors="replace")) + len(text.encode(errors="replace")) for name, text in texts.items())


TablesRequest = Annotated[ListDatabasesRequest | ListTablesRequest | SelectTablesRequest, Field(discriminator="action")]
RayRequest = Annotated[
    RayStatusRequest
    | RayJobsRequest
    | RayJobRequest
    | RayLogsRequest
    | RayStopRequest
    | RayDeleteRequest
    | RayEndpointsRequest
    | RayClusterRequest
    | RaySubmitRequest,
    Field(discriminator="action"),
]
Request = (
    UploadRequest
    | ListDatabasesRequest
    | ListTablesRequest
    | SelectTablesRequest
    | GenerateRequest
    | RayStatusRequest
    | RayJobsRequest
    | RayJobRequest
    | RayLogsRequest
    | RayStopRequest
    | RayDeleteRequest
    | RayEndpointsRequest
    | RayClusterRequest
    | RaySubmitRequest
)

PAYLOADS: Final[dict[JobKind, TypeAdapter[Request]]] = {
    JobKind.UPLOAD: TypeAdapter(UploadRequest),
    JobKind.TABLES: TypeAdapter(TablesRequest),
    JobKind.GENERATE: TypeAdapter(GenerateRequest),
    JobKind.RAY: TypeAdapter(RayRequest),
}
