"""Uploads: the body of the request is the file. It is passed on as it arrives, and never held as a whole."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from raylane.gateway.access.bodies import takes_uploads
from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import pieces_of
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.enqueueing import Accepted, IdempotencyKey, accepted, in_words_of_the_caller, job_id_for
from raylane.gateway.looks import LOOK_S, NOT_YET, LookWaitS
from raylane.gateway.openapi import problems
from raylane.gateway.reading import ReadingDep
from raylane.gateway.waiting import ended
from raylane_common.errors import RaylaneError
from raylane_common.rules import Filename, SessionId
from raylane_common.wire.upload import PreviewResult

router: APIRouter = APIRouter(prefix="/v1/sessions/{session_id}", tags=["uploads"])

Name = Annotated[Filename, Path(description="Its name in the session", examples=["sales.csv"], max_length=255)]
# The producer calls it data.
_WORDS: Final = {"data": "body"}
_THE_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The file, byte for byte",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.put(
    "/files/{filename}",
    status_code=202,
    response_model=Accepted,
    responses=problems(415, 502),
    openapi_extra=_THE_FILE,
    summary="Upload a file",
)
@takes_uploads
async def upload_file(
    session_id: SessionId,
    filename: Name,
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    reading: ReadingDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Uploads a file into a session, and enqueues the job that reads it and makes it a source.

    A file of the same name is replaced. The parameters say how the file is written; what they leave out is found out.
    If the client stops half way, nothing has happened.
    """
    caller.require(Right.ASK, session_id)
    job_id = None if idempotency_key is None else job_id_for(session_id, idempotency_key)
    with in_words_of_the_caller(idempotency_key, _WORDS):
        job = await gateway.producer.upload(
            pieces_of(request), session_id=session_id, filename=filename, reading=reading, job_id=job_id
        )
    return accepted(job.id)


@router.put(
    "/previews/{filename}",
    response_model=PreviewResult,
    responses=NOT_YET | problems(415, 502),
    openapi_extra=_THE_FILE,
    summary="Preview a file",
)
@takes_uploads
async def preview_file(
    session_id: SessionId,
    filename: Name,
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    reading: ReadingDep,
    wait_s: LookWaitS = LOOK_S,
) -> Response:
    """Reads a file as an upload would, without storing it: how it is written, its columns, its first rows.

    The session is the one that may read the outcome.
    """
    caller.require(Right.ASK, session_id)
    with in_words_of_the_caller(None, _WORDS):
        job = await gateway.producer.preview(
            pieces_of(request), session_id=session_id, filename=filename, reading=reading
        )
    record = await ended(gateway, job.id, wait_s, request)
    if record is None or record.result is None:
        if record is not None and record.error is not None:
            raise RaylaneError.from_info(record.error)
        return accepted(job.id)
    return Response(record.result.model_dump_json(), media_type="application/json")
