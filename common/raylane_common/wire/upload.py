"""`upload` jobs: a user's file becomes an object on S3 and a source of the session."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, get_args

from pydantic import Field, StringConstraints

from raylane_common.limits import MAX_STAGED_BYTES, SHA256_PATTERN
from raylane_common.rules import Filename
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.reading import Reading, ReadingOptions
from raylane_common.wire.sources import Column, PreparedCopy

__all__ = ["AnyUploadRequest", "PreviewRequest", "PreviewResult", "ReadingOptions", "UploadRequest", "UploadResult"]


class _StagedFile(BaseRequest):
    """A file whose bytes are staged in their own key, not in the record."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD

    filename: Filename
    size_bytes: int = Field(ge=1, le=MAX_STAGED_BYTES)
    sha256: Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]
    reading: ReadingOptions = ReadingOptions()


class UploadRequest(_StagedFile):
    """Put a file on S3 and add it to the session's sources."""

    action: Literal["upload"] = "upload"


class PreviewRequest(_StagedFile):
    """Read a file and say how, without storing it."""

    needs_session: ClassVar[bool] = False

    action: Literal["preview"] = "preview"


class PreviewResult(BaseResult):
    """What a file holds and how it was read. `preview` is the first 5 rows, with cells as text.

    `reasons` says why an upload would write a prepared copy; it is empty if Ray can read the file itself.
    """

    type: Literal["preview"] = "preview"
    filename: str
    bytes: int
    rows: int
    reading: Reading
    reasons: tuple[str, ...] = ()
    columns: tuple[Column, ...]
    preview: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()


class UploadResult(BaseResult):
    """Where the file is and what it holds. `preview` is the first 5 rows, with cells as text."""

    type: Literal["upload"] = "upload"
    s3_uri: str
    bucket: str
    key: str
    bytes: int
    rows: int
    reading: Reading = Reading()
    prepared: PreparedCopy | None = None
    columns: tuple[Column, ...]
    preview: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()


AnyUploadRequest = UploadRequest | PreviewRequest
AnyUploadResult = UploadResult | PreviewResult


def _describe(payload: Payload) -> str:
    return text(payload, "filename")


KIND: Final = Kind(
    name=JobKind.UPLOAD,
    lane=Lane.UPLOAD,
    requests=get_args(AnyUploadRequest),
    results=get_args(AnyUploadResult),
    describe=_describe,
    stages_body=True,
)
