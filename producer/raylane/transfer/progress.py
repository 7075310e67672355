"""The progress of an upload or a download."""

from __future__ import annotations

from typing import NamedTuple


class UploadProgress(NamedTuple):
    """How much of an upload is on S3. `total_bytes` is None if the size is known only at the end.

    Of the `sent_bytes`, an earlier call that was interrupted had sent `resumed_bytes`.
    """

    sent_bytes: int
    total_bytes: int | None
    resumed_bytes: int = 0


class DownloadProgress(NamedTuple):
    """How much of a download is written."""

    received_bytes: int
    total_bytes: int
