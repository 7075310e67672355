"""Tells Ray's own answers from those of a proxy, a firewall or a login page in front of it.

The texts of Ray's errors are the same in 2.58 and 2.60, and whatever else answers has other words for the same status.
So an error in Ray's words is Ray's, and any other one belongs to the path. See docs/decisions/0017.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import JsonValue

A_LIST: Final = "[]"
"""Instead of a key: the answer is a JSON list."""

_TRACEBACK: Final = r"Traceback \(most recent call last\)"
# By status: how Ray's texts begin. `tests/integration/test_ray_conformance.py` checks them against a real head.
_WORDS: Final = {
    400: re.compile(rf"{_TRACEBACK}|Can only [a-z ]+ submission type jobs"),
    401: re.compile(r"Unauthorized: Missing authentication token"),
    403: re.compile(r"Forbidden: Invalid authentication token"),
    404: re.compile(r"(Job|Package) \S+ does not exist$|404: Not Found$"),
    405: re.compile(r"405: Method Not Allowed$|'[A-Z]+' method not allowed for browser traffic"),
    413: re.compile(r"Maximum request body size \d+ exceeded"),
    500: re.compile(rf"{_TRACEBACK}|500: |500 Internal Server Error\n\n|Internal Server Error: |No available agent"),
    503: re.compile(r"503: Health check failed"),
}
# How the state API of Ray says any error.
_STATE_API: Final = re.compile(r'\{"result": false, "msg": "')
# The longest beginning of a text that is looked at.
_BEGINNING_BYTES: Final = 4096


def is_rays_error(status: int, body: bytes) -> bool:
    """Whether an answer that is not 200 is in the words of Ray."""
    text = body[:_BEGINNING_BYTES].decode(errors="replace").strip()
    words = _WORDS.get(status, _STATE_API)
    return status >= 400 and bool(words.match(text) or _STATE_API.match(text))


def has_shape(data: JsonValue, key: str | None) -> bool:
    """Whether JSON may be Ray's: an object with this key, or, for `A_LIST`, a list. Without a key everything may."""
    if key is None:
        return True
    return isinstance(data, list) if key == A_LIST else isinstance(data, dict) and key in data
