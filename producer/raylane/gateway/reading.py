"""What a client says about a file, as parameters of the query."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.limits import CHARACTER_PATTERN, OPTIONAL_CHARACTER_PATTERN
from raylane_common.wire.reading import ReadingOptions


def _reading(
    delimiter: Annotated[
        str | None, Query(pattern=CHARACTER_PATTERN, description="The character between two cells")
    ] = None,
    quote: Annotated[
        str | None, Query(pattern=OPTIONAL_CHARACTER_PATTERN, description="The character around cells; empty: none")
    ] = None,
    escape: Annotated[
        str | None, Query(pattern=OPTIONAL_CHARACTER_PATTERN, description="The character before a quote in a cell")
    ] = None,
    encoding: Annotated[
        str | None, Query(min_length=1, max_length=40, description="The encoding of the text, such as cp1252")
    ] = None,
    decimal: Annotated[str | None, Query(pattern="^[.,]$", description="The decimal mark of numbers")] = None,
    date_order: Annotated[
        str | None, Query(pattern="^(dmy|mdy|ymd)$", description="The order of day, month and year in dates")
    ] = None,
    header_line: Annotated[
        int | None, Query(ge=0, le=1_000_000, description="The line that names the columns, from 1; 0: none")
    ] = None,
    null: Annotated[
        list[str] | None, Query(max_length=100, description="A word for a missing value; may be repeated")
    ] = None,
    type: Annotated[
        list[str] | None,
        Query(max_length=1000, description="The type of a column, such as `zip=string`; may be repeated"),
    ] = None,
    sheet: Annotated[str | None, Query(min_length=1, max_length=100, description="The sheet of a workbook")] = None,
) -> ReadingOptions:
    with invalid_requests():
        return ReadingOptions.model_validate(
            {
                "delimiter": delimiter,
                "quote": quote,
                "escape": escape,
                "encoding": encoding,
                "decimal": decimal,
                "date_order": date_order,
                "header_line": header_line,
                "null_markers": None if null is None else tuple(null),
                "types": dict(map(_type, type or ())),
                "sheet": sheet,
            }
        )


def _type(text: str) -> tuple[str, str]:
    # The name of a column may have the sign in it, a type never.
    name, sign, kind = text.rpartition("=")
    if not sign or not name:
        raise InvalidRequest.field("type", f"must be a column and its type, such as zip=string, not {text!r}")
    return name, kind


ReadingDep = Annotated[ReadingOptions, Depends(_reading)]
