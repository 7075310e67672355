"""The files of a job's answer, which are on S3."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from raylane.gateway.access.caller import Right
from raylane.gateway.answer_forms import CSV, JSON, PARQUET, file_of
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.looks import signed
from raylane.gateway.openapi import Responses, problems
from raylane.gateway.streaming import begun
from raylane_common.rules import JobId, Text
from raylane_common.wire.answer import AnswerFile
from raylane_common.wire.upload import SignedFilesResult, SignFilesRequest

router: APIRouter = APIRouter(prefix="/v1/jobs", tags=["answers"])

_TYPES: Final = {"csv": CSV, "json": JSON, "parquet": PARQUET}
_BYTES: Final[Responses] = {
    200: {
        "description": "The file",
        "content": {form: {"schema": {"type": "string", "format": "binary"}} for form in _TYPES.values()},
    },
    307: {"description": "With `redirect`: `Location` is the address of the file on S3, which is valid for some time"},
}


class Files(BaseModel):
    """The files of an answer: those that its run gave, and those with all rows of long tables."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    files: tuple[AnswerFile, ...]


@router.get("/{job_id}/files", responses=problems(404), summary="List the files of a job's answer")
async def list_files(job_id: JobId, gateway: GatewayDep, caller: CallerDep) -> Files:
    """Returns the files of the answer; none as long as the job has no answer."""
    record = await gateway.job(caller, Right.READ, job_id)
    return Files(files=record.answer.files if record.answer else ())


@router.get(
    "/{job_id}/files/{name}",
    response_class=Response,
    responses=_BYTES | problems(404, 410, 502),
    summary="Get a file of a job's answer",
)
async def get_file(
    job_id: JobId,
    name: Annotated[Text, Path(max_length=300)],
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    redirect: Annotated[
        bool, Query(description="Redirect to the file on S3 instead of sending it, if the client can reach S3")
    ] = False,
) -> Response:
    """Sends a whole file as it arrives from S3, or redirects to it; S3 itself also serves ranges."""
    record = await gateway.job(caller, Right.READ, job_id)
    file = record.answer_file(name)
    if redirect and record.session_id is not None:
        asked = SignFilesRequest(job_id=job_id, of_session=record.session_id, names=(name,))
        [address] = (await signed(gateway, request, asked, SignedFilesResult)).files
        # A redirect carries no headers, which an address may need.
        if not address.headers:
            return RedirectResponse(address.url, headers={"Cache-Control": "no-store"})
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        # A download is checked as a whole. S3 itself sends parts.
        "Accept-Ranges": "none",
    }
    if file.size_bytes:
        headers["Content-Length"] = str(file.size_bytes)
    media_type = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return await begun(file_of(gateway.producer, job_id, name), media_type, headers)
