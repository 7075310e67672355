"""Distinguishes Ray's own answers from those of a proxy, a firewall or a login page in front of it.

The texts of Ray's errors are the same in 2.58 and 2.60, and other servers use other texts for the same status. So an
error with one of Ray's texts is Ray's, and any other error is a fault of the path. See docs/decisions/0017.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import JsonValue

A_LIST: Final = "[]"
"""Used in place of a key: the answer is a JSON list."""

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
# How every error of Ray's state API begins.
_STATE_API: Final = re.compile(r'\{"result": false, "msg": "')
# How much of a text is compared.
_BEGINNING_BYTES: Final = 4096


def is_rays_error(status: int, body: bytes) -> bool:
    """Returns whether an answer with a status other than 200 has one of Ray's texts."""
    text = body[:_BEGINNING_BYTES].decode(errors="replace").strip()
    words = _WORDS.get(status, _STATE_API)
    return status >= 400 and bool(words.match(text) or _STATE_API.match(text))


def has_shape(data: JsonValue, key: str | None) -> bool:
    """Returns whether JSON may be Ray's: an object with this key, a list for `A_LIST`, or anything if `key` is None."""
    if key is None:
        return True
    return isinstance(data, list) if key == A_LIST else isinstance(data, dict) and key in data
