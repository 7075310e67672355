"""How a file is read: what a user says about it, what was found, and what the catalog says about a table's files."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from raylane_common.limits import CHARACTER_PATTERN, OPTIONAL_CHARACTER_PATTERN
from raylane_common.model import Model
from raylane_common.wire.names import ColumnType, Compression
from raylane_common.wire.names import FileFormat as FileFormat

# The words that pyarrow and pandas take for missing, and those that people write by hand.
NULL_MARKERS: Final = (
    "",
    "-",
    ".",
    "?",
    "\\N",
    "None",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "n/a",
    "nan",
    "null",
)

_Character = Annotated[str, StringConstraints(pattern=CHARACTER_PATTERN)]
_OptionalCharacter = Annotated[str, StringConstraints(pattern=OPTIONAL_CHARACTER_PATTERN)]
_ASKED_TYPES: Final = tuple(each for each in ColumnType if each is not ColumnType.OTHER)


def _asked_type(value: object) -> object:
    if value not in _ASKED_TYPES:
        raise ValueError(f"must be one of {', '.join(_ASKED_TYPES)}")
    return value


_AskedType = Annotated[ColumnType, BeforeValidator(_asked_type)]


class ReadingOptions(Model):
    """What a user says about a file. Raylane finds out the rest."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    delimiter: _Character | None = Field(default=None, description="The character between two cells")
    quote: _OptionalCharacter | None = Field(
        default=None, description="The character around cells; empty if there is none"
    )
    escape: _OptionalCharacter | None = Field(
        default=None, description="The character before a quote in a cell; empty if quotes are doubled"
    )
    encoding: Annotated[str, StringConstraints(min_length=1, max_length=40)] | None = Field(
        default=None, description="The encoding of the text, such as utf-8 or cp1252"
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal mark of numbers")
    date_order: Literal["dmy", "mdy", "ymd"] | None = Field(
        default=None, description="The order of day, month and year in dates that could be read in two ways"
    )
    header_line: int | None = Field(
        default=None, ge=0, le=1_000_000, description="The line that names the columns, from 1; 0 if there is none"
    )
    null_markers: tuple[str, ...] | None = Field(
        default=None, max_length=100, description="The words for a missing value, instead of the usual ones"
    )
    types: dict[str, _AskedType] = Field(
        default_factory=dict, max_length=10_000, description="The types of columns, by name"
    )
    sheet: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, description="The sheet of a workbook"
    )


class Reading(Model):
    """How a file was read. The fields from `encoding` to `comment` are those of text; `sheet` is that of a workbook."""

    format: FileFormat = FileFormat.CSV
    compression: Compression | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = Field(default='"', description="The character around cells; empty if there is none")
    escape: str = Field(default="", description="The character before a quote in a cell; empty if quotes are doubled")
    decimal: str = "."
    header_line: int = Field(default=1, description="The line that names the columns, from 1; 0 if there is none")
    comment: str = Field(default="", description="Lines that begin with it are left out; empty if there are none")
    null_markers: tuple[str, ...] = Field(default=NULL_MARKERS, description="The cells that are missing values")
    sheet: str | None = None


class SerDe(StrEnum):
    """How the files of a table are written: the class with which Hive reads them."""

    LAZY_SIMPLE = "lazy_simple"
    OPEN_CSV = "open_csv"
    HIVE_JSON = "hive_json"
    OPENX_JSON = "openx_json"
    PARQUET = "parquet"
    ORC = "orc"


class TableReading(Model):
    """How the files of a table are read, as the catalog says. Most fields are those of text."""

    serde: SerDe
    delimiter: str = ","
    quote: str = Field(default='"', description="The character around cells; only for open_csv")
    escape: str = Field(default="", description="The character that makes the next one plain text; empty if none does")
    null_text: str = Field(default="\\N", description="The cell that is a missing value; only for lazy_simple")
    encoding: str = "utf-8"
    skip_lines: int = Field(default=0, description="Lines at the top of each file that are left out")
    keys: tuple[tuple[str, str], ...] = Field(
        default=(), description="Pairs of a column and its key in the JSON, for those that differ"
    )
    dots_in_keys: bool = Field(default=False, description="Whether a dot in a key of the JSON is read as '_'")
    ignores_bad_lines: bool = Field(default=False, description="Whether a line that is not JSON is a row of nulls")
    by_position: bool = Field(default=False, description="Whether columns are found by position, not by name")
