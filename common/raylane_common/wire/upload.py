"""`upload` jobs: a user's CSV becomes an object on S3 and a source of the session."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from raylane_common.limits import MAX_STAGED_BYTES, SHA256_PATTERN
from raylane_common.rules import Filename
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.sources import Column

__all__ = ["UploadRequest", "UploadResult"]


class UploadRequest(BaseRequest):
    """Put a CSV on S3 and add it to the session's sources. Its bytes are staged in their own key, not in the record."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD

    filename: Filename
    size_bytes: int = Field(ge=1, le=MAX_STAGED_BYTES)
    sha256: Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]


class UploadResult(BaseResult):
    """Where the CSV is and what it holds. `preview` is the first 5 records after the header, with cells as text."""

    type: Literal["upload"] = "upload"
    s3_uri: str
    bucket: str
    key: str
    bytes: int
    rows: int
    columns: tuple[Column, ...]
    preview: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()


def _describe(payload: Payload) -> str:
    return text(payload, "filename")


KIND: Final = Kind(
    name=JobKind.UPLOAD,
    lane=Lane.UPLOAD,
    requests=(UploadRequest,),
    results=(UploadResult,),
    describe=_describe,
    stages_body=True,
)
