"""Checks of arguments that the producer and the Ray client share. pydantic checks the fields of requests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, Final, TypeVar

from raylane_common.errors import InvalidRequest
from raylane_common.rules import not_utf_8

T = TypeVar("T")
N = TypeVar("N", int, float)
# All of them can be iterated over, but what that yields is not what the caller meant.
_NOT_LISTS: Final = (str, bytes, bytearray, Mapping)


def instance(field: str, kind: type[T], value: object, hint: str = "") -> T:
    """Returns the value. Raises `InvalidRequest` that names `field`, and ends with `hint`, if it is not a `kind`."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOaeio" else "a"
        raise InvalidRequest.field(field, f"must be {article} {kind.__name__}, not {type_name(value)}{hint}")
    return value


def listed(field: str, values: object, what: str) -> list[object]:
    """Returns the items of any iterable. Raises `InvalidRequest` for anything else, and for text, bytes and mappings.

    `what` completes the sentence "must be a list of …".
    """
    if isinstance(values, _NOT_LISTS) or not isinstance(values, Iterable):
        raise InvalidRequest.field(field, f"must be a list of {what}, not {type_name(values)}")
    return list(values)


def mapping(field: str, values: object) -> dict[str, Any]:
    """Returns a copy of the mapping; an empty one for None. Raises `InvalidRequest` unless its keys are text."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InvalidRequest.field(field, f"must be a mapping of names to values, not {type_name(values)}")
    for name in values:
        if not isinstance(name, str):
            raise InvalidRequest.field(field, f"must have text as names, not {type_name(name)}")
        problem = not_utf_8(name)
        if problem is not None:
            raise InvalidRequest.field(field, f"has a name that {problem}")
    return dict(values)


def seconds(field: str, value: object) -> float:
    """Returns the number of seconds, which may be infinite. Raises `InvalidRequest` for anything else, such as NaN."""
    if not isinstance(value, Real):
        raise InvalidRequest.field(field, f"must be a number of seconds, not {type_name(value)}")
    try:
        number = float(value)
    except OverflowError:
        return -math.inf if value < 0 else math.inf
    if math.isnan(number):
        raise InvalidRequest.field(field, "must be a number of seconds, not NaN")
    return number


def at_least(field: str, least: int, value: object) -> int:
    """Returns the whole number. Raises `InvalidRequest` for anything else, and for one below `least`."""
    if not isinstance(value, int):
        raise InvalidRequest.field(field, f"must be a whole number, not {type_name(value)}")
    if value < least:
        raise InvalidRequest.field(field, f"must be at least {least}" if least else "must not be negative")
    return value


def within(field: str, most: int, number: N) -> N:
    """Returns the number, from 0 to `most`. Raises `InvalidRequest` for anything else."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
        raise InvalidRequest.field(field, f"must be a number from 0 to {most}")
    return number


def utf_8(field: str, value: object) -> str:
    """Returns the text. Raises `InvalidRequest` for anything else, and for text that UTF-8 cannot encode."""
    if not isinstance(value, str):
        raise InvalidRequest.field(field, f"must be text, not {type_name(value)}")
    problem = not_utf_8(value)
    if problem is not None:
        raise InvalidRequest.field(field, problem)
    return value


def type_name(value: object) -> str:
    """Returns the name of the value's type, for a message."""
    return type(value).__name__
