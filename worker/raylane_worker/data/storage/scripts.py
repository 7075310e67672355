"""Writes the scripts that warm runs wait for, and deletes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raylane_worker.data.storage.bucket import Bucket


class Scripts:
    """The scripts of one bucket. Every method raises `StorageUnavailable` or `StorageRejected`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, key: str, data: bytes) -> None:
        """Writes the object `key`."""
        async with self._bucket.call(f"write {self._bucket.name}/{key}", len(data)):
            await self._bucket.client.put_object(
                Bucket=self._bucket.name,
                Key=key,
                Body=data,
                ContentType="text/plain",
                **self._bucket.write_options,
            )

    async def delete(self, key: str) -> None:
        """Deletes the object `key`, if there is one."""
        async with self._bucket.call(f"delete {self._bucket.name}/{key}"):
            await self._bucket.client.delete_object(Bucket=self._bucket.name, Key=key)
