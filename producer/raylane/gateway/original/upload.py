"""`POST /upload-csv`: text becomes a file of a session."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.original._answers import TAG, OriginalRoute, SessionBody, failures, result_of
from raylane_common import checks
from raylane_common.errors import InvalidRequest

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures(409, 415, 502, 504))

_PREVIEW_LINES: Final = 5
# A file may be one long line.
_PREVIEW_CHARACTERS: Final = 10_000


class UploadBody(SessionBody):
    """A file as text."""

    filename: str
    content: str


class Uploaded(BaseModel):
    """Where the file is. `preview` is the text of its first five lines."""

    success: Literal[True] = True
    s3_uri: str
    bucket: str
    key: str
    preview: str


@router.post("/upload-csv", name="original_upload_csv")
async def upload_csv(
    request: Request, gateway: GatewayDep, caller: CallerDep, body: Annotated[UploadBody, Depends(JsonBody(UploadBody))]
) -> Uploaded:
    """Uploads a file into a session, and waits until it has been read."""
    session_id = body.checked_session()
    caller.require(Right.ASK, session_id)
    if not checks.utf_8("content", body.content):
        raise InvalidRequest.field("content", "must not be empty")
    job = await gateway.producer.upload_bytes(body.content, filename=body.filename, session_id=session_id)
    found = await result_of(job, gateway, request)
    return Uploaded(s3_uri=found.s3_uri, bucket=found.bucket, key=found.key, preview=_first_lines(body.content))


def _first_lines(text: str) -> str:
    return "\n".join(text.split("\n", _PREVIEW_LINES)[:_PREVIEW_LINES])[:_PREVIEW_CHARACTERS]
