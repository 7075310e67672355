"""Adds an object that is already on S3 to a session's sources. Only its prepared copy is written, if it needs one.

Safe to repeat, as an upload is.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from raylane_common.counting import counted
from raylane_common.errors import InvalidRequest
from raylane_common.limits import MAX_UPLOAD_BYTES
from raylane_worker.data.readable import check_readable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from raylane_common.wire.upload import ReadInPlaceRequest
    from raylane_worker.context import JobContext
    from raylane_worker.data.storage import Storage
    from raylane_worker.data.storage.bucket import Put
    from raylane_worker.data.target import Target


class InPlace:
    """The bytes of an object that stays where it is. See `Original`."""

    def __init__(self, storage: Storage, key: str, size_bytes: int) -> None:
        self._storage = storage
        self._key = key
        self._size_bytes = size_bytes
        self.s3_uri: str = storage.uri(key)

    async def fetch(self, path: Path) -> None:
        """Writes the bytes to the file `path`. Raises `InvalidRequest` if they change meanwhile, or are gone."""
        found = await self._storage.files.read(self._key, path, self._size_bytes)
        if found is None or found.size_bytes != self._size_bytes or not found.sha256:
            raise InvalidRequest.field("s3_uri", f"{self.s3_uri} was changed while it was read; add it again")

    @asynccontextmanager
    async def sent(self, storage: Storage, target: Target, path: Path) -> AsyncIterator[Put]:
        """Does nothing: the object stays where it is."""
        yield _nothing

    async def forget(self) -> None:
        """Does nothing: there is no other copy."""


async def _nothing() -> None:
    """Puts nothing in its place."""


async def find(request: ReadInPlaceRequest, ctx: JobContext) -> tuple[InPlace, int]:
    """Returns the object and its size in bytes.

    Raises `InvalidRequest` if sessions may not read it, or if it does not exist, is empty or is too large, and a
    `StorageError`.
    """
    bucket, key = check_readable(request.s3_uri, ctx.resources.settings.storage)
    storage = (await ctx.storage()).at(bucket)
    size_bytes = await storage.files.size(key)
    if size_bytes is None:
        raise InvalidRequest.field("s3_uri", f"there is no object {request.s3_uri}")
    if not 0 < size_bytes <= MAX_UPLOAD_BYTES:
        problem = f"{request.s3_uri} has {counted(size_bytes, 'byte')}; it must have 1 to {MAX_UPLOAD_BYTES:,}"
        raise InvalidRequest.field("s3_uri", problem)
    return InPlace(storage, key, size_bytes), size_bytes
