"""The bytes of an upload: staged in Redis, or sent to S3 as a transfer. Both are checked before anything is stored."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from raylane_common.errors import InvalidRequest, StagedBodyMissing
from raylane_worker.data.layout import transfer_key

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.data.storage import Storage
    from raylane_worker.data.upload_order import Order


class Original(Protocol):
    """The bytes of one upload."""

    async def fetch(self, path: Path) -> None:
        """Writes the bytes to the file `path`.

        Raises `StagedBodyMissing`, `InvalidRequest` if they are not those of the request, and a `StorageError`.
        """

    async def store(self, storage: Storage, key: str, *, content_type: str, order: Order) -> None:
        """Writes the bytes to the object `key`. Raises a `StorageError`, and `Superseded` if a newer upload did."""

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

    async def store(self, storage: Storage, key: str, *, content_type: str, order: Order) -> None:
        """See `Original`."""
        await storage.put(key, self.body, content_type=content_type, order=order)

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

    async def store(self, storage: Storage, key: str, *, content_type: str, order: Order) -> None:
        """See `Original`."""
        # A copy onto itself gives the object the order of this upload.
        source = key if self._is_stored else self._key
        await storage.files.copy(source, key, self._size_bytes, content_type=content_type, order=order)

    async def forget(self) -> None:
        """See `Original`."""
        await self._storage.transfers.drop(self._transfer_id)


def _check(found_bytes: int, found_sha256: str, size_bytes: int, sha256: str) -> None:
    if found_bytes != size_bytes:
        raise InvalidRequest.field(
            "size_bytes", f"{found_bytes} bytes arrived, not {size_bytes}; upload the file again"
        )
    if found_sha256 != sha256:
        raise InvalidRequest.field("sha256", "the bytes that arrived have another checksum; upload the file again")
