"""Opens the client of S3, or of another server with the same API, and writes objects that are in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from raylane_worker.data.aws import OPEN_S, aws_call, client_arguments, deadline_s, error_code
from raylane_worker.data.storage_files import S3, Bucket, Files
from raylane_worker.data.storage_transfers import Transfers

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from types_aiobotocore_s3 import S3Client

    from raylane_common.settings import AwsSettings, StorageSettings


class Storage:
    """One bucket over one S3 client: an async context manager.

    Opening it and every method raise `StorageUnavailable` if S3 does not answer in time or has a temporary failure, and
    `StorageRejected`, which says what to change, if S3 refuses the request.
    """

    def __init__(self, settings: StorageSettings, aws: AwsSettings) -> None:
        self._settings = settings
        self._aws = aws
        self._stack = AsyncExitStack()
        self._client: S3Client
        self.files: Files
        """Writes and reads files of any size."""
        self.transfers: Transfers
        """The files that producers send in parts."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            async with aws_call(S3, "open the S3 client", OPEN_S):
                self._client = await stack.enter_async_context(_client(self._aws))
                signer = self._client
                if self._aws.public_endpoint_url is not None:
                    reached = self._aws.model_copy(update={"endpoint_url": self._aws.public_endpoint_url})
                    signer = await stack.enter_async_context(_client(reached))
            bucket = Bucket(self._client, self.bucket, deadline_s(self._aws), self._aws.max_tries)
            self.files, self.transfers = Files(bucket), Transfers(bucket, signer)
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
        """The name of the bucket."""
        return self._settings.bucket

    def uri(self, key: str) -> str:
        """Returns the object's URI as AWS's tools write it."""
        return f"s3://{self.bucket}/{key}"

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Writes or replaces the object `key` atomically. S3 checks its SHA-256.

        `content_type` is the media type that S3 stores with the object.
        """
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
            # Checked first, so that an existing bucket needs no permission to create one.
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
                # Another worker created the bucket at the same moment.
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

    def _call(self, action: str) -> AbstractAsyncContextManager[None]:
        return aws_call(S3, action, deadline_s(self._aws))


def _client(aws: AwsSettings) -> AbstractAsyncContextManager[S3Client]:
    arguments = client_arguments(aws)
    # Without it, botocore signs addresses for other endpoints with the old version 2, which newer servers refuse.
    arguments["config"] = arguments["config"].merge(AioConfig(signature_version="s3v4"))
    return get_session().create_client("s3", **arguments)
