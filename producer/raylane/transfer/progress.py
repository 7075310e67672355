"""How far the sending of an upload is."""

from __future__ import annotations

from typing import NamedTuple


class UploadProgress(NamedTuple):
    """How much of an upload is on S3. `total_bytes` is None if the size is known only at the end.

    An earlier call that was interrupted had sent `resumed_bytes` of the `sent_bytes`.
    """

    sent_bytes: int
    total_bytes: int | None
    resumed_bytes: int = 0
