"""Which objects of S3 a session may read in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import InvalidRequest
from raylane_worker.data.layout import SESSIONS, TRANSFERS

if TYPE_CHECKING:
    from raylane_common.settings import StorageSettings


def check_readable(s3_uri: str, storage: StorageSettings) -> tuple[str, str]:
    """Returns bucket and key of an object that sessions may read.

    The key is compared as it is written: nothing in it is decoded. Raises `InvalidRequest` if it is not below an entry
    of `storage.readable`, or belongs to a session.
    """
    bucket, _, key = s3_uri.removeprefix("s3://").partition("/")
    is_own = bucket in (storage.bucket, *storage.allowed_buckets)
    if is_own and key.startswith((SESSIONS, TRANSFERS)):
        raise InvalidRequest.field("s3_uri", f"{s3_uri} belongs to another session, and only that session may read it")
    if not any(_is_below(f"{bucket}/{key}", entry) for entry in storage.readable):
        raise InvalidRequest.field(
            "s3_uri", f"{s3_uri} may not be read; add its bucket or prefix to RAYLANE_STORAGE__READABLE of the workers"
        )
    return bucket, key


def _is_below(place: str, entry: str) -> bool:
    return place.startswith(entry if entry.endswith("/") else f"{entry}/")
