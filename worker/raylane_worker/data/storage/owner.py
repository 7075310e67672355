"""Names the account that must own a bucket in every request about it, so that no other account gets or gives data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from types_aiobotocore_s3 import S3Client

    from raylane_common.settings import StorageSettings

_HEADER: Final = "x-amz-expected-bucket-owner"


def name_owner(client: S3Client, storage: StorageSettings) -> None:
    """Makes the `client` name the owner in all its requests, and in the addresses that it signs, if the settings do.

    This is so for the buckets of the deployment. Objects that are read in place may be in buckets of other accounts.
    """

    # Any: the arguments of any operation.
    def add_owner(params: dict[str, Any], model: OperationModel, **_: object) -> None:
        owner = owner_of(str(params.get("Bucket")), storage)
        known = model.input_shape.members if model.input_shape else {}
        # `CreateBucket` has no such argument.
        if owner is None or "ExpectedBucketOwner" not in known:
            return
        params["ExpectedBucketOwner"] = owner
        if "CopySource" in params and params["CopySource"]["Bucket"] == params["Bucket"]:
            params["ExpectedSourceBucketOwner"] = owner

    client.meta.events.register("provide-client-params.s3", add_owner)


def owner_of(bucket: str, storage: StorageSettings) -> str | None:
    """Returns the account that must own the `bucket`; None if the settings name none for it."""
    return storage.bucket_owner if bucket in (storage.bucket, *storage.allowed_buckets) else None


def signed_headers(bucket: str, storage: StorageSettings) -> dict[str, str]:
    """Returns the headers with which a signed address must be used."""
    owner = owner_of(bucket, storage)
    return {_HEADER: owner} if owner else {}
