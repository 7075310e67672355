"""Writes files of any size to S3 in parts, reads them into files, and lets S3 copy them. Memory holds a few parts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import ClientError

from raylane_common.backoff import Backoff
from raylane_common.errors import (
    BucketNotFound,
    RaylaneError,
    StorageCredentials,
    StorageDenied,
    StorageRejected,
    StorageThrottled,
    StorageUnavailable,
)
from raylane_common.logs import get_logger
from raylane_worker.data.aws import Service, aws_call, deadline_s, error_code
from raylane_worker.data.layout import GONE, part_size
from raylane_worker.data.storage.options import bucket_options, write_options
from raylane_worker.data.storage.ordered_put import condition_for, in_order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from types_aiobotocore_s3 import S3Client

    from raylane_common.settings import AwsSettings, StorageSettings
    from raylane_worker.data.storage.options import BucketOptions, WriteOptions
    from raylane_worker.data.storage.ordered_put import Condition, Order

logger = get_logger("raylane.worker")

Put = Callable[[], Awaitable[None]]
"""Makes what was sent an object, in one step."""

S3: Final = Service(
    "s3",
    StorageUnavailable,
    StorageRejected,
    {
        "no_bucket": BucketNotFound,
        "denied": StorageDenied,
        "credentials": StorageCredentials,
        "throttled": StorageThrottled,
    },
)
# Two of these are in memory at once.
_PART_BYTES: Final = 16 * 1024 * 1024
_PARTS_AT_ONCE: Final = 2
# S3 takes some seconds to copy one of these.
_COPIED_BYTES: Final = 256 * 1024 * 1024
_COPIES_AT_ONCE: Final = 4
_READ_BYTES: Final = 1024 * 1024
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0


@dataclass(frozen=True)
class Bucket:
    """A bucket and the client that reaches it, with the settings of both."""

    client: S3Client
    storage: StorageSettings
    aws: AwsSettings

    @property
    def name(self) -> str:
        """The name of the bucket."""
        return self.storage.bucket

    @property
    def options(self) -> BucketOptions:
        """The arguments of requests that must not reach the bucket of another owner."""
        return bucket_options(self.storage)

    @property
    def write_options(self) -> WriteOptions:
        """The arguments of every request that creates an object."""
        return write_options(self.storage)

    def call(self, action: str, size_bytes: int = 0) -> AbstractAsyncContextManager[None]:
        """Turns what the client raises inside the block into errors that say what could not be done: the `action`.

        Also limits the time of the block, which transfers `size_bytes`.
        """
        return aws_call(S3, action, deadline_s(self.aws, size_bytes))


class Download(NamedTuple):
    """What was read. The SHA-256 is '' if the object has another size than expected, and was not read."""

    size_bytes: int
    sha256: str


class Files:
    """The objects of a bucket as files. Every method raises `StorageUnavailable` or `StorageRejected`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @asynccontextmanager
    async def sent(
        self, key: str, path: Path, *, content_type: str, order: Order, replaces: bool
    ) -> AsyncIterator[Put]:
        """Sends the content of the file `path`. What it yields makes it the object `key`, in place of an earlier one.

        Nothing is left on S3 if the block ends without that. `replaces` says that there may be an earlier one; `order`
        is as in `Storage.put`. Raises `Superseded`, and so does what it yields.
        """
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        part_bytes = part_size(size_bytes, _PART_BYTES)

        async def write_part(upload_id: str, number: int) -> str:
            data = await asyncio.to_thread(_read_at, path, (number - 1) * part_bytes, part_bytes)
            async with self._bucket.call(f"write part {number} of {self._bucket.name}/{key}", len(data)):
                answer = await self._bucket.client.upload_part(
                    Bucket=self._bucket.name, Key=key, UploadId=upload_id, PartNumber=number, Body=data
                )
            return answer["ETag"]

        # An empty file has one part, too.
        count = max(1, -(-size_bytes // part_bytes))
        async with self._in_parts(key, count, write_part, content_type, order, replaces, at_once=_PARTS_AT_ONCE) as put:
            yield put

    @asynccontextmanager
    async def copied(
        self, source: str, key: str, size_bytes: int, *, content_type: str, order: Order, replaces: bool
    ) -> AsyncIterator[Put]:
        """Copies the object `source`, which has `size_bytes` bytes. The rest is as in `sent`.

        S3 copies it itself, so no bytes are transferred.
        """
        part_bytes = part_size(size_bytes, _COPIED_BYTES)

        async def copy_part(upload_id: str, number: int) -> str:
            first = (number - 1) * part_bytes
            last = min(first + part_bytes, size_bytes) - 1
            async with self._bucket.call(f"copy {self._bucket.name}/{source} to {key}", last - first):
                answer = await self._bucket.client.upload_part_copy(
                    Bucket=self._bucket.name,
                    Key=key,
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySource={"Bucket": self._bucket.name, "Key": source},
                    CopySourceRange=f"bytes={first}-{last}",
                )
            return answer["CopyPartResult"]["ETag"]

        count = -(-size_bytes // part_bytes)
        async with self._in_parts(key, count, copy_part, content_type, order, replaces, at_once=_COPIES_AT_ONCE) as put:
            yield put

    async def size(self, key: str) -> int | None:
        """Returns the size of the object `key` in bytes, or None if there is none."""
        async with self._bucket.call(f"look at {self._bucket.name}/{key}"):
            try:
                found = await self._bucket.client.head_object(Bucket=self._bucket.name, Key=key)
            except ClientError as error:
                if error_code(error) in GONE:
                    return None
                raise
        return found["ContentLength"]

    async def read(self, key: str, path: Path, size_bytes: int) -> Download | None:
        """Writes the object `key` into the file `path`; returns its size and SHA-256, or None if there is no object.

        If it has another size than `size_bytes`, it is not read. A connection that breaks is continued where it broke,
        so compare the SHA-256: the object may have been replaced in between.
        """
        sha256, found_bytes = hashlib.sha256(), 0
        pauses, failures = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=1.0), 0
        with path.open("wb") as file:  # opening it takes no time

            def keep(data: bytes) -> None:
                file.write(data)
                sha256.update(data)

            while found_bytes < size_bytes:
                try:
                    async with aclosing(self._pieces(key, found_bytes, size_bytes)) as pieces:
                        async for data in pieces:
                            await asyncio.to_thread(keep, data)
                            found_bytes += len(data)
                            failures = 0
                except _OtherSize as other:
                    return Download(other.size_bytes, "")
                except StorageRejected as error:
                    if error.details.get("aws_code") in GONE:
                        return None
                    raise
                except StorageUnavailable:
                    failures += 1
                    if failures == self._bucket.aws.max_tries:
                        raise
                    await asyncio.sleep(pauses.nth_s(failures))
        return Download(found_bytes, sha256.hexdigest())

    async def _pieces(self, key: str, start: int, size_bytes: int) -> AsyncGenerator[bytes]:
        """Yields the object from the byte `start`. Raises `_OtherSize` if it is not `size_bytes` long."""
        action = f"read {self._bucket.name}/{key}"
        async with self._bucket.call(action):
            answer = await self._bucket.client.get_object(Bucket=self._bucket.name, Key=key, Range=f"bytes={start}-")
        async with answer["Body"] as body:
            if start + answer["ContentLength"] != size_bytes:
                raise _OtherSize(start + answer["ContentLength"])
            gathered = bytearray()
            while True:
                async with self._bucket.call(action):
                    piece = await body.read(_READ_BYTES)
                # One hop to a thread for each megabyte, not for each packet.
                gathered += piece
                if gathered and (not piece or len(gathered) >= _READ_BYTES):
                    yield bytes(gathered)
                    gathered.clear()
                if not piece:
                    return

    @asynccontextmanager
    async def _in_parts(
        self,
        key: str,
        count: int,
        write: Callable[[str, int], Awaitable[str]],
        content_type: str,
        order: Order,
        replaces: bool,
        *,
        at_once: int,
    ) -> AsyncIterator[Put]:
        """Writes `count` parts, and yields what makes them the object `key`. Nothing is left of them without that.

        `write` takes the id of the upload and the number of a part, writes that part, and returns its ETag.
        """
        client, name = self._bucket.client, self._bucket.name
        async with self._bucket.call(f"start to write {name}/{key}"):
            started = await client.create_multipart_upload(
                Bucket=name, Key=key, ContentType=content_type, Metadata=order.metadata, **self._bucket.write_options
            )
        upload_id, slots, is_complete = started["UploadId"], asyncio.Semaphore(at_once), False

        async def write_one(number: int) -> str:
            async with slots:
                return await write(upload_id, number)

        async def put() -> None:
            nonlocal is_complete

            async def complete(condition: Condition) -> None:
                await client.complete_multipart_upload(
                    Bucket=name,
                    Key=key,
                    UploadId=upload_id,
                    MultipartUpload={
                        "Parts": [{"PartNumber": part, "ETag": etag} for part, etag in enumerate(etags, 1)]
                    },
                    **condition,
                )

            async with self._bucket.call(f"complete {name}/{key}"):
                await in_order(client, name, key, order, complete, known)
            is_complete = True

        try:
            try:
                async with asyncio.TaskGroup() as writing:
                    parts = [writing.create_task(write_one(number)) for number in range(1, count + 1)]
            except ExceptionGroup as group:
                raise group.exceptions[0] from group
            etags, known = [part.result() for part in parts], None
            if replaces:
                # Looked at now, so that the last step is one request.
                async with self._bucket.call(f"look at {name}/{key}"):
                    known = await condition_for(client, name, key, order)
            yield put
        finally:
            if not is_complete:
                await self._abort(key, upload_id)

    async def _abort(self, key: str, upload_id: str) -> None:
        try:
            async with self._bucket.call(f"abort the upload of {key}"):
                await self._bucket.client.abort_multipart_upload(Bucket=self._bucket.name, Key=key, UploadId=upload_id)
        except RaylaneError as error:
            # The sweep removes it later. What made the upload fail is raised.
            logger.warning("parts of %s are left on S3: %s", key, error)


class _OtherSize(Exception):
    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


def _read_at(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)
