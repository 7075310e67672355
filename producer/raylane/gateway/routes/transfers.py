"""Uploads in parts: the client sends them straight to S3, by addresses that a worker signs.

The id of a transfer is a hash of the session and of the upload's id, so nobody reaches the parts of other sessions.
See docs/decisions/0032 and 0043.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, Gateway, GatewayDep
from raylane.gateway.enqueueing import Accepted, IdempotencyKey, accepted, job_id_for, put
from raylane.gateway.looks import signed
from raylane.gateway.openapi import problems
from raylane.options import new_job
from raylane_common.errors import JobCancelled, JobNotFound, JobNotRequeued, StagedBodyMissing
from raylane_common.limits import MAX_UPLOAD_BYTES, SHA256_PATTERN
from raylane_common.rules import Filename, SessionId, TransferId
from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.upload import (
    MAX_SIGNED_PARTS,
    PartNumber,
    PartUrl,
    SignedPartsResult,
    SignPartsRequest,
    StartTransferRequest,
    StoredPart,
    TransferResult,
    UploadId,
    UploadRequest,
)

router: APIRouter = APIRouter(prefix="/v1/sessions/{session_id}/uploads", tags=["uploads"])

_ID_DIGITS: Final = 32


class BeginUpload(BaseModel):
    """A file that the client is about to send in parts."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    filename: Filename = Field(examples=["sales.csv"])
    size_bytes: int | None = Field(default=None, ge=1, le=MAX_UPLOAD_BYTES, description="null if it is not known yet")


class Upload(BaseModel):
    """How to send the parts. `PUT` each to its address with its `headers`, and with `Content-MD5` to detect damage."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    id: str = Field(description="Names the upload in the addresses below `uploads/`")
    upload_id: str = Field(description="Names it for S3; give it back to have more addresses signed")
    part_bytes: int = Field(description="The size of every part but the last")
    stored: tuple[StoredPart, ...] = Field(description="Parts that S3 already has, if the upload is continued")
    urls: tuple[PartUrl, ...] = Field(description="The addresses of the first parts that are missing")
    valid_s: int = Field(description="How long the addresses are valid")


class MoreParts(BaseModel):
    """Parts that need an address, for the first time or again."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    upload_id: UploadId
    numbers: tuple[PartNumber, ...] = Field(min_length=1, max_length=MAX_SIGNED_PARTS)


class Parts(BaseModel):
    """Addresses of parts."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    urls: tuple[PartUrl, ...]
    valid_s: int = Field(description="How long the addresses are valid")


class CompleteUpload(BaseModel):
    """The file whose parts S3 has. A worker compares size and SHA-256 with what it finds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    filename: Filename = Field(examples=["sales.csv"])
    size_bytes: int = Field(ge=1, le=MAX_UPLOAD_BYTES)
    sha256: Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]
    reading: ReadingOptions = ReadingOptions()


@router.post("", responses=problems(415, 502), summary="Begin an upload in parts")
async def begin_upload(
    session_id: SessionId,
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[BeginUpload, Depends(JsonBody(BeginUpload))],
    idempotency_key: IdempotencyKey = None,
) -> Upload:
    """Returns where to send the parts of a file. With the same key and file, an interrupted upload is continued.

    Nothing is in the session before the upload is completed. What nobody continues is removed after a while.
    """
    caller.require(Right.ASK, session_id)
    new_id = secrets.token_hex(_ID_DIGITS // 2)
    # Another file must not continue the parts of this one.
    about = (body.filename, str(body.size_bytes))
    upload = new_id if idempotency_key is None else _digits("upload", idempotency_key, *about)
    started = await signed(
        gateway,
        request,
        StartTransferRequest(
            transfer_id=_transfer_id(session_id, upload),
            filename=body.filename,
            size_bytes=body.size_bytes,
            into_session=session_id,
        ),
        TransferResult,
    )
    return Upload(
        id=upload,
        upload_id=started.upload_id,
        part_bytes=started.part_bytes,
        stored=started.stored,
        urls=started.urls,
        valid_s=started.valid_s,
    )


@router.post("/{upload}/parts", responses=problems(415, 502), summary="Sign addresses of parts")
async def sign_parts(
    session_id: SessionId,
    upload: TransferId,
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[MoreParts, Depends(JsonBody(MoreParts))],
) -> Parts:
    """Returns the addresses of further parts, or new ones in place of those that have expired."""
    caller.require(Right.ASK, session_id)
    asked = SignPartsRequest(
        transfer_id=_transfer_id(session_id, upload), upload_id=body.upload_id, numbers=body.numbers
    )
    found = await signed(gateway, request, asked, SignedPartsResult)
    return Parts(urls=found.urls, valid_s=found.valid_s)


@router.post(
    "/{upload}/complete",
    status_code=202,
    response_model=Accepted,
    responses=problems(415),
    summary="Complete an upload in parts",
)
async def complete_upload(
    session_id: SessionId,
    upload: TransferId,
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[CompleteUpload, Depends(JsonBody(CompleteUpload))],
) -> Response:
    """Enqueues the job that puts the parts together, reads the file and makes it a source of the session.

    The same request again makes no second job. If the job was cancelled, or failed because parts were missing or
    something was away, it is tried again.
    """
    caller.require(Right.ASK, session_id)
    asked = UploadRequest(**dict(body), transfer_id=_transfer_id(session_id, upload))
    job_id = job_id_for(session_id, f"complete\0{asked.model_dump_json()}")
    if await _may_succeed_now(gateway, job_id):
        # Another request may have done so meanwhile.
        with suppress(JobNotRequeued):
            await gateway.producer.requeue(job_id)
        return accepted(job_id)
    return accepted(await put(gateway, new_job(asked, session_id=session_id, job_id=job_id), None))


async def _may_succeed_now(gateway: Gateway, job_id: str) -> bool:
    """Returns whether a job has ended without success, but not by the fault of its file."""
    try:
        record = await gateway.producer.record(job_id)
    except JobNotFound:
        return False
    if record.error is None:
        return False
    return record.error.retryable or record.error.code in (StagedBodyMissing.code, JobCancelled.code)


def _transfer_id(session_id: str, upload: str) -> str:
    return _digits(session_id, upload)


def _digits(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_ID_DIGITS]
