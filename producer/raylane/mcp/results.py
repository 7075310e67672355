"""What the tools return: one model for each, whose JSON Schema a client gets with the list of tools.

`data` holds what comes from files or from code that ran on them; everything else is Raylane's.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from raylane.mcp.answer_data import AnswerData, absent
from raylane.mcp.untrusted import NOTE
from raylane_common.wire.names import ChartKind, ColumnType, Engine, GeneratorName, JobStatus


class ToolResult(BaseModel):
    """The base of every result of a tool."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class WithData(ToolResult):
    """A result with data, and the sentence that says what it is."""

    data_note: str = NOTE


class ProfileData(ToolResult):
    """What is known of the values of a column."""

    missing: int
    distinct: int
    distinct_is_exact: bool
    min: int | float | str | None = Field(default=None, exclude_if=absent)
    max: int | float | str | None = Field(default=None, exclude_if=absent)
    mean: float | None = Field(default=None, exclude_if=absent)
    top: list[str] = Field(
        default_factory=list, exclude_if=lambda top: not top, description="Frequent values, if samples may be shared"
    )


class SourceColumnData(ToolResult):
    """One column of a source."""

    name: str
    type: ColumnType
    profile: ProfileData | None = Field(default=None, exclude_if=absent)


class SourceData(ToolResult):
    """A file or a table that the session may read."""

    name: str = Field(description="The name that questions use")
    type: str = Field(description="file, table, or a type of a newer version")
    location: str | None = Field(default=None, exclude_if=absent)
    rows: int | None = Field(default=None, exclude_if=absent)
    size_bytes: int | None = Field(default=None, exclude_if=absent)
    columns: list[SourceColumnData] = Field(default_factory=list)
    more_columns: int | None = Field(default=None, exclude_if=absent, description="Columns that are not listed here")
    warnings: list[str] = Field(default_factory=list, exclude_if=lambda warnings: not warnings)


class SourcesData(ToolResult):
    """Sources of a session."""

    kind: Literal["sources"] = "sources"
    sources: list[SourceData]
    left_out: str | None = Field(default=None, exclude_if=absent, description="Sources that are not here, if any")


class GeneratedData(ToolResult):
    """The answer to a question, and how the question was read."""

    kind: Literal["answer"] = "answer"
    read_as: str = Field(description="The question as the generator understood it")
    written_by: str = Field(description="The generator or the model that wrote the code, and the engine that ran it")
    answer: AnswerData | None = Field(default=None, exclude_if=absent)
    doubt: str | None = Field(default=None, exclude_if=absent, description="Why the answer may be wrong")


class OtherData(ToolResult):
    """The result of another kind of job, as JSON."""

    kind: Literal["other"] = "other"
    result: JsonValue


OutcomeData = SourcesData | GeneratedData | OtherData


class JobOutcome(WithData):
    """A job that has succeeded, or that has not ended yet. A job that failed is an error of the tool."""

    job_id: str
    session_id: str | None = None
    status: JobStatus
    ended: bool
    next: str = Field(description="What to do next")
    data: Annotated[OutcomeData, Field(discriminator="kind")] | None = Field(default=None, exclude_if=absent)


class SourceOutcome(JobOutcome):
    """The same of a job that brings data into a session."""

    data: Annotated[SourcesData | OtherData, Field(discriminator="kind")] | None = Field(
        default=None, exclude_if=absent
    )


class AnswerOutcome(JobOutcome):
    """The same of a question."""

    data: Annotated[GeneratedData | OtherData, Field(discriminator="kind")] | None = Field(
        default=None, exclude_if=absent
    )


class SourceList(WithData):
    """The sources of a session."""

    session_id: str
    data: SourcesData


class TableLine(ToolResult):
    """One table of the catalog."""

    name: str = Field(description="database.table, as add_tables takes it")
    columns: list[str] = Field(description="Names and types of its columns")
    more_columns: int | None = Field(default=None, exclude_if=absent, description="Columns that are not listed here")
    unsupported: str | None = Field(default=None, exclude_if=absent, description="Why it cannot be added, if so")


class CatalogData(ToolResult):
    """Databases of the catalog, or tables of one of them."""

    databases: list[str] = Field(default_factory=list)
    tables: list[TableLine] = Field(default_factory=list)


class CatalogListing(WithData):
    """One page of the catalog."""

    next_cursor: str | None = Field(default=None, description="For the next page; null after the last")
    data: CatalogData


class JobLine(ToolResult):
    """One job. `what` is its question, or the name of its file."""

    job_id: str
    kind: str
    status: JobStatus
    what: str
    enqueued_at_ms: int
    error: str | None = Field(default=None, exclude_if=absent, description="The code of its error")


class JobsData(ToolResult):
    """Jobs of a session, the newest first."""

    jobs: list[JobLine]


class JobListing(WithData):
    """The jobs of a session."""

    session_id: str
    complete: bool = Field(description="Whether these are all")
    data: JobsData


class PictureData(ToolResult):
    """A chart as a Vega-Lite specification with its own data."""

    title: str
    vega_lite: dict[str, JsonValue] | None = Field(
        default=None, exclude_if=absent, description="Absent if it is too long; then `vega_lite_at` has it"
    )


class ChartPicture(WithData):
    """A chart, which the image of the same result shows."""

    job_id: str
    chart: int = Field(description="The number of the chart in the answer, from 1")
    charts: int = Field(description="How many charts the answer has")
    kind: ChartKind
    vega_lite_at: str = Field(description="The resource that holds the whole specification")
    data: PictureData


class CodeData(ToolResult):
    """Code, and what verification says of it."""

    code: str
    read_as: str | None = Field(default=None, exclude_if=absent)
    findings: list[str] = Field(default_factory=list, description="Rules that this version breaks")


class CodeListing(WithData):
    """The last version of the code of a job."""

    job_id: str
    status: JobStatus
    generator: GeneratorName | None = Field(default=None, exclude_if=absent)
    engine: Engine | None = Field(default=None, exclude_if=absent)
    version: int | None = Field(default=None, exclude_if=absent)
    data: CodeData


class LogData(ToolResult):
    """The end of what a run printed."""

    lines: list[str]


class LogTail(WithData):
    """The end of the output of a job's run."""

    job_id: str
    status: JobStatus
    complete: bool = Field(description="Whether these are all lines that the run has printed so far")
    data: LogData


class Cancelled(ToolResult):
    """What became of the request to cancel a job."""

    job_id: str
    status: JobStatus
    next: str


class Removed(ToolResult):
    """A source that the session no longer has."""

    session_id: str
    removed: str
