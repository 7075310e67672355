"""Writes an object of an upload unless a newer upload has written it: the order is that of enqueueing.

An attempt of an older upload may be retried, or come back from a long pause, after a newer one has ended. Each writer
therefore stores its order with the object, and writes on a condition that S3 checks: the object does not exist, or is
the one whose order was looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypedDict, TypeVar

from botocore.exceptions import ClientError

from raylane_common.errors import StorageUnavailable
from raylane_worker.data.aws import error_code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

# The name of the order in the object's metadata.
_ORDER: Final = "raylane-order"
_WRITTEN: Final = re.compile(r"([0-9]{1,16})-([A-Za-z0-9_-]{1,64})")
# The object changed after it was looked at, or another request for it was on its way.
_CHANGED: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
# Each further try means that yet another writer came between.
_TRIES: Final = 10


class Order(NamedTuple):
    """The place of an upload among all uploads of a session, by when it was enqueued: epoch microseconds and job id."""

    enqueued_us: int
    job_id: str

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of every object that the upload writes."""
        return {_ORDER: f"{self.enqueued_us}-{self.job_id}"}

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Self | None:
        """Returns the order in an object's metadata; None if another program wrote the object."""
        found = _WRITTEN.fullmatch(metadata.get(_ORDER, ""))
        return cls(int(found[1]), found[2]) if found else None


class Condition(TypedDict, total=False):
    """What S3 checks before it writes: arguments of `put_object` and `complete_multipart_upload`."""

    IfMatch: str
    IfNoneMatch: str


class Superseded(Exception):
    """A newer upload has written the object."""

    def __init__(self, newer: Order) -> None:
        """`newer` is the order that the object has."""
        super().__init__(newer)
        self.newer = newer


async def condition_for(client: S3Client, bucket: str, key: str, order: Order) -> Condition:
    """Returns the condition on which an upload with this order may write the object `key` of the `bucket`.

    Raises `Superseded` if a newer upload has written it, and what the `client` raises.
    """
    try:
        found = await client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchKey"):
            return {"IfNoneMatch": "*"}
        raise
    written_by = Order.of(found["Metadata"])
    # The same job continues its own write, even if its order is not known exactly any more.
    if written_by is not None and written_by > order and written_by.job_id != order.job_id:
        raise Superseded(written_by)
    return {"IfMatch": found["ETag"]}


async def in_order(
    client: S3Client, bucket: str, key: str, order: Order, write: Callable[[Condition], Awaitable[T]]
) -> T:
    """Calls `write` with the condition that it must pass on to S3, until no other writer comes between.

    `write` stores `order.metadata` with the object `key` of the `bucket`. First it gets the condition that the object
    does not exist, so a new object costs no look. Raises `Superseded` if a newer upload has written the object,
    `StorageUnavailable` if there are too many other writers, and what `write` and the `client` raise.
    """
    condition: Condition = {"IfNoneMatch": "*"}
    for _ in range(_TRIES):
        try:
            return await write(condition)
        except ClientError as error:
            # With `IfMatch`, an object that was deleted meanwhile is not found.
            if error_code(error) not in _CHANGED and not (error_code(error) == "NoSuchKey" and "IfMatch" in condition):
                raise
        condition = await condition_for(client, bucket, key, order)
    raise StorageUnavailable(
        f"{bucket}/{key} was changed by others {_TRIES} times while it was written",
        details={"service": "s3", "cause": "conflict"},
    )
