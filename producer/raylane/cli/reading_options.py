"""The options of `raylane upload` and `raylane run` that say how a file is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

import raylane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.reading import ReadingOptions as WireOptions

T = TypeVar("T")

# A tab is hard to type in a shell.
_ESCAPED: Final = {"\\t": "\t", "tab": "\t", "space": " "}


def _option(name: str, metavar: str, meaning: str) -> Any:  # Any: what typer returns, which has no public type
    return typer.Option(
        name,
        metavar=metavar,
        help=meaning,
        rich_help_panel="How the file is written (detected by default)",
        show_default=False,
    )


# Lists, so that a repeated option is noticed: of one value, typer would keep the last one without a word.
Delimiter = Annotated[
    list[str] | None,
    _option("--delimiter", "CHARACTER", "What separates the cells; 'tab' for tabs, 'space' for spaces."),
]
Quote = Annotated[list[str] | None, _option("--quote", "CHARACTER", "What encloses cells; '' for nothing.")]
Escape = Annotated[
    list[str] | None, _option("--escape", "CHARACTER", "What precedes a quote in a cell; '' if quotes are doubled.")
]
Encoding = Annotated[list[str] | None, _option("--encoding", "NAME", "The encoding, such as utf-8 or cp1252.")]
Decimal = Annotated[list[str] | None, _option("--decimal", ".|,", "The decimal mark of numbers.")]
DateOrder = Annotated[
    list[str] | None, _option("--date-order", "dmy|mdy|ymd", "The order in dates that could be read in two ways.")
]
HeaderLine = Annotated[
    list[int] | None, _option("--header-line", "LINE", "The line that names the columns, from 1; 0 if there is none.")
]
Null = Annotated[
    list[str] | None,
    _option("--null", "WORD", "A word for a missing value, instead of the usual ones; may be repeated."),
]
ColumnType = Annotated[
    list[str] | None, _option("--type", "NAME=TYPE", "The type of a column, such as zip=string; may be repeated.")
]
Sheet = Annotated[list[str] | None, _option("--sheet", "NAME", "The sheet of a workbook; the first one by default.")]


@dataclass(frozen=True)
class ReadingOptions:
    """What a user says about a file. Raylane finds out what is None."""

    delimiter: Delimiter = None
    quote: Quote = None
    escape: Escape = None
    encoding: Encoding = None
    decimal: Decimal = None
    date_order: DateOrder = None
    header_line: HeaderLine = None
    null: Null = None
    type: ColumnType = None
    sheet: Sheet = None

    def options(self) -> WireOptions:
        """Returns the options for `Producer`. Raises `InvalidRequest` that names the one that is wrong."""
        from raylane_common.errors import invalid_requests
        from raylane_common.wire.reading import ReadingOptions as WireOptions

        delimiter = _one("delimiter", self.delimiter)
        with invalid_requests():
            return WireOptions.model_validate(
                {
                    "delimiter": delimiter if delimiter is None else _ESCAPED.get(delimiter, delimiter),
                    "quote": _one("quote", self.quote),
                    "escape": _one("escape", self.escape),
                    "encoding": _one("encoding", self.encoding),
                    "decimal": _one("decimal", self.decimal),
                    "date_order": _one("date_order", self.date_order),
                    "header_line": _one("header_line", self.header_line),
                    "null_markers": tuple(self.null) if self.null else None,
                    "types": _types(self.type or ()),
                    "sheet": _one("sheet", self.sheet),
                }
            )


READING: Final = ReadingOptions()


def _one(name: str, values: Sequence[T] | None) -> T | None:
    different = list(dict.fromkeys(values or ()))
    if len(different) > 1:
        raise raylane.InvalidRequest.field(name, f"was given as {' and '.join(map(repr, different))}; give one")
    return different[0] if different else None


def _types(texts: Iterable[str]) -> dict[str, str]:
    types: dict[str, str] = {}
    for name, column_type in map(_named_type, texts):
        if types.setdefault(name, column_type) != column_type:
            problem = f"{name!r} has two types, {types[name]} and {column_type}; give one"
            raise raylane.InvalidRequest.field("type", problem)
    return types


def _named_type(text: str) -> tuple[str, str]:
    # A name may contain '=', but a type does not.
    name, separator, column_type = text.rpartition("=")
    if not separator or not name:
        raise raylane.InvalidRequest.field("type", f"{text!r} must be NAME=TYPE, such as zip=string")
    return name, column_type
