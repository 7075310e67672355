"""The files that producers send to S3 in parts. S3 itself remembers which parts it has; nothing else is stored.

See docs/decisions/0032.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from raylane_common.wire.upload import PartUrl, StoredPart
from raylane_worker.data.layout import SESSIONS, TRANSFERS, transfer_key
from raylane_worker.data.storage.uploads import abort, may_be_gone, uploads_below

if TYPE_CHECKING:
    from collections.abc import Iterable

    from types_aiobotocore_s3 import S3Client

    from raylane_worker.data.storage.bucket import Bucket
    from raylane_worker.data.storage.uploads import Upload


class Transfers:
    """The transfers of a bucket. Every method raises `StorageUnavailable` or `StorageRejected`."""

    def __init__(self, bucket: Bucket, signer: S3Client) -> None:
        """`signer` signs addresses for the endpoint that producers reach."""
        self._bucket = bucket
        self._signer = signer

    async def begin(self, transfer_id: str) -> tuple[str, list[StoredPart]]:
        """Returns the id of the upload to S3 of this transfer, and the parts that S3 has; begins it if it is new."""
        key = transfer_key(transfer_id)
        for known in await self._uploads_of(transfer_id):
            if (parts := await self._parts(known)) is not None:
                return known.id, parts
        async with self._bucket.call(f"start to write {self._bucket.name}/{key}"):
            started = await self._bucket.client.create_multipart_upload(
                Bucket=self._bucket.name, Key=key, **self._bucket.write_options
            )
        return started["UploadId"], []

    async def sign(self, transfer_id: str, upload_id: str, numbers: Iterable[int], valid_s: int) -> tuple[PartUrl, ...]:
        """Returns an address for each part, with which anybody can write this part for `valid_s` seconds."""
        headers = self._bucket.signed_headers
        target = {"Bucket": self._bucket.name, "Key": transfer_key(transfer_id), "UploadId": upload_id}
        signed = []
        async with self._bucket.call("sign the addresses of parts"):
            for number in numbers:
                url = await self._signer.generate_presigned_url(
                    "upload_part", Params=target | {"PartNumber": number}, ExpiresIn=valid_s
                )
                signed.append(PartUrl(number=number, url=url, headers=headers))
                # Signing is computation: other jobs get their turn.
                await asyncio.sleep(0)
        return tuple(signed)

    async def put_together(self, transfer_id: str, size_bytes: int) -> None:
        """Makes an object of the transfer's parts if they are there. An earlier call may have done so.

        The parts are the first ones whose sizes add up to `size_bytes`.
        """
        for upload in await self._uploads_of(transfer_id):
            parts = await self._parts(upload) or []
            ends = list(accumulate(part.size_bytes for part in parts))
            in_order = [part.number for part in parts] == list(range(1, len(parts) + 1))
            if not in_order or size_bytes not in ends:
                continue
            chosen = parts[: ends.index(size_bytes) + 1]
            async with self._bucket.call(f"complete {self._bucket.name}/{upload.key}"), may_be_gone():
                await self._bucket.client.complete_multipart_upload(
                    Bucket=self._bucket.name,
                    Key=upload.key,
                    UploadId=upload.id,
                    MultipartUpload={
                        "Parts": [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in chosen]
                    },
                )
            return

    async def drop(self, transfer_id: str) -> None:
        """Removes everything of the transfer from S3. It may be gone already."""
        for upload in await self._uploads_of(transfer_id):
            await abort(self._bucket, upload.key, upload.id)
        await self._delete(transfer_key(transfer_id))

    async def sweep(self, abandoned_s: float) -> int:
        """Removes what nobody has continued for `abandoned_s` seconds; returns how many files that was.

        These are transfers, and the files of workers that died while they wrote them.
        """
        latest, removed = datetime.now(UTC) - timedelta(seconds=abandoned_s), 0
        for prefix in (TRANSFERS, SESSIONS):
            for upload in await uploads_below(self._bucket, prefix):
                if await self._last_change(upload) < latest:
                    await abort(self._bucket, upload.key, upload.id)
                    removed += 1
        for key, modified in await self._objects(TRANSFERS):
            if modified < latest:
                await self._delete(key)
                removed += 1
        return removed

    async def _uploads_of(self, transfer_id: str) -> list[Upload]:
        key = transfer_key(transfer_id)
        return [upload for upload in await uploads_below(self._bucket, key) if upload.key == key]

    async def _parts(self, upload: Upload) -> list[StoredPart] | None:
        """Returns the parts that S3 has; None if the upload was completed or aborted since it was listed."""
        found: list[StoredPart] | None = None
        pages = self._bucket.client.get_paginator("list_parts")
        async with self._bucket.call(f"list the parts of {self._bucket.name}/{upload.key}"), may_be_gone():
            listed = [
                StoredPart(number=part["PartNumber"], size_bytes=part["Size"], etag=part["ETag"].strip('"'))
                async for page in pages.paginate(Bucket=self._bucket.name, Key=upload.key, UploadId=upload.id)
                for part in page.get("Parts", ())
            ]
            found = listed
        return found

    async def _last_change(self, upload: Upload) -> datetime:
        """Returns when its last part was written, or when it began if it has none."""
        latest = upload.began
        pages = self._bucket.client.get_paginator("list_parts")
        async with self._bucket.call(f"list the parts of {self._bucket.name}/{upload.key}"), may_be_gone():
            async for page in pages.paginate(Bucket=self._bucket.name, Key=upload.key, UploadId=upload.id):
                latest = max([latest, *(part["LastModified"] for part in page.get("Parts", ()))])
        return latest

    async def _objects(self, prefix: str) -> list[tuple[str, datetime]]:
        found: list[tuple[str, datetime]] = []
        pages = self._bucket.client.get_paginator("list_objects_v2")
        async with self._bucket.call(f"list {self._bucket.name}/{prefix}"):
            async for page in pages.paginate(Bucket=self._bucket.name, Prefix=prefix):
                found += [(each["Key"], each["LastModified"]) for each in page.get("Contents", ())]
        return found

    async def _delete(self, key: str) -> None:
        async with self._bucket.call(f"delete {self._bucket.name}/{key}"):
            await self._bucket.client.delete_object(Bucket=self._bucket.name, Key=key)
