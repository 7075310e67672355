"""Objects on S3, or on whatever speaks its protocol."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from raylane_common.errors import StorageRejected, StorageUnavailable
from raylane_worker.data.aws import OPEN_S, Service, aws_call, client_arguments, deadline_s, error_code

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from types_aiobotocore_s3 import S3Client

    from raylane_common.settings import AwsSettings, StorageSettings

_S3: Final = Service("s3", StorageUnavailable, StorageRejected)


def csv_key(session_id: str, filename: str) -> str:
    """Where a session's upload of this name always goes."""
    return f"sessions/{session_id}/csv/{filename}"


class Storage:
    """One bucket over one S3 client: an async context manager.

    Every method and the opening raise `StorageUnavailable` if S3 does not answer in time or asks to be tried again,
    and `StorageRejected`, which names the setting, if it refuses.
    """

    def __init__(self, settings: StorageSettings, aws: AwsSettings) -> None:
        self._settings = settings
        self._aws = aws
        self._stack = AsyncExitStack()
        self._client: S3Client

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            async with aws_call(_S3, "open the S3 client", OPEN_S):
                client = get_session().create_client("s3", **client_arguments(self._aws))
                self._client = await stack.enter_async_context(client)
            if self._settings.create_bucket:
                await self._create_bucket()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def bucket(self) -> str:
        """The bucket that everything goes to."""
        return self._settings.bucket

    def uri(self, key: str) -> str:
        """The key as AWS's tools spell it."""
        return f"s3://{self.bucket}/{key}"

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Writes the object, or replaces it: all of it or nothing. S3 compares what arrived with a SHA-256 checksum."""
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
        async with self._call(f"write {self.bucket}/{key}"):
            await self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                ContentType=content_type,
                ChecksumSHA256=base64.b64encode(digest).decode(),
            )

    async def _create_bucket(self) -> None:
        async with self._call(f"create bucket {self.bucket}"):
            # A worker that may write objects need not be allowed to create a bucket that is there.
            if await self._bucket_exists():
                return
            try:
                region = self._client.meta.region_name
                if region in ("us-east-1", "aws-global"):
                    await self._client.create_bucket(Bucket=self.bucket)
                else:
                    await self._client.create_bucket(
                        Bucket=self.bucket,
                        CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]  # the stubs list today's regions
                    )
            except ClientError as error:
                # Another worker was faster.
                if error_code(error) != "BucketAlreadyOwnedByYou":
                    raise

    async def _bucket_exists(self) -> bool:
        try:
            await self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchBucket"):
                return False
            raise
        return True

    def _call(self, doing: str) -> AbstractAsyncContextManager[None]:
        return aws_call(_S3, doing, deadline_s(self._aws))
