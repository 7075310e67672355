"""Replaces what UTF-8 cannot encode, so that text from outside can be stored. JSON may hold half a character."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue


def valid_text(text: str) -> str:
    """Returns the text with U+FFFD in place of each surrogate without its other half."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def valid_json(value: JsonValue) -> JsonValue:
    """Returns the value with the `valid_text` of all its texts, names included."""
    match value:
        case str():
            return valid_text(value)
        case list():
            return [valid_json(item) for item in value]
        case dict():
            return {valid_text(name): valid_json(item) for name, item in value.items()}
    return value
