"""Sources: data that a session may read."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field


class ColumnType(StrEnum):
    """The type of a column, independent of the system that holds the data."""

    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    OTHER = "other"

    @property
    def is_numeric(self) -> bool:
        """Whether sums and means make sense."""
        return self in (ColumnType.INTEGER, ColumnType.NUMBER)


class Column(BaseModel):
    """One column: its name, spelled as Ray's reader spells it, and its type."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    type: ColumnType
    native_type: str = Field(description="The type's name in its own system: Arrow for a CSV, Hive for a table")


class CsvSource(BaseModel):
    """One CSV object on S3. `size_bytes` and `rows` are exact, because the whole file is read when it is uploaded."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    type: Literal["csv"] = "csv"
    filename: str
    s3_uri: str
    size_bytes: int
    rows: int
    columns: tuple[Column, ...]
    job_id: str = Field(description="The upload job that wrote it; distinguishes two uploads of the same file")

    @property
    def name(self) -> str:
        """The name that prompts use."""
        return self.filename

    @property
    def location(self) -> str:
        """The URI from which generated code reads it, encoded for Ray's reader."""
        return readable_uri(self.s3_uri)

    @property
    def format(self) -> TableFormat:
        """The format in which generated code reads it."""
        return TableFormat.CSV


class TableFormat(StrEnum):
    """The file formats that generated code can read."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


class TableSource(BaseModel):
    """One Glue table, as it was when it was selected. Partition keys are columns, listed separately as in Glue."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    type: Literal["table"] = "table"
    database: str
    table: str
    location: str = Field(description="s3:// prefix that ends in '/'")
    format: TableFormat
    delimiter: str = Field(default=",", description="Field separator; only for format csv")
    has_header: bool = Field(default=True, description="Whether each file starts with a header; only for format csv")
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    size_bytes: int | None = Field(default=None, description="Total size, if the catalog knows it")
    job_id: str

    @property
    def name(self) -> str:
        """The name that prompts use."""
        return f"{self.database}.{self.table}"


class OpaqueSource(BaseModel):
    """A source of a newer worker that this version cannot read. It keeps all fields, as attributes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    type: str
    job_id: str = ""

    @property
    def name(self) -> str:
        """The name that prompts use, as far as this version can tell."""
        fields = self.model_extra or {}
        return str(
            fields.get("filename") or fields.get("table") or fields.get("name") or f"a source of type {self.type}"
        )


Source = CsvSource | TableSource
KnownSource = Annotated[Source, Field(discriminator="type")]
AnySource = Annotated[KnownSource | OpaqueSource, Field(union_mode="left_to_right")]
"""Validates a source. A source of an unknown type becomes an `OpaqueSource`."""


def readable_uri(s3_uri: str) -> str:
    """Returns the URI with special characters percent-encoded, as Arrow and therefore Ray expect it.

    Arrow decodes the path of an S3 URI, so an unencoded space, '%', '#' or 'é' would name another key, or none.
    """
    return quote(s3_uri, safe="/!$&'()*+,-.:;=@_~")
