"""Asks STS whose credentials the worker has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import StorageCredentials, StorageRejected, StorageUnavailable
from raylane_worker.data.aws import Service, aws_call, client_arguments, deadline_s
from raylane_worker.data.aws.spans import traced_session

if TYPE_CHECKING:
    from raylane_common.settings import AwsSettings

_STS: Final = Service("sts", StorageUnavailable, StorageRejected, {"credentials": StorageCredentials})


async def caller_identity(aws: AwsSettings) -> str:
    """Returns the ARN of the user or role. Raises a `StorageError`."""
    async with (
        aws_call(_STS, "ask who the worker is", deadline_s(aws)),
        traced_session().create_client("sts", **client_arguments(aws)) as client,
    ):
        return str((await client.get_caller_identity())["Arn"])
