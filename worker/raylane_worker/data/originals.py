"""The bytes of an upload: staged in Redis, or sent to S3 as a transfer. Both are checked before anything is stored."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from raylane_common.counting import counted
from raylane_common.errors import InvalidRequest, StagedBodyMissing
from raylane_worker.data.layout import transfer_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from raylane_worker.data.storage import Storage
    from raylane_worker.data.storage.bucket import Put
    from raylane_worker.data.target import Target


class Original(Protocol):
    """The bytes of one upload."""

    async def fetch(self, path: Path) -> None:
        """Writes the bytes to the file `path`.

        Raises `StagedBodyMissing`, `InvalidRequest` if they are not those of the request, and a `StorageError`.
        """

    def sent(self, storage: Storage, target: Target, path: Path) -> AbstractAsyncContextManager[Put]:
        """Sends the bytes, which `fetch` wrote to `path`, and yields what makes them the object.

        If that replaces an object of the session, it takes one short step that hardly fails. Both raise a
        `StorageError`, and what is yielded also `Superseded` if a newer upload has written the object.
        """

    async def forget(self) -> None:
        """Removes what is left of them elsewhere. Raises a `StorageError`."""


@dataclass(frozen=True)
class Staged:
    """Bytes that were staged in Redis, which removes them when the job ends."""

    body: bytes
    size_bytes: int
    sha256: str

    async def fetch(self, path: Path) -> None:
        """See `Original`."""
        await asyncio.to_thread(self._fetch, path)

    def _fetch(self, path: Path) -> None:
        _check(len(self.body), hashlib.sha256(self.body).hexdigest(), self.size_bytes, self.sha256)
        path.write_bytes(self.body)

    @asynccontextmanager
    async def sent(self, storage: Storage, target: Target, path: Path) -> AsyncIterator[Put]:
        """See `Original`. A new object takes one request."""
        if target.replaces:
            async with storage.files.sent(target, path) as put:
                yield put
        else:
            yield partial(storage.put, target, self.body)

    async def forget(self) -> None:
        """See `Original`."""


class Transferred:
    """Bytes that a producer sent to S3. They stay outside the session until they have been checked and read."""

    def __init__(self, storage: Storage, transfer_id: str, size_bytes: int, sha256: str, final_key: str | None) -> None:
        """`final_key` is where an earlier attempt may have stored them, or None."""
        self._storage = storage
        self._transfer_id = transfer_id
        self._key = transfer_key(transfer_id)
        self._size_bytes = size_bytes
        self._sha256 = sha256
        self._final_key = final_key
        self._is_stored = False

    async def fetch(self, path: Path) -> None:
        """See `Original`."""
        await self._storage.transfers.put_together(self._transfer_id, self._size_bytes)
        found = await self._storage.files.read(self._key, path, self._size_bytes)
        if found is None and self._final_key is not None:
            # An earlier attempt, or another upload of the same file, may have come this far.
            found = await self._storage.files.read(self._final_key, path, self._size_bytes)
            self._is_stored = found == (self._size_bytes, self._sha256)
            found = found if self._is_stored else None
        if found is None:
            raise StagedBodyMissing("the parts of the upload are no longer on S3, or not all of them; upload it again")
        _check(found.size_bytes, found.sha256, self._size_bytes, self._sha256)

    @asynccontextmanager
    async def sent(self, storage: Storage, target: Target, path: Path) -> AsyncIterator[Put]:
        """See `Original`."""
        # A copy onto itself gives the object the order of this upload.
        source = target.key if self._is_stored else self._key
        async with AsyncExitStack() as stack:
            put = await stack.enter_async_context(storage.files.copied(target, source, self._size_bytes))
            if put is None:
                # The same upload of another producer has ended since `fetch`, and has removed the transfer.
                put = await stack.enter_async_context(storage.files.sent(target, path))
            yield put

    async def forget(self) -> None:
        """See `Original`."""
        await self._storage.transfers.drop(self._transfer_id)


def _check(found_bytes: int, found_sha256: str, size_bytes: int, sha256: str) -> None:
    if found_bytes != size_bytes:
        raise InvalidRequest.field(
            "size_bytes", f"{counted(found_bytes, 'byte')} arrived, not {size_bytes}; upload the file again"
        )
    if found_sha256 != sha256:
        raise InvalidRequest.field("sha256", "the bytes that arrived have another checksum; upload the file again")
