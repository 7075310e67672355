"""The multipart uploads of a bucket that are neither complete nor aborted."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from raylane_worker.data.aws import error_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from raylane_worker.data.storage.bucket import Bucket


class Upload(NamedTuple):
    """A multipart upload. The one that began first comes first."""

    began: datetime
    id: str
    key: str


async def uploads_below(bucket: Bucket, prefix: str) -> list[Upload]:
    """Returns the uploads whose keys begin with `prefix`, the oldest first."""
    found: list[Upload] = []
    pages = bucket.client.get_paginator("list_multipart_uploads")
    async with bucket.call(f"list the uploads of {bucket.name}/{prefix}"):
        async for page in pages.paginate(Bucket=bucket.name, Prefix=prefix):
            found += [
                Upload(upload["Initiated"], upload["UploadId"], upload["Key"])
                for upload in page.get("Uploads", ())
                # Some servers take the prefix for the whole key, or ignore it.
                if upload["Key"].startswith(prefix)
            ]
    return sorted(found)


async def abort(bucket: Bucket, key: str, upload_id: str) -> None:
    """Removes the parts of an upload. It may be gone already."""
    async with bucket.call(f"abort the upload of {key}"), may_be_gone():
        await bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload_id)


@asynccontextmanager
async def may_be_gone() -> AsyncIterator[None]:
    """Ignores that another worker, or an earlier try of the same call, has completed or aborted the upload."""
    try:
        yield
    except ClientError as error:
        if error_code(error) != "NoSuchUpload":
            raise
