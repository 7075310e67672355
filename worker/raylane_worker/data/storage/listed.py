"""Lists the objects of a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from types_aiobotocore_s3.type_defs import ObjectTypeDef

    from raylane_worker.data.storage.bucket import Bucket

# S3 lists, and deletes, at most this many at once.
_AT_ONCE: Final = 1000


async def pages_below(bucket: Bucket, prefix: str) -> AsyncGenerator[Sequence[ObjectTypeDef]]:
    """Yields the objects whose keys begin with `prefix`, in pages, each of which is one request.

    Raises `StorageUnavailable` or `StorageRejected`.
    """
    pages = bucket.client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket.name, Prefix=prefix, PaginationConfig={"PageSize": _AT_ONCE}
    )
    iterator = pages.__aiter__()
    while True:
        async with bucket.call(f"list {bucket.name}/{prefix}"):
            page = await anext(iterator, None)
        if page is None:
            return
        yield page.get("Contents", [])
