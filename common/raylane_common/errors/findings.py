"""Describes in plain words what pydantic found wrong with a field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from raylane_common.limits import IN_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

# By pydantic's type of error. Types that are not listed keep pydantic's text.
_PROBLEMS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "json_invalid": "must be JSON",
    "string_type": "must be text",
    "string_unicode": "must be UTF-8 text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "bytes_type": "must be bytes",
    "bytes_too_long": "must have at most {max_length} bytes",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must have at least {min_length} items, not {actual_length}",
    "too_long": "must have at most {max_length} items, not {actual_length}",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "dict_type": "must be an object with names and values",
    "mapping_type": "must be an object with names and values",
    "model_type": "must be an object with names and values",
    "model_attributes_type": "must be an object with names and values",
    "is_instance_of": "must be an object from this library",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_invalid": "must have one of {expected_tags} as its {discriminator}",
    "union_tag_not_found": "is missing its {discriminator}",
    "datetime_type": "must be a date and time such as 2026-01-31T12:00:00Z",
    "datetime_parsing": "must be a date and time such as 2026-01-31T12:00:00Z",
    "datetime_from_date_parsing": "must be a date and time such as 2026-01-31T12:00:00Z",
    "timezone_aware": "must have a time zone",
    "path_not_file": "must be the path of a file that exists",
    "path_not_directory": "must be the path of a directory that exists",
}

_ONE: Final = re.compile(r"\b1 (character|byte|item)s\b")


def describe_finding(finding: ErrorDetails) -> str:
    """Returns the problem as the end of a sentence that begins with the field's name."""
    # pydantic puts these words before the text of our own checks.
    text = finding["msg"].removeprefix("Value error, ")
    context: dict[str, Any] = finding.get("ctx", {})
    if finding["type"] == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"must be {IN_WORDS[pattern]}" if pattern in IN_WORDS else f"must match {pattern}"
    if finding["type"] in ("too_short", "string_too_short") and context["min_length"] == 1:
        return "must not be empty"
    if finding["type"] == "union_tag_not_found":
        context = {"discriminator": context["discriminator"].strip("'")}
    problem = _PROBLEMS.get(finding["type"])
    return text if problem is None else _ONE.sub(r"1 \1", problem.format_map(context))
