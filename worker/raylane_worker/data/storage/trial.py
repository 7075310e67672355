"""Writes, reads and deletes a small object, with all that Raylane needs of a server for S3."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from raylane_common.errors import StorageRejected
from raylane_worker.data.layout import trial_key

if TYPE_CHECKING:
    from raylane_worker.data.storage.bucket import Bucket


async def try_out(bucket: Bucket, name: str) -> None:
    """Makes the trial with an object that no other trial has. Raises a `StorageError`.

    The object is deleted also if it cannot be read.
    """
    key, data = trial_key(name), name.encode()
    place = f"{bucket.name}/{trial_key('')}"  # without the name: workers of several lanes then say the same
    async with bucket.call(f"write {place}"):
        await bucket.client.put_object(
            Bucket=bucket.name,
            Key=key,
            Body=data,
            ContentType="text/plain",
            ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
            **bucket.write_options,
        )
    try:
        async with bucket.call(f"read {place}"):
            answer = await bucket.client.get_object(Bucket=bucket.name, Key=key)
            async with answer["Body"] as body:
                found = await body.read()
        if found != data:
            raise StorageRejected(f"s3 returned {len(found)} other bytes than were written to {place}; see its log")
        async with bucket.call(f"replace {place} only if it is the same"):
            await bucket.client.put_object(
                Bucket=bucket.name, Key=key, Body=data, IfMatch=answer["ETag"], **bucket.write_options
            )
    finally:
        async with bucket.call(f"delete {place}"):
            await bucket.client.delete_object(Bucket=bucket.name, Key=key)
