"""Sources: data that a session may read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import quote

from pydantic import ConfigDict, Field

from raylane_common.model import Model
from raylane_common.showing import Shown
from raylane_common.wire.names import ColumnType as ColumnType
from raylane_common.wire.names import FileFormat
from raylane_common.wire.reading import Reading, SerDe, TableReading


class Shape(Model):
    """How `count` texts of a column look: 'Aaa-9' is three letters, one of them a capital, '-' and a digit."""

    shape: str
    count: int


class Top(Model):
    """A value that a column holds `count` times."""

    value: str
    count: int


class ColumnProfile(Model):
    """What is known of the values of a column. Its only cells are extremes of numbers, dates and times, and `top`."""

    nulls: int
    distinct: int = Field(description="Different values, without missing ones")
    distinct_is_exact: bool = True
    min: int | float | str | None = Field(default=None, description="Only of numbers, dates and times")
    max: int | float | str | None = Field(default=None, description="Only of numbers, dates and times")
    mean: float | None = None
    magnitude: float | None = Field(default=None, description="The sum of the absolute values")
    order: Literal["ascending", "descending"] | None = Field(default=None, description="How the rows are sorted by it")
    unique: bool = Field(default=False, description="Whether no value occurs twice")
    longest: int | None = Field(default=None, description="Characters of the longest text")
    shapes: tuple[Shape, ...] = Field(default=(), description="The most frequent forms of the texts")
    top: tuple[Top, ...] = Field(default=(), description="The most frequent values, if samples may be shared")


class Column(Model):
    """One column: its name, spelled as Ray's reader spells it, and its type."""

    name: str
    type: ColumnType
    native_type: str = Field(description="The type's name in its own system: Arrow for a file, Hive for a table")
    original_name: str | None = Field(default=None, description="The name in the file, if the column was renamed")
    written: str | None = Field(default=None, description="How the cells are written, if they were converted")
    profile: ColumnProfile | None = None


class PreparedCopy(Model):
    """The Parquet that is read instead of a file that Ray would not read right, or not in parallel."""

    s3_uri: str
    size_bytes: int
    reasons: tuple[str, ...] = Field(description="Why the file itself is not read")


class FileSource(Shown, Model):
    """One file on S3. `size_bytes` and `rows` are exact, because the whole file is read when it is uploaded."""

    type: Literal["file"] = "file"
    filename: str
    s3_uri: str = Field(description="The file as it was uploaded")
    size_bytes: int
    rows: int
    reading: Reading = Reading()
    prepared: PreparedCopy | None = None
    columns: tuple[Column, ...]
    warnings: tuple[str, ...] = ()
    enqueued_ms: int = Field(default=0, description="When its upload was enqueued; a newer one replaces it")
    job_id: str = Field(description="The upload job that wrote it; distinguishes two uploads of the same file")

    @property
    def name(self) -> str:
        """The name that prompts use."""
        return self.filename

    @property
    def location(self) -> str:
        """The URI by which code names it: always that of the file as it was uploaded."""
        return self.s3_uri

    @property
    def readable_location(self) -> str:
        """The URI of the bytes that the kit reads, encoded for Arrow."""
        return readable_uri(self.prepared.s3_uri if self.prepared else self.s3_uri)

    @property
    def data_bytes(self) -> int:
        """About how many bytes a run reads at least. A compressed file, or Parquet, may be much smaller.

        A cell of text takes two bytes with its delimiter.
        """
        copy_bytes = self.prepared.size_bytes if self.prepared else 0
        return max(self.size_bytes, copy_bytes, 2 * self.rows * len(self.columns))

    @property
    def format(self) -> TableFormat:
        """The format in which generated code reads it."""
        if self.prepared or self.reading.format is FileFormat.PARQUET:
            return TableFormat.PARQUET
        return TableFormat.CSV


class TableFormat(StrEnum):
    """The file formats that generated code can read."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    ORC = "orc"


_FORMATS: Final = {
    SerDe.LAZY_SIMPLE: TableFormat.CSV,
    SerDe.OPEN_CSV: TableFormat.CSV,
    SerDe.HIVE_JSON: TableFormat.JSON,
    SerDe.OPENX_JSON: TableFormat.JSON,
    SerDe.PARQUET: TableFormat.PARQUET,
    SerDe.ORC: TableFormat.ORC,
}


class TableSource(Shown, Model):
    """One Glue table, as it was when it was selected. Partition keys are columns, listed separately as in Glue."""

    type: Literal["table"] = "table"
    database: str
    table: str
    location: str = Field(description="s3:// prefix that ends in '/'")
    reading: TableReading
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    size_bytes: int | None = Field(default=None, description="Total size, if the catalog knows it")
    job_id: str

    @property
    def name(self) -> str:
        """The name that prompts use."""
        return f"{self.database}.{self.table}"

    @property
    def data_bytes(self) -> int | None:
        """About how many bytes a run reads; None if the catalog does not know it."""
        return self.size_bytes

    @property
    def format(self) -> TableFormat:
        """The format of its files."""
        return _FORMATS[self.reading.serde]


class Partition(Model):
    """One registered partition of a table, as the catalog had it when a job began."""

    values: tuple[str, ...] = Field(description="The values of the partition keys, in their order")
    location: str = Field(description="Below the location of the table, or an s3:// prefix elsewhere")
    width: int | None = Field(
        default=None,
        exclude_if=lambda width: width is None,
        description="How many of the columns its files have; None: all",
    )


class OpaqueSource(Model):
    """A source of a newer worker that this version cannot read. It keeps all fields, as attributes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    type: str
    job_id: str = ""

    @property
    def name(self) -> str:
        """The name that prompts use, as far as this version can tell."""
        fields = self.model_extra or {}
        return str(
            fields.get("filename") or fields.get("table") or fields.get("name") or f"a source of type {self.type}"
        )


Source = FileSource | TableSource
KnownSource = Annotated[Source, Field(discriminator="type")]
AnySource = Annotated[KnownSource | OpaqueSource, Field(union_mode="left_to_right")]
"""Validates a source. A source of an unknown type becomes an `OpaqueSource`."""


def readable_uri(s3_uri: str) -> str:
    """Returns the URI with special characters percent-encoded, as Arrow and therefore Ray expect it.

    Arrow decodes the path of an S3 URI, so an unencoded space, '%', '#' or 'é' would name another key, or none.
    """
    return quote(s3_uri, safe="/!$&'()*+,-.:;=@_~")
