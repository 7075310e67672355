"""Parses the JSON of Ray's answers, long ones in steps.

The parser of the standard library holds the interpreter's lock during a whole call, so that even in another thread it
would hold up the event loop: for a third of a second with a list of 17,000 runs.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from raylane_common.ray.answers import FaultKind, PathFault, shorten
from raylane_common.ray.signature import A_LIST, has_shape
from raylane_common.valid_text import valid_json

if TYPE_CHECKING:
    from pydantic import JsonValue

STEP_BYTES: Final = 256 * 1024
"""Takes about a millisecond."""

# Ray's JSON has at least so many bytes for each comma. A list of bare numbers takes a hundred times as long to parse.
_LEAST_BYTES_PER_COMMA: Final = 8
_FIRST: Final = re.compile(r"\s*\[\s*")
_NEXT: Final = re.compile(r"\s*(?:,\s*|(?=\]))")
_LOGS: Final = re.compile(r'\s*\{\s*"logs"\s*:\s*"')
# A surrogate, which has no UTF-8 without its other half. A run may write one into what Ray keeps of it.
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# Where a JSON string may be cut: after an escaped line feed or a space, which are whole characters.
_BORDER: Final = re.compile(r"\\n| ")

_decode = json.JSONDecoder().raw_decode


def parse_json(body: bytes, key: str | None) -> JsonValue:
    """Returns the JSON of an answer with status 200. Raises `PathFault` if it is not JSON that Ray would send.

    `key` is the key that Ray's answer always has, as in `signature.has_shape`.
    """
    try:
        data = _parse(body, key)
    except (ValueError, RecursionError):
        raise PathFault(FaultKind.NOT_RAY, "not Ray: answered 200 without JSON") from None
    if not has_shape(data, key):
        raise PathFault(FaultKind.NOT_RAY, f"not Ray: answered 200 with other JSON, {shorten(body)}")
    return valid_json(data) if _SURROGATE.search(body) else data


def _parse(body: bytes, key: str | None) -> JsonValue:
    if len(body) <= STEP_BYTES:
        data: JsonValue = json.loads(body)
        return data
    text = body.decode()
    if key == A_LIST:
        return _objects(text)
    logs = _LOGS.match(text) if key == "logs" else None
    if logs is not None:
        try:
            return {"logs": _string(text.rstrip(), logs.end())}
        except ValueError:
            pass  # there is another key
    if text.count(",") * _LEAST_BYTES_PER_COMMA > len(text):
        raise ValueError("too many values")
    data = json.loads(text)
    return data


def _objects(text: str) -> list[JsonValue]:
    """Returns a list of JSON objects, each parsed alone. Raises `ValueError` for any other text."""
    objects: list[JsonValue] = []
    match = _FIRST.match(text)
    while match and text[match.end() : match.end() + 1] == "{":
        value, end = _decode(text, match.end())
        objects.append(value)
        match = _NEXT.match(text, end)
    if match is None or text[match.end() :].rstrip() != "]":
        raise ValueError("not a list of objects")
    return objects


def _string(text: str, start: int) -> str:
    """Returns the string that begins there and ends with the object. Raises `ValueError` if it ends elsewhere."""
    end = len(text) - 2
    if not text.endswith('"}'):
        raise ValueError("the object does not end with the string")
    pieces: list[str] = []
    while start < end:
        border = _BORDER.search(text, start + STEP_BYTES, end)
        cut = border.end() if border else end
        pieces.append(json.loads(f'"{text[start:cut]}"'))
        start = cut
    return "".join(pieces)
