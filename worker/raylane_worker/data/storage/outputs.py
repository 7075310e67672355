"""Reads what runs wrote: small objects whole, and the sizes of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import ClientError

from raylane_worker.data.aws import error_code

if TYPE_CHECKING:
    from collections.abc import Collection

    from raylane_worker.data.storage.bucket import Bucket

# An answer with status 404 and no such code is not from S3 but, for example, from a proxy.
_NO_OBJECT: Final = "NoSuchKey"
# S3 lists at most this many objects on a page.
_PAGE_OBJECTS: Final = 1000
# A run that wrote more objects than this has not only written its answer.
_MAX_PAGES: Final = 10


class SmallObject(NamedTuple):
    """An object of `size_bytes` bytes, written at `written_at_ms` by the clock of S3 (epoch milliseconds).

    `data` is None if it is larger than was asked for.
    """

    size_bytes: int
    written_at_ms: int
    data: bytes | None


class Outputs:
    """The objects below the output prefixes of runs. Every method raises `StorageUnavailable` or `StorageRejected`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def read(self, key: str, max_bytes: int) -> SmallObject | None:
        """Returns the object `key`, without its data if it has more than `max_bytes`; None if there is none."""
        async with self._bucket.call(f"read {self._bucket.name}/{key}", max_bytes):
            try:
                answer = await self._bucket.client.get_object(Bucket=self._bucket.name, Key=key)
            except ClientError as error:
                if error_code(error) == _NO_OBJECT:
                    return None
                raise
            async with answer["Body"] as body:
                size_bytes = answer["ContentLength"]
                data = None if size_bytes > max_bytes else await body.read()
                self._bucket.received(data or b"")
                return SmallObject(size_bytes, int(answer["LastModified"].timestamp() * 1000), data)

    async def sizes(self, prefix: str, names: Collection[str]) -> dict[str, int]:
        """Returns the size in bytes of each of the objects right below `prefix`, which ends in '/'.

        One that does not exist, or that 10,000 others precede, is missing.
        """
        found: dict[str, int] = {}
        pages = self._bucket.client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket.name, Prefix=prefix, Delimiter="/", PaginationConfig={"PageSize": _PAGE_OBJECTS}
        )
        iterator = pages.__aiter__()
        for _ in range(_MAX_PAGES):
            if len(found) == len(names):
                break
            async with self._bucket.call(f"list {self._bucket.name}/{prefix}"):
                page = await anext(iterator, None)
            if page is None:
                break
            listed = {each["Key"].removeprefix(prefix): each["Size"] for each in page.get("Contents", ())}
            found |= {name: listed[name] for name in names if name in listed}
        return found
