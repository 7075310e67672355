"""Deletes all objects of a session, and its uploads that are not complete."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from raylane_worker.data.storage.listed import pages_below
from raylane_worker.data.storage.uploads import abort, uploads_below

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from types_aiobotocore_s3.type_defs import ObjectIdentifierTypeDef, ObjectTypeDef

    from raylane_worker.data.storage.bucket import Bucket


class Purged(NamedTuple):
    """How many objects and bytes were deleted, and how many uploads to S3 were ended."""

    objects: int
    size_bytes: int
    uploads: int


async def delete_below(bucket: Bucket, prefix: str, kept: Callable[[], Awaitable[Collection[str]]]) -> Purged:
    """Deletes every object whose key begins with `prefix`, which ends in '/', but the `kept` ones. Safe to repeat.

    `kept` returns their keys, and is called for each page of objects, after these were listed: so an object is also
    kept whose key is known right before it is written. One that is written meanwhile stays as well. Raises what `kept`
    raises, and `StorageUnavailable` or `StorageRejected`.
    """
    # First, so that none of them becomes an object that is not seen.
    found_uploads = await uploads_below(bucket, prefix)
    keep = await kept()
    uploads = [upload for upload in found_uploads if upload.key not in keep]
    for upload in uploads:
        await abort(bucket, upload.key, upload.id)
    objects = size_bytes = 0
    async with aclosing(pages_below(bucket, prefix)) as pages:
        async for page in pages:
            keep = await kept()
            found = [each for each in page if each["Key"] not in keep]
            if found:
                deleted = await _delete(bucket, prefix, found)
                objects += len(deleted)
                size_bytes += sum(each["Size"] for each in deleted)
    return Purged(objects, size_bytes, len(uploads))


async def _delete(bucket: Bucket, prefix: str, found: Sequence[ObjectTypeDef]) -> list[ObjectTypeDef]:
    """Returns those of the objects that were deleted: all that nobody has replaced since they were listed."""
    named: list[ObjectIdentifierTypeDef] = [{"Key": each["Key"], "ETag": each["ETag"]} for each in found]
    async with bucket.call(f"delete objects of {bucket.name}/{prefix}"):
        answer = await bucket.client.delete_objects(Bucket=bucket.name, Delete={"Objects": named, "Quiet": True})
        failed = {error.get("Key", ""): error for error in answer.get("Errors", ())}
        for error in failed.values():
            if error.get("Code") not in ("PreconditionFailed", "NoSuchKey"):
                # The answer as a whole is a success, so the client raises nothing.
                raise ClientError(
                    {"Error": {"Code": error.get("Code", "unknown"), "Message": error.get("Message", "")}},
                    "DeleteObjects",
                )
    return [each for each in found if each["Key"] not in failed]
