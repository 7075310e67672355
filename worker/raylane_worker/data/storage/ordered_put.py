"""Writes an object of an upload unless a newer upload has written it: the order is that of enqueueing.

An attempt of an older upload may be retried, or come back from a long pause, after a newer one has ended. Each writer
therefore stores its order with the object, and writes on a condition that S3 checks: the object does not exist, or is
the one whose order was looked at. See docs/decisions/0034.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict, TypeVar

from botocore.exceptions import ClientError

from raylane_common.errors import StorageUnavailable
from raylane_worker.data.aws import error_code
from raylane_worker.data.storage.bucket import GONE
from raylane_worker.data.upload_order import Order as Order
from raylane_worker.data.upload_order import Superseded as Superseded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

# The object is not the one that was looked at.
_CHANGED: Final = frozenset({"PreconditionFailed", "412"})
# Each further try means that another writer was faster.
_TRIES: Final = 10


class Condition(TypedDict, total=False):
    """What S3 checks before it writes: arguments of `put_object` and `complete_multipart_upload`."""

    IfMatch: str
    IfNoneMatch: str


async def condition_for(client: S3Client, bucket: str, key: str, order: Order) -> Condition:
    """Returns the condition on which an upload with this order may write the object `key` of the `bucket`.

    Raises `Superseded` if a newer upload has written it, and what the `client` raises.
    """
    try:
        found = await client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in GONE:
            return {"IfNoneMatch": "*"}
        raise
    written_by = Order.of(found["Metadata"])
    # The same job continues its own write, even if its order is not known exactly any more.
    if written_by is not None and written_by > order and written_by.job_id != order.job_id:
        raise Superseded(written_by)
    return {"IfMatch": found["ETag"]}


async def in_order(
    client: S3Client,
    bucket: str,
    key: str,
    order: Order,
    write: Callable[[Condition], Awaitable[T]],
    condition: Condition | None = None,
) -> T:
    """Calls `write` with the condition that it must pass on to S3, until no other writer comes between.

    `write` stores `order.metadata` with the object `key` of the `bucket`. First it gets the given `condition`, or the
    one that the object does not exist, so a new object costs no look. Raises `Superseded` if a newer upload has written
    the object, `StorageUnavailable` if there are too many other writers, and what `write` and the `client` raise.
    """
    condition = condition or {"IfNoneMatch": "*"}
    for _ in range(_TRIES):
        try:
            return await write(condition)
        except ClientError as error:
            # With `IfMatch`, an object that was deleted meanwhile is not found.
            if error_code(error) not in _CHANGED and not (error_code(error) == "NoSuchKey" and "IfMatch" in condition):
                raise
        condition = await condition_for(client, bucket, key, order)
    raise StorageUnavailable(
        f"other uploads changed {bucket}/{key} {_TRIES} times while it was being written",
        details={"service": "s3", "cause": "conflict"},
    )
