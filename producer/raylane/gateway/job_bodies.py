"""What a client sends to enqueue a job: the kind, its request, and the options.

The requests are those of the wire, without the fields that only producers fill in: what a follow-up knows of the job
that it continues, the code of a rerun, and transfers. A client names a job instead, and so reads nothing of others.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from raylane_common.limits import MAX_CODE_VERSIONS, MAX_DELAY_S, MAX_STAGED_BYTES, NO_CONTROLS_PATTERN
from raylane_common.rules import Filename, JobId, Moment, Prompt, SessionId, Text
from raylane_common.wire.names import Engine, GeneratorName, Priority
from raylane_common.wire.ray import RayRequest
from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.tables import TablesRequest
from raylane_common.wire.upload import PurgeRequest, ReadInPlaceRequest

# With the longest session id before it, it is still a unique key of the queue.
_MAX_UNIQUE: Final = 64


class _Body(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class Options(_Body):
    """When a job runs, and in which order."""

    after: tuple[JobId, ...] = Field(default=(), max_length=100, description="Jobs that must succeed first")
    delay_s: float | None = Field(default=None, ge=0, le=MAX_DELAY_S, description="Seconds to wait before it may start")
    at: Moment | None = Field(
        default=None, description="Earliest time at which it may start; not together with `delay_s`"
    )
    expires_s: float | None = Field(
        default=None, gt=0, le=MAX_DELAY_S, description="Seconds after which it fails if it has not started"
    )
    priority: Priority = Field(default=Priority.NORMAL, description="Each step is a head start of one hour")
    unique: Annotated[str, Field(min_length=1, max_length=_MAX_UNIQUE, pattern=NO_CONTROLS_PATTERN)] | None = Field(
        default=None,
        description="At most one unfinished job of this kind and session may hold this key; enqueueing again returns "
        "that job",
    )
    max_attempts: int | None = Field(
        default=None, ge=1, le=100, description="Attempts before a retryable error becomes final; null: as workers say"
    )


class Question(_Body):
    """Write code that answers the prompt from the session's sources; run it if `execute` is set."""

    prompt: Prompt
    execute: bool = False
    generator: GeneratorName | None = Field(default=None, description="null: the worker's setting")
    max_versions: int = Field(
        default=MAX_CODE_VERSIONS, ge=1, le=MAX_CODE_VERSIONS, description="How many versions may be written"
    )
    keep_sources: bool = Field(default=False, description="Leave the session's sources in place after the run")
    engine: Engine | None = Field(default=None, description="null: by the size of the sources")
    chart: bool = Field(default=True, description="Whether templates draw a chart")
    continues: JobId | None = Field(
        default=None, description="An earlier job of the session whose question the prompt changes"
    )


class TextUpload(_Body):
    """Put a small file on S3 and add it to the session's sources. For bytes, and for large files, use `PUT`."""

    action: Literal["upload"]
    filename: Filename
    content: Text = Field(min_length=1, max_length=MAX_STAGED_BYTES, description="At most 8 MiB in UTF-8")
    reading: ReadingOptions = ReadingOptions()


UploadAction = Annotated[TextUpload | ReadInPlaceRequest | PurgeRequest, Field(discriminator="action")]
TablesAction = Annotated[TablesRequest, Field(discriminator="action")]
RayAction = Annotated[RayRequest, Field(discriminator="action")]


class GenerateJob(Options):
    """A question."""

    kind: Literal["generate"]
    session_id: SessionId
    request: Question


class UploadJob(Options):
    """A file for a session, or the removal of all its files."""

    kind: Literal["upload"]
    session_id: SessionId
    request: UploadAction


class TablesJob(Options):
    """A look at the catalog, or a selection of its tables for a session."""

    kind: Literal["tables"]
    session_id: SessionId | None = Field(
        default=None, description="Required to select; without it, a look needs the right `operate`"
    )
    request: TablesAction


class RayJob(Options):
    """An action on the Ray cluster. All of them need the right `operate`."""

    kind: Literal["ray"]
    session_id: SessionId | None = Field(default=None, description="The session whose history has the job")
    request: RayAction


Job = GenerateJob | UploadJob | TablesJob | RayJob


class EnqueueJob(RootModel[Annotated[Job, Field(discriminator="kind")]]):
    """A job to enqueue."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "kind": "generate",
                    "session_id": "ada",
                    "request": {"prompt": "sum of amount by region", "execute": True},
                },
                {
                    "kind": "upload",
                    "session_id": "ada",
                    "request": {"action": "upload", "filename": "sales.csv", "content": "region,amount\nnorth,1\n"},
                },
                {"kind": "tables", "session_id": "ada", "request": {"action": "databases"}, "priority": "high"},
            ]
        },
    )
