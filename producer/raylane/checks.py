"""Checks of arguments that are no part of a request, so that a bad one never reaches Redis."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from raylane_common.errors import InvalidRequest
from raylane_common.rules import JobId, SessionId

MAX_LISTED: Final = 1000

_session_id: TypeAdapter[str] = TypeAdapter(SessionId)
_job_id: TypeAdapter[str] = TypeAdapter(JobId)
_EVENT_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
_EnumT = TypeVar("_EnumT", bound=StrEnum)


def session_id(value: str | None) -> str:
    """The session id itself. Raises `InvalidRequest` if it is not one."""
    try:
        return _session_id.validate_python(value)
    except ValidationError as error:
        raise InvalidRequest.field(
            "session_id", "must be 1 to 128 letters, digits, '.', '_' or '-', and begin with a letter or digit"
        ) from error


def job_id(value: object, field: str = "job_id") -> str:
    """The job id itself. Raises `InvalidRequest` if it is not one."""
    try:
        return _job_id.validate_python(value)
    except ValidationError as error:
        raise InvalidRequest.field(
            field, "must be 1 to 56 letters, digits, '_' or '-', and begin with a letter or digit"
        ) from error


def event_id(value: str) -> str:
    """The event id itself. Raises `InvalidRequest` if it is not one."""
    if not _EVENT_ID.fullmatch(value):
        raise InvalidRequest.field("after", "must be the id of an event, such as 1795334676336-0")
    return value


def limit(value: int) -> int:
    """The limit itself. Raises `InvalidRequest` outside 1 to 1000."""
    if not 1 <= value <= MAX_LISTED:
        raise InvalidRequest.field("limit", f"must be from 1 to {MAX_LISTED}")
    return value


def member(field: str, enum: type[_EnumT], value: str | None) -> _EnumT | None:
    """The member of the enum with this value, None for None. Raises `InvalidRequest` if there is none."""
    if value is None:
        return None
    try:
        return enum(value)
    except ValueError as error:
        raise InvalidRequest.field(field, f"must be one of {', '.join(enum)}") from error
