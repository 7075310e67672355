"""Opens the client of S3, or of another server with the same API, and writes objects that are in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self

from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from raylane_common.telemetry.metrics import NO_METRICS
from raylane_worker.data.aws import OPEN_S, aws_call, client_arguments, error_code
from raylane_worker.data.aws.counted import count_calls
from raylane_worker.data.aws.spans import traced_session
from raylane_worker.data.layout import session_prefix
from raylane_worker.data.storage.bucket import S3, Bucket
from raylane_worker.data.storage.downloads import Downloads
from raylane_worker.data.storage.files import Files
from raylane_worker.data.storage.listed import pages_below
from raylane_worker.data.storage.ordered_put import in_order
from raylane_worker.data.storage.outputs import Outputs
from raylane_worker.data.storage.owner import name_owner
from raylane_worker.data.storage.purge import Purged, delete_below
from raylane_worker.data.storage.scripts import Scripts
from raylane_worker.data.storage.transfers import Transfers
from raylane_worker.data.storage.trial import try_out

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
    from types import TracebackType

    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import ObjectTypeDef

    from raylane_common.settings import AwsSettings, StorageSettings
    from raylane_common.telemetry.metrics import Metrics
    from raylane_worker.data.storage.ordered_put import Condition
    from raylane_worker.data.target import Target


class Storage:
    """One bucket over one S3 client: an async context manager.

    Opening it and every method raise `StorageUnavailable` if S3 does not answer in time or has a temporary failure, and
    `StorageRejected`, which says what to change, if S3 refuses the request.
    """

    def __init__(self, settings: StorageSettings, aws: AwsSettings, metrics: Metrics = NO_METRICS) -> None:
        """`metrics` counts the requests and the bytes."""
        self._settings = settings
        self._aws = aws
        self._metrics = metrics
        self._stack = AsyncExitStack()
        self._bucket: Bucket
        self._signer: S3Client
        self.files: Files
        """Writes and reads files of any size."""
        self.transfers: Transfers
        """The files that producers send in parts."""
        self.outputs: Outputs
        """What runs wrote."""
        self.downloads: Downloads
        """The files that producers download."""
        self.scripts: Scripts
        """What warm runs wait for."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            async with aws_call(S3, "open the S3 client", OPEN_S):
                client = signer = await stack.enter_async_context(_client(self._aws, self._settings))
                count_calls(client, self._metrics)
                if self._aws.public_endpoint_url is not None:
                    reached = self._aws.model_copy(update={"endpoint_url": self._aws.public_endpoint_url})
                    signer = await stack.enter_async_context(_client(reached, self._settings))
            self._use(client, signer)
            if self._settings.create_bucket:
                await self._create_bucket()
            self._stack = stack.pop_all()
        return self

    def _use(self, client: S3Client, signer: S3Client) -> None:
        self._signer = signer
        self._bucket = Bucket(client, self._settings, self._aws, self._metrics)
        self.files, self.transfers = Files(self._bucket), Transfers(self._bucket, signer)
        self.outputs = Outputs(self._bucket)
        self.downloads = Downloads(self._bucket, signer)
        self.scripts = Scripts(self._bucket)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return self._settings.bucket

    def at(self, bucket: str) -> Storage:
        """Returns another bucket over the same client, which is closed with this one."""
        if bucket == self.bucket:
            return self
        other = Storage(self._settings.model_copy(update={"bucket": bucket}), self._aws, self._metrics)
        other._use(self._bucket.client, self._signer)
        return other

    def uri(self, key: str) -> str:
        """Returns the object's URI as AWS's tools write it."""
        return f"s3://{self.bucket}/{key}"

    async def put(self, target: Target, data: bytes) -> None:
        """Writes or replaces the object atomically. S3 checks its SHA-256.

        Raises `Superseded` if a newer upload has written the object.
        """
        client, key, order = self._bucket.client, target.key, target.order
        digest = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())

        async def write(condition: Condition) -> None:
            await client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=data,
                ContentType=target.content_type,
                ChecksumSHA256=base64.b64encode(digest).decode(),
                Metadata=order.metadata,
                **self._bucket.write_options,
                **condition,
            )

        async with self._bucket.call(f"write {self.bucket}/{key}", len(data)):
            await in_order(client, self.bucket, key, order, write)

    async def trial(self, name: str) -> None:
        """Writes, reads and deletes a small object called `name`."""
        await try_out(self._bucket, name)

    def pages_below(self, prefix: str) -> AsyncGenerator[Sequence[ObjectTypeDef]]:
        """Yields the objects whose keys begin with `prefix`, in pages, each of which is one request."""
        return pages_below(self._bucket, prefix)

    async def purge(self, session_id: str, kept: Callable[[], Awaitable[Collection[str]]]) -> Purged:
        """Deletes all objects of a session but the `kept` ones. Safe to repeat.

        `kept` returns their keys. It is called for each page of objects, after these were listed.
        """
        return await delete_below(self._bucket, session_prefix(session_id), kept)

    async def _create_bucket(self) -> None:
        client = self._bucket.client
        async with self._bucket.call(f"create bucket {self.bucket}"):
            # Checked first, so that an existing bucket needs no permission to create one.
            if await self._bucket_exists():
                return
            try:
                region = client.meta.region_name
                if region in ("us-east-1", "aws-global"):
                    await client.create_bucket(Bucket=self.bucket)
                else:
                    await client.create_bucket(
                        Bucket=self.bucket,
                        CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]  # the stubs list today's regions
                    )
            except ClientError as error:
                # Another worker created the bucket at the same moment.
                if error_code(error) != "BucketAlreadyOwnedByYou":
                    raise

    async def _bucket_exists(self) -> bool:
        try:
            await self._bucket.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchBucket"):
                return False
            raise
        return True


@asynccontextmanager
async def _client(aws: AwsSettings, storage: StorageSettings) -> AsyncIterator[S3Client]:
    arguments = client_arguments(aws, storage.addressing_style)
    # Without it, botocore signs addresses for other endpoints with the old version 2, which newer servers refuse.
    arguments["config"] = arguments["config"].merge(AioConfig(signature_version="s3v4"))
    async with traced_session().create_client("s3", **arguments) as client:
        name_owner(client, storage)
        yield client
