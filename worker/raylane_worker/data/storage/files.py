"""Writes files of any size to S3 in parts, reads them into files, and lets S3 copy them. Memory holds a few parts."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import ClientError

from raylane_common.backoff import Backoff
from raylane_common.errors import RaylaneError, StorageRejected, StorageUnavailable
from raylane_common.logs import get_logger
from raylane_worker.data.aws import error_code
from raylane_worker.data.layout import part_size
from raylane_worker.data.storage.bucket import GONE
from raylane_worker.data.storage.ordered_put import condition_for, in_order
from raylane_worker.data.storage.uploads import abort

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from raylane_worker.data.storage.bucket import Bucket, Put
    from raylane_worker.data.storage.ordered_put import Condition
    from raylane_worker.data.target import Target

logger = get_logger("raylane.worker")

# Two of these are in memory at once.
_PART_BYTES: Final = 16 * 1024 * 1024
_PARTS_AT_ONCE: Final = 2
# S3 takes some seconds to copy one of these.
_COPIED_BYTES: Final = 256 * 1024 * 1024
_COPIES_AT_ONCE: Final = 4
_READ_BYTES: Final = 1024 * 1024
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0


class Download(NamedTuple):
    """What was read. The SHA-256 is '' if the object has another size than expected, and was not read."""

    size_bytes: int
    sha256: str


class Files:
    """The objects of a bucket as files. Every method raises `StorageUnavailable` or `StorageRejected`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @asynccontextmanager
    async def sent(self, target: Target, path: Path) -> AsyncIterator[Put]:
        """Sends the content of the file `path`. What it yields makes it the object, in place of an earlier one.

        Nothing is left on S3 if the block ends without that. Raises `Superseded`, and so does what it yields.
        """
        size_bytes = (await asyncio.to_thread(path.stat)).st_size
        part_bytes = part_size(size_bytes, _PART_BYTES)

        async def write_part(upload_id: str, number: int) -> str:
            data = await asyncio.to_thread(_read_at, path, (number - 1) * part_bytes, part_bytes)
            async with self._bucket.call(f"write part {number} of {self._bucket.name}/{target.key}", len(data)):
                answer = await self._bucket.client.upload_part(
                    Bucket=self._bucket.name, Key=target.key, UploadId=upload_id, PartNumber=number, Body=data
                )
            return answer["ETag"]

        # An empty file has one part, too.
        count = max(1, -(-size_bytes // part_bytes))
        async with self._in_parts(target, count, write_part, at_once=_PARTS_AT_ONCE) as put:
            yield put

    @asynccontextmanager
    async def copied(self, target: Target, source: str, size_bytes: int) -> AsyncIterator[Put | None]:
        """Copies the object `source`, which has `size_bytes` bytes. Yields None if there is none; else as in `sent`.

        S3 copies it itself, so no bytes are transferred.
        """
        part_bytes = part_size(size_bytes, _COPIED_BYTES)

        async def copy_part(upload_id: str, number: int) -> str:
            first = (number - 1) * part_bytes
            last = min(first + part_bytes, size_bytes) - 1
            async with self._bucket.call(f"copy {self._bucket.name}/{source} to {target.key}", last - first):
                answer = await self._bucket.client.upload_part_copy(
                    Bucket=self._bucket.name,
                    Key=target.key,
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySource={"Bucket": self._bucket.name, "Key": source},
                    CopySourceRange=f"bytes={first}-{last}",
                )
            return answer["CopyPartResult"]["ETag"]

        count = -(-size_bytes // part_bytes)
        put: Put | None = None
        async with AsyncExitStack() as stack:
            try:
                copying = self._in_parts(target, count, copy_part, at_once=_COPIES_AT_ONCE)
                put = await stack.enter_async_context(copying)
            except StorageRejected as error:
                if error.details.get("aws_code") not in GONE:
                    raise
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
                self._bucket.received(piece)
                # One hop to a thread for each megabyte, not for each packet.
                gathered += piece
                if gathered and (not piece or len(gathered) >= _READ_BYTES):
                    yield bytes(gathered)
                    gathered.clear()
                if not piece:
                    return

    @asynccontextmanager
    async def _in_parts(
        self, target: Target, count: int, write: Callable[[str, int], Awaitable[str]], *, at_once: int
    ) -> AsyncIterator[Put]:
        """Writes `count` parts, and yields what makes them the object. Nothing is left of them without that.

        `write` takes the id of the upload and the number of a part, writes that part, and returns its ETag.
        """
        client, name, key, order = self._bucket.client, self._bucket.name, target.key, target.order
        async with self._bucket.call(f"start to write {name}/{key}"):
            started = await client.create_multipart_upload(
                Bucket=name,
                Key=key,
                ContentType=target.content_type,
                Metadata=order.metadata,
                **self._bucket.write_options,
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
            if target.replaces:
                # Looked at now, so that the last step is one request.
                async with self._bucket.call(f"look at {name}/{key}"):
                    known = await condition_for(client, name, key, order)
            yield put
        finally:
            if not is_complete:
                await self._abort(key, upload_id)

    async def _abort(self, key: str, upload_id: str) -> None:
        try:
            await abort(self._bucket, key, upload_id)
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
