"""What a job found: its result, and its answer in the format that the client accepts."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from raylane.gateway import answer_forms
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.context import CallerDep, Gateway, GatewayDep
from raylane.gateway.enqueueing import Accepted, accepted
from raylane.gateway.negotiation import accepted_by, choose
from raylane.gateway.openapi import Responses, problems
from raylane.gateway.problems import problem_response
from raylane.gateway.streaming import begun
from raylane.gateway.waiting import WaitS, ended
from raylane.producer import Producer
from raylane_common.errors import NotFound, RaylaneError
from raylane_common.rules import JobId
from raylane_common.wire.answer import Answer, AnswerTable
from raylane_common.wire.jobs import JobRecord
from raylane_common.wire.kinds import AnyResult

router: APIRouter = APIRouter(prefix="/v1/jobs", tags=["answers"])

Number = Annotated[int, Query(ge=1, le=10_000)]
_NOT_YET: Final[Responses] = {
    202: {"model": Accepted, "description": "The job has not ended; `Location` is its record"}
}
_FORMS: Final[Responses] = {
    200: {
        "description": "The answer in the format that `Accept` prefers",
        "content": {
            answer_forms.CSV: {"schema": {"type": "string"}, "example": "region,sum\nnorth,12\nsouth,30\n"},
            answer_forms.PARQUET: {"schema": {"type": "string", "format": "binary"}},
            answer_forms.SVG: {"schema": {"type": "string"}},
            answer_forms.PNG: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.get(
    "/{job_id}/result", response_model=AnyResult, responses=_NOT_YET | problems(404), summary="Get a job's result"
)
async def get_result(
    job_id: JobId, request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: WaitS = 0
) -> Response:
    """Returns what the job found, if it has succeeded. The error of a job that failed is a problem with status 422."""
    record = await _ended(gateway, caller, job_id, wait_s, request)
    if isinstance(record, Response):
        return record
    if record.result is None:
        raise NotFound(f"job {job_id} has {record.status} without a result", details={"job_id": job_id})
    return Response(record.result.model_dump_json(), media_type=answer_forms.JSON)


@router.get(
    "/{job_id}/answer",
    response_model=Answer,
    responses=_NOT_YET | _FORMS | problems(404, 406, 410, 501, 502, 507),
    summary="Get a job's answer",
)
async def get_answer(
    job_id: JobId,
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    table: Annotated[Number, Query(description="Which table, if the format is one of tables; 1 is the first")] = 1,
    chart: Annotated[Number, Query(description="Which chart, if the format is one of pictures; 1 is the first")] = 1,
    wait_s: WaitS = 0,
) -> Response:
    """Returns what the job's run found, in the format that the client prefers.

    JSON has the whole answer, with the first 1,000 rows of each table. CSV and Parquet have all rows of one table, SVG
    and PNG are one chart.
    """
    record = await _ended(gateway, caller, job_id, wait_s, request)
    if isinstance(record, Response):
        return record
    if record.answer is None:
        raise NotFound(f"job {job_id} has no answer", details={"job_id": job_id})
    answer, producer = record.answer, gateway.producer
    form = choose(accepted_by(request), answer_forms.forms_of(answer))
    headers = {"Vary": "Accept"}
    match form:
        case answer_forms.JSON:
            return Response(answer.model_dump_json(), media_type=form, headers=headers)
        case answer_forms.CSV | answer_forms.PARQUET:
            headers |= _attachment(f"{job_id}-{table}.{'csv' if form == answer_forms.CSV else 'parquet'}")
            return await _table(producer, job_id, answer_forms.table_of(answer, table), form, headers)
        case _:
            drawn = await answer_forms.picture(answer_forms.chart_of(answer, chart), form)
            return Response(drawn, media_type=form, headers=headers)


async def _ended(
    gateway: Gateway, caller: Caller, job_id: str, wait_s: float, request: Request
) -> JobRecord | Response:
    """Returns the record of a job that has succeeded; the answer to the request if it has failed, or has not ended."""
    record: JobRecord | None = await gateway.job(caller, Right.READ, job_id)
    if record is not None and not record.status.is_final:
        record = await ended(gateway, job_id, wait_s, request) if wait_s else None
    if record is None:
        return accepted(job_id)
    if record.error is not None:
        error = gateway.told(RaylaneError.from_info(record.error), caller)
        return problem_response(error, HTTPStatus.UNPROCESSABLE_ENTITY)
    return record


async def _table(producer: Producer, job_id: str, table: AnswerTable, form: str, headers: dict[str, str]) -> Response:
    """Returns all rows of a table, and says how long they are unless they are written as they are sent."""
    if table.file is None:
        content = await answer_forms.whole_table(table, form)
        return Response(content, media_type=form, headers=headers)
    if form == answer_forms.CSV:
        return await begun(answer_forms.long_csv_of(producer, job_id, table, table.file), form, headers)
    if table.file.size_bytes:
        headers = headers | {"Content-Length": str(table.file.size_bytes)}
    return await begun(answer_forms.file_of(producer, job_id, table.file.name), form, headers)


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
