"""The options of `raylane upload`, `run` and `preview` that say how a file is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

import raylane

if TYPE_CHECKING:
    from raylane_common.wire.reading import ReadingOptions as Said

# A shell can hardly pass a tab.
_ESCAPED: Final = {"\\t": "\t", "tab": "\t", "space": " "}

_PANEL: Final = "How the file is written (found out by default)"

Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="CHARACTER",
        help="What separates the cells; 'tab' for tabs.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Quote = Annotated[
    str | None,
    typer.Option(
        "--quote",
        metavar="CHARACTER",
        help="What encloses cells; '' for nothing.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Escape = Annotated[
    str | None,
    typer.Option(
        "--escape",
        metavar="CHARACTER",
        help="What precedes a quote in a cell; '' if quotes are doubled.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="The encoding, such as utf-8 or cp1252.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        "--decimal",
        metavar=".|,",
        help="The decimal mark of numbers.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
DateOrder = Annotated[
    str | None,
    typer.Option(
        "--date-order",
        metavar="dmy|mdy|ymd",
        help="The order in dates that could be read in two ways.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
HeaderLine = Annotated[
    int | None,
    typer.Option(
        "--header-line",
        metavar="LINE",
        help="The line that names the columns, from 1; 0 if there is none.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Null = Annotated[
    list[str] | None,
    typer.Option(
        "--null",
        metavar="WORD",
        help="A word for a missing value, instead of the usual ones; may be repeated.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
ColumnType = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="NAME=TYPE",
        help="The type of a column, such as zip=string; may be repeated.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Sheet = Annotated[
    str | None,
    typer.Option(
        "--sheet",
        metavar="NAME",
        help="The sheet of a workbook; the first one by default.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]


@dataclass(frozen=True)
class ReadingOptions:
    """What a user says about a file. None means that it is found out."""

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

    def said(self) -> Said:
        """Returns the options for `Producer`. Raises `InvalidRequest` that names the one that is wrong."""
        from raylane_common.errors import invalid_requests
        from raylane_common.wire.reading import ReadingOptions as Said

        with invalid_requests():
            return Said.model_validate(
                {
                    "delimiter": None if self.delimiter is None else _ESCAPED.get(self.delimiter, self.delimiter),
                    "quote": self.quote,
                    "escape": self.escape,
                    "encoding": self.encoding,
                    "decimal": self.decimal,
                    "date_order": self.date_order,
                    "header_line": self.header_line,
                    "null_markers": tuple(self.null) if self.null else None,
                    "types": dict(map(_named_type, self.type or ())),
                    "sheet": self.sheet,
                }
            )


READING: Final = ReadingOptions()


def _named_type(text: str) -> tuple[str, str]:
    # A name may contain '=', but a type does not.
    name, separator, column_type = text.rpartition("=")
    if not separator or not name:
        raise raylane.InvalidRequest.field("type", f"{text!r} must be NAME=TYPE, such as zip=string")
    return name, column_type
