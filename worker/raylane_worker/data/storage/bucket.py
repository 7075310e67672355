"""A bucket and the client that reaches it: what all requests to S3 share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from raylane_common.errors import (
    BucketNotFound,
    StorageCredentials,
    StorageDenied,
    StorageRejected,
    StorageThrottled,
    StorageUnavailable,
)
from raylane_common.telemetry.definitions import S3_RECEIVED
from raylane_common.telemetry.metrics import NO_METRICS
from raylane_worker.data.aws import Service, aws_call, deadline_s
from raylane_worker.data.storage.owner import signed_headers

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from types_aiobotocore_s3 import S3Client

    from raylane_common.settings import AwsSettings, StorageSettings
    from raylane_common.telemetry.metrics import Metrics

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
GONE: Final = frozenset({"NoSuchKey", "404"})
"""The codes with which S3 says that a key has no object."""


class WriteOptions(TypedDict, total=False):
    """Arguments of `put_object` and `create_multipart_upload`. None of them is an ACL, which many buckets refuse."""

    ServerSideEncryption: Literal["AES256", "aws:kms", "aws:kms:dsse"]
    SSEKMSKeyId: str


@dataclass(frozen=True)
class Bucket:
    """A bucket and the client that reaches it, with the settings of both."""

    client: S3Client
    storage: StorageSettings
    aws: AwsSettings
    metrics: Metrics = NO_METRICS

    @property
    def name(self) -> str:
        """The name of the bucket."""
        return self.storage.bucket

    @property
    def write_options(self) -> WriteOptions:
        """The arguments of every request that creates an object."""
        options: WriteOptions = {}
        if self.storage.encryption:
            options["ServerSideEncryption"] = self.storage.encryption
        if self.storage.kms_key_id:
            options["SSEKMSKeyId"] = self.storage.kms_key_id
        return options

    @property
    def signed_headers(self) -> dict[str, str]:
        """The headers of every request with a signed address."""
        return signed_headers(self.name, self.storage)

    def received(self, data: bytes) -> None:
        """Counts bytes of an object that were read."""
        self.metrics.add(S3_RECEIVED, "GetObject", by=len(data))

    def call(self, action: str, size_bytes: int = 0) -> AbstractAsyncContextManager[None]:
        """Turns what the client raises inside the block into errors that say what could not be done: the `action`.

        Also limits the time of the block, which transfers `size_bytes`.
        """
        return aws_call(S3, action, deadline_s(self.aws, size_bytes))
