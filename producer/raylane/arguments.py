"""Checks of arguments before anything is sent: ids, limits, filters, files and bytes.

The rules for the fields of a request are in `raylane_common.rules`; this module has all other rules.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.nearest import NearestNames
from raylane_common.rules import JobId, SessionId
from raylane_common.wire.jobs import NewJob

# All of them are read in one round trip, and each record may hold up to 1 MiB of code.
MAX_LISTED: Final = 1000
# More names than anybody has in mind, who mistypes one.
_MAX_NAMES: Final = 1000

_session_id: TypeAdapter[str] = TypeAdapter(SessionId)
_job_id: TypeAdapter[str] = TypeAdapter(JobId)
# Redis also accepts milliseconds without a sequence number: "0" is the start of every stream.
_EVENT_ID: Final = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,20}))?")
_HIGHEST_PART: Final = 2**64 - 1
_EnumT = TypeVar("_EnumT", bound=StrEnum)


def session_id(value: object) -> str:
    """Returns the session id. Raises `InvalidRequest` if it is malformed."""
    try:
        return _session_id.validate_python(value)
    except ValidationError as error:
        raise InvalidRequest.field(
            "session_id", "must be 1 to 128 letters, digits, '.', '_' or '-', and begin with a letter or digit"
        ) from error


def job_id(value: object) -> str:
    """Returns the job id. Raises `InvalidRequest` if it is malformed."""
    try:
        return _job_id.validate_python(value)
    except ValidationError as error:
        raise InvalidRequest.field(
            "job_id", "must be 1 to 56 letters, digits, '_' or '-', and begin with a letter or digit"
        ) from error


def event_id(value: object) -> str:
    """Returns the event id with both of its parts: "0" becomes "0-0". Raises `InvalidRequest` if it is malformed."""
    found = _EVENT_ID.fullmatch(str(value))
    if found is None or int(found[2] or 0) > _HIGHEST_PART:
        raise InvalidRequest.field("after", "must be the id of an event, such as 1795334676336-0, or 0 for all events")
    return f"{found[1]}-{found[2] or 0}"


def limit(value: int) -> int:
    """Returns the limit. Raises `InvalidRequest` unless it is from 1 to 1000."""
    if not isinstance(value, int) or not 1 <= value <= MAX_LISTED:
        raise InvalidRequest.field("limit", f"must be from 1 to {MAX_LISTED}")
    return value


def new_jobs(values: object) -> list[NewJob]:
    """Returns the jobs of a batch. Raises `InvalidRequest` that names the place of anything else."""
    # A model can be iterated over, too, but its fields are not jobs.
    items = checks.listed("jobs", None if isinstance(values, NewJob) else values, "jobs from new_job and new_upload")
    hint = "; use new_job or new_upload"
    return [checks.instance(f"jobs.{index}", NewJob, item, hint) for index, item in enumerate(items)]


def error_code(value: object) -> str | None:
    """Returns the code of an error, or None for None. Raises `InvalidRequest` if it is not text."""
    return None if value is None else checks.utf_8("code", value)


def member(field: str, enum: type[_EnumT], value: str | None) -> _EnumT | None:
    """Returns the member of `enum` with this value, or None for None. Raises `InvalidRequest` that names `field`."""
    if value is None:
        return None
    try:
        return enum(value)
    except ValueError as error:
        raise InvalidRequest.field(field, f"must be one of {', '.join(enum)}") from error


def path(value: object, field: str = "data") -> Path:
    """Returns the value as a path. Raises `InvalidRequest` that names `field` for anything else, such as bytes."""
    if not isinstance(value, str | os.PathLike):
        raise InvalidRequest.field(field, f"must be the path of a file, not {checks.type_name(value)}")
    try:
        return Path(value)
    except TypeError as error:
        raise InvalidRequest.field(field, f"must be a path of text: {error}") from error


def data(value: object) -> bytes:
    """Returns the bytes; text is encoded as UTF-8. Raises `InvalidRequest` for anything else, such as an open file."""
    match value:
        case bytes():
            return value
        case bytearray() | memoryview():
            return bytes(value)
        case str():
            return checks.utf_8("data", value).encode()
        case _:
            hint = "open files are for upload" if hasattr(value, "read") else "paths and open files are for upload"
            raise InvalidRequest.field("data", f"must be bytes or text, not {checks.type_name(value)}; {hint}")


def check_size(field: str, size_bytes: int, limit_bytes: int) -> None:
    """Raises `InvalidRequest` that names `field` if `size_bytes` is 0 or larger than `limit_bytes`."""
    if size_bytes == 0:
        raise InvalidRequest.field(field, "must not be empty")
    if size_bytes > limit_bytes:
        raise InvalidRequest.field(
            field, f"must not exceed {limit_bytes} bytes ({limit_bytes // 1024**2} MiB), but has {size_bytes} bytes"
        )


def not_a_file(file: Path) -> str:
    """Returns what is wrong with a path that is not that of a regular file, and what to do, as the end of a sentence.

    Raises `OSError`.
    """
    if file.is_dir():
        return "is a directory; name a file in it"
    if file.exists():
        return "is not a regular file"
    with suppress(OSError):
        with os.scandir(file.parent) as entries:
            names = [entry.name for entry in islice(entries, _MAX_NAMES) if entry.is_file()]
        if nearest := NearestNames(names).find(file.name, 1):
            return f"does not exist; did you mean {str(file.with_name(nearest[0]))!r}?"
    return "does not exist" if file.parent.is_dir() else f"does not exist, and neither does {str(file.parent)!r}"


async def read_file(field: str, file: Path, limit_bytes: int) -> bytes:
    """Returns the file's bytes, at most `limit_bytes`.

    Raises `InvalidRequest`, which names `field`, if the file is missing, unreadable, not a regular file, empty or too
    large.
    """
    return await asyncio.to_thread(_read, field, file, limit_bytes)


def _read(field: str, file: Path, limit_bytes: int) -> bytes:
    # Quoted, because a file name may contain bytes that are not text and cannot be printed.
    name = repr(str(file))
    try:
        if not file.is_file():
            raise InvalidRequest.field(field, f"{name} {not_a_file(file)}")
        with file.open("rb") as opened:
            # Reading one byte more than allowed detects a file that is too large, whatever `st_size` says.
            content = opened.read(limit_bytes + 1)
            size_bytes = max(len(content), os.fstat(opened.fileno()).st_size)
    except OSError as error:
        raise InvalidRequest.field(field, f"{name} cannot be read: {error.strerror}") from error
    check_size(field, size_bytes, limit_bytes)
    return content
