"""Files of a caller, looked at before they are read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path


async def read_file(path: Path, limit_bytes: int) -> bytes:
    """The file's bytes. Raises `InvalidRequest` if it is missing, unreadable, no regular file, empty or too large."""
    return await asyncio.to_thread(_read, path, limit_bytes)


def check_size(field: str, size_bytes: int, limit_bytes: int) -> None:
    """Raises `InvalidRequest` for nothing, and for more than `limit_bytes`."""
    if size_bytes == 0:
        raise InvalidRequest.field(field, "must not be empty")
    if size_bytes > limit_bytes:
        raise InvalidRequest.field(
            field, f"{size_bytes} bytes exceed the limit of {limit_bytes} bytes ({limit_bytes // 1024**2} MiB)"
        )


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        if not path.is_file():
            problem = "is not a regular file" if path.exists() else "does not exist"
            raise InvalidRequest.field("path", f"{path} {problem}")
        check_size("path", path.stat().st_size, limit_bytes)
        with path.open("rb") as file:
            # One byte more than allowed shows that the file has grown since.
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise InvalidRequest.field("path", f"{path} cannot be read: {error.strerror}") from error
    check_size("path", len(data), limit_bytes)
    return data
