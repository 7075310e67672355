"""Signs the addresses from which producers download objects. See docs/decisions/0037."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from raylane_common.wire.upload import FileUrl
from raylane_worker.data.aws import error_code
from raylane_worker.data.storage.bucket import GONE

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

    from raylane_worker.data.storage.bucket import Bucket


class Downloads:
    """The objects of a bucket as producers get them. Its method raises `StorageUnavailable` or `StorageRejected`."""

    def __init__(self, bucket: Bucket, signer: S3Client) -> None:
        """`signer` signs addresses for the endpoint that producers reach."""
        self._bucket = bucket
        self._signer = signer

    async def sign(self, name: str, key: str, valid_s: int) -> FileUrl | None:
        """Returns the address with which anybody can read the object `key` for `valid_s` seconds; None if it is gone.

        `name` is what the file is called for the producer.
        """
        target = {"Bucket": self._bucket.name, "Key": key}
        async with self._bucket.call(f"look at {self._bucket.name}/{key}"):
            try:
                found = await self._bucket.client.head_object(Bucket=self._bucket.name, Key=key)
            except ClientError as error:
                if error_code(error) in GONE:
                    return None
                raise
        async with self._bucket.call("sign the address of a file"):
            url = await self._signer.generate_presigned_url("get_object", Params=target, ExpiresIn=valid_s)
        # A weak one, of a proxy, does not distinguish all objects, and is never taken as a condition.
        etag = "" if found["ETag"].startswith("W/") else found["ETag"].strip('"')
        return FileUrl(
            name=name, url=url, headers=self._bucket.signed_headers, size_bytes=found["ContentLength"], etag=etag
        )
