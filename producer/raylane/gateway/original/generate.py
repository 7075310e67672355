"""`POST /generate`: a sentence becomes code."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.original._answers import (
    JOB_FAILED,
    TAG,
    OriginalRoute,
    SessionBody,
    Started,
    Wait,
    failures,
    result_of,
    started,
)
from raylane.gateway.original._output import NO_OUTPUT, printed_by

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures(415, 504))


class GenerateBody(SessionBody):
    """A question about the session's sources. With `execute`, the code also runs, as in older versions of the app."""

    prompt: str
    execute: bool = False


class Generated(BaseModel):
    """Code that passed verification, and, with `execute`, ran. `iterations` is how many versions were written."""

    success: Literal[True] = True
    code: str
    error: None = None
    session_id: str
    iterations: int
    job_id: str


class GeneratedAndRan(Generated):
    """The same, with what the run printed."""

    auto_executed: Literal[True] = True
    execution_result: str


@router.post(
    "/generate",
    name="original_generate",
    response_model=Generated | GeneratedAndRan,
    responses={202: {"model": Started}},
)
async def generate(
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[GenerateBody, Depends(JsonBody(GenerateBody))],
    wait: Wait = None,
) -> Generated | Response:
    """Writes code that answers the prompt, and waits for it. Nothing runs without `execute`."""
    session_id = body.checked_session()
    caller.require(Right.ASK, session_id)
    job = await gateway.producer.generate(body.prompt, session_id=session_id, execute=body.execute)
    if (unfinished := await started(job, gateway, request, wait, session_id)) is not None:
        return unfinished
    found = await result_of(job, gateway, request, status=JOB_FAILED, code=None, session_id=session_id, iterations=None)
    answer = Generated(code=found.code, session_id=session_id, iterations=len(found.versions), job_id=job.id)
    if found.run is None:
        return answer
    return GeneratedAndRan(**answer.model_dump(), execution_result=printed_by(found.run) or NO_OUTPUT)
