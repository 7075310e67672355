"""The forms of prompts that the template generator understands, for its error messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import JsonValue

# Each form with an example.
_FORMS: Final[tuple[tuple[str, str], ...]] = (
    ("preview", "first 5 rows"),
    ("count", "how many rows"),
    ("columns", "columns"),
    ("describe", "describe temp_max and wind"),
    ("missing values", "missing values per column"),
    ("sum, average, median, min, max, standard deviation, count distinct", "average and max of temp_max"),
    ("grouped, by one or more columns", "average temp_max by weather"),
    ("top or bottom rows", "top 5 by temp_max"),
    ("top or bottom groups", "top 3 weather by average temp_max"),
    ("distinct values", "distinct weather"),
    ("filter, after any of these", "count rows where weather = 'rain' and temp_max between 10 and 20"),
    ("source, if there are several", "first 5 rows of seattle-weather.csv"),
)


def supported_forms() -> list[JsonValue]:
    """Returns the forms for `details["supported"]` of an error."""
    return [{"form": form, "example": example} for form, example in _FORMS]


def examples() -> str:
    """Returns the examples for the message of an error."""
    return ", ".join(repr(example) for _, example in _FORMS)
