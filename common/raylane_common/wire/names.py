"""The fixed names of the wire format: kinds, lanes, states, priorities, generators, engines, formats, charts and types.

Imports only the standard library, so that the command line can offer them as choices without loading pydantic.
"""

from __future__ import annotations

from enum import StrEnum


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


class JobStatus(StrEnum):
    """The state of a job."""

    WAITING = "waiting"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


class Priority(StrEnum):
    """The order of the jobs in a lane. Each step is a head start of one hour, so no job waits forever."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class GeneratorName(StrEnum):
    """What writes the code. `auto` means `agent` if a model is configured, else `template`."""

    AUTO = "auto"
    TEMPLATE = "template"
    AGENT = "agent"


class Engine(StrEnum):
    """How a version computes: in one process with pandas, or on all nodes with Ray Data. The answer is the same."""

    LOCAL = "local"
    DISTRIBUTED = "distributed"


class ChartKind(StrEnum):
    """The charts that an answer may have."""

    BAR = "bar"
    LINE = "line"
    SCATTER = "scatter"
    HISTOGRAM = "histogram"
    PIE = "pie"
    BOX = "box"


class CellType(StrEnum):
    """The type of a value, or of a column, of an answer. docs/wire-format.md says how each is written in JSON."""

    INTEGER = "integer"
    NUMBER = "number"
    DECIMAL = "decimal"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    BINARY = "binary"
    NESTED = "nested"


class FileFormat(StrEnum):
    """The formats of files that can be uploaded."""

    CSV = "csv"
    JSON = "json"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"
    WORKBOOK = "workbook"

    @property
    def described(self) -> str:
        """The end of "the file is …"."""
        words = {FileFormat.CSV: "a CSV", FileFormat.JSON_LINES: "JSON lines", FileFormat.WORKBOOK: "a workbook"}
        return words.get(self, self.upper() if self is FileFormat.JSON else self.capitalize())


class Compression(StrEnum):
    """The compressions that an upload may have."""

    GZIP = "gzip"
    BZIP2 = "bz2"
    ZSTD = "zstd"
    ZIP = "zip"


class ColumnType(StrEnum):
    """The type of a column, independent of the system that holds the data."""

    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    OTHER = "other"

    @property
    def is_numeric(self) -> bool:
        """Whether sums and means make sense."""
        return self in (ColumnType.INTEGER, ColumnType.NUMBER)
