"""`upload` jobs: a user's file becomes an object on S3 and a source of the session.

A large file does not travel through Redis: the producer sends its parts straight to S3, and gets the files of an answer
from there. See docs/decisions/0032 and 0037.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from raylane_common.errors import InvalidRequest
from raylane_common.limits import MAX_PARTS, MAX_STAGED_BYTES, MAX_UPLOAD_BYTES, NO_CONTROLS_PATTERN, SHA256_PATTERN
from raylane_common.model import Model
from raylane_common.rules import Filename, JobId, S3Uri, SessionId, Text, TransferId
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.checks import ChecksRequest, ChecksResult
from raylane_common.wire.reading import Reading, ReadingOptions
from raylane_common.wire.sources import Column, PreparedCopy

__all__ = [
    "AnyUploadRequest",
    "ChecksResult",
    "FileUrl",
    "PartUrl",
    "PreviewRequest",
    "PreviewResult",
    "PurgeRequest",
    "PurgeResult",
    "ReadInPlaceRequest",
    "ReadingOptions",
    "SignFilesRequest",
    "SignPartsRequest",
    "SignedFilesResult",
    "SignedPartsResult",
    "StartTransferRequest",
    "StoredPart",
    "TransferResult",
    "UploadChecksRequest",
    "UploadRequest",
    "UploadResult",
]

# One batch of addresses covers 1 GiB in parts of the usual size. Signing it takes a worker 30 ms.
MAX_SIGNED_PARTS: Final = 128
# An answer has few files, and a worker looks at each of them.
MAX_SIGNED_FILES: Final = 100

PartNumber = Annotated[int, Field(ge=1, le=MAX_PARTS)]
UploadId = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=NO_CONTROLS_PATTERN)]


class _GivenFile(BaseRequest):
    """A file. Its bytes are staged in a key of their own, not in the record, or they are the parts of a transfer."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD

    filename: Filename
    size_bytes: int = Field(ge=1, le=MAX_UPLOAD_BYTES)
    sha256: Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]
    reading: ReadingOptions = ReadingOptions()
    transfer_id: TransferId | None = Field(
        default=None, description="The transfer whose parts are the bytes; null if they are staged in Redis"
    )

    @model_validator(mode="after")
    def _fits_into_redis(self) -> Self:
        if self.transfer_id is None and self.size_bytes > MAX_STAGED_BYTES:
            problem = f"must not exceed {MAX_STAGED_BYTES} without a transfer_id"
            raise InvalidRequest.field("size_bytes", problem)
        return self


class UploadRequest(_GivenFile):
    """Put a file on S3 and add it to the session's sources."""

    action: Literal["upload"] = "upload"


class PreviewRequest(_GivenFile):
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


class StartTransferRequest(BaseRequest):
    """Start sending a file to S3 in parts, or find the parts that were sent before under the same id."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD
    needs_session: ClassVar[bool] = False

    action: Literal["start_transfer"] = "start_transfer"
    transfer_id: TransferId = Field(description="Chosen by the producer: the same for the same file, to continue it")
    filename: Filename
    size_bytes: int | None = Field(default=None, ge=1, le=MAX_UPLOAD_BYTES, description="null if it is not known yet")
    into_session: SessionId | None = Field(
        default=None, description="The session that must have room for the file; null for a preview"
    )


class SignPartsRequest(BaseRequest):
    """Sign addresses of further parts of a transfer, or new ones in place of those that have expired."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD
    needs_session: ClassVar[bool] = False

    action: Literal["sign_parts"] = "sign_parts"
    transfer_id: TransferId
    upload_id: UploadId
    numbers: tuple[PartNumber, ...] = Field(min_length=1, max_length=MAX_SIGNED_PARTS)


class SignFilesRequest(BaseRequest):
    """Sign the addresses of files of a job's answer, from which a producer can download them."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD
    needs_session: ClassVar[bool] = False

    action: Literal["sign_files"] = "sign_files"
    job_id: JobId = Field(description="The job whose answer has the files")
    of_session: SessionId = Field(description="The session that asks; it must be the session of that job")
    names: tuple[Text, ...] = Field(
        min_length=1, max_length=MAX_SIGNED_FILES, description="The names of the files, as the answer has them"
    )


class ReadInPlaceRequest(BaseRequest):
    """Add an object that is already on S3 to the session's sources. It is not copied."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD

    action: Literal["in_place"] = "in_place"
    s3_uri: S3Uri = Field(description="s3://bucket/key, not encoded; the worker says which may be read")
    filename: Filename = Field(description="Its name in the session")
    reading: ReadingOptions = ReadingOptions()


class PurgeRequest(BaseRequest):
    """Remove the session's sources, and delete everything on S3 that the session had when this was asked for."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD

    action: Literal["purge"] = "purge"


class PurgeResult(BaseResult):
    """What was deleted."""

    type: Literal["purge"] = "purge"
    sources: int = Field(description="Sources that the job removed; a reset has removed the others before")
    objects: int
    bytes: int
    uploads: int = Field(description="Uploads to S3 that were not complete")


class PartUrl(Model):
    """The address to which a producer sends one part. Whoever has it can write this part until it expires."""

    number: PartNumber
    url: str = Field(repr=False)
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers that the request must have, because they are signed",
        exclude_if=lambda value: not value,
    )


class StoredPart(Model):
    """A part that S3 already has."""

    number: PartNumber
    size_bytes: int
    etag: str = Field(description="Without quotes: the MD5 of the part in hexadecimal, unless S3 encrypts with KMS")


class FileUrl(Model):
    """The address of a file, and what it holds now. Whoever has the address can read the file until it expires."""

    name: str
    url: str = Field(repr=False)
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Headers that the request must have, because they are signed",
        exclude_if=lambda value: not value,
    )
    size_bytes: int
    etag: str = Field(default="", description="Without quotes: another one if the object is replaced; empty: unknown")


class SignedFilesResult(BaseResult):
    """Addresses of files, in the order of the request. They are valid for at least `valid_s` s after it was sent."""

    type: Literal["signed_files"] = "signed_files"
    files: tuple[FileUrl, ...]
    valid_s: int


class SignedPartsResult(BaseResult):
    """Addresses of parts. They are valid for at least `valid_s` seconds after the request was sent."""

    type: Literal["signed_parts"] = "signed_parts"
    urls: tuple[PartUrl, ...]
    valid_s: int


class TransferResult(BaseResult):
    """How to send the parts, which of them S3 already has, and the addresses of the next ones."""

    type: Literal["transfer"] = "transfer"
    upload_id: str
    part_bytes: int = Field(description="Size of every part but the last")
    stored: tuple[StoredPart, ...] = ()
    urls: tuple[PartUrl, ...]
    valid_s: int


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


class UploadChecksRequest(ChecksRequest):
    """Look at S3, the catalog and the credentials."""

    kind: ClassVar[JobKind] = JobKind.UPLOAD


AnyUploadRequest = (
    UploadRequest
    | PreviewRequest
    | StartTransferRequest
    | SignPartsRequest
    | SignFilesRequest
    | PurgeRequest
    | ReadInPlaceRequest
    | UploadChecksRequest
)
AnyUploadResult = (
    UploadResult | PreviewResult | TransferResult | SignedPartsResult | SignedFilesResult | PurgeResult | ChecksResult
)


def _describe(payload: Payload) -> str:
    return text(payload, "filename", "transfer_id", "job_id")


KIND: Final = Kind(
    name=JobKind.UPLOAD,
    lane=Lane.UPLOAD,
    requests=get_args(AnyUploadRequest),
    results=get_args(AnyUploadResult),
    describe=_describe,
    stages_body=True,
    default_action="upload",
)
