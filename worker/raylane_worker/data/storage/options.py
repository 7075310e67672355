"""The options of requests that check or change the bucket, and of those that create objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from raylane_common.settings import StorageSettings


class BucketOptions(TypedDict, total=False):
    """Arguments of requests that must not reach the bucket of another owner."""

    ExpectedBucketOwner: str


class WriteOptions(BucketOptions, total=False):
    """Arguments of `put_object` and `create_multipart_upload`. None of them is an ACL, which many buckets refuse."""

    ServerSideEncryption: Literal["AES256", "aws:kms", "aws:kms:dsse"]
    SSEKMSKeyId: str


def bucket_options(storage: StorageSettings) -> BucketOptions:
    """Returns what the settings say about the bucket."""
    return {"ExpectedBucketOwner": storage.bucket_owner} if storage.bucket_owner else {}


def write_options(storage: StorageSettings) -> WriteOptions:
    """Returns what the settings say about the bucket and the encryption of its objects."""
    options: WriteOptions = {}
    if storage.bucket_owner:
        options["ExpectedBucketOwner"] = storage.bucket_owner
    if storage.encryption:
        options["ServerSideEncryption"] = storage.encryption
    if storage.kms_key_id:
        options["SSEKMSKeyId"] = storage.kms_key_id
    return options
