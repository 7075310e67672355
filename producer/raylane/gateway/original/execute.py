"""`POST /execute`: code that is there already runs. See docs/decisions/0045."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, Gateway, GatewayDep
from raylane.gateway.original._answers import (
    JOB_FAILED,
    TAG,
    Failure,
    OriginalRoute,
    SessionBody,
    Started,
    Wait,
    failures,
    result_of,
    started,
)
from raylane.gateway.original._output import NO_OUTPUT, all_printed_by
from raylane_common.errors import InvalidRequest
from raylane_common.ray.models import Run
from raylane_common.wire.generate import GenerateResult
from raylane_common.wire.ray import RaySubmitResult

if TYPE_CHECKING:
    from raylane.handle import JobHandle

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures(409, 415, 504))

_KIT: Final = "raylane_run"


class ExecuteBody(SessionBody):
    """A script. `interactive` and `inputs` are there for clients that send them; they may not ask for anything."""

    code: str
    interactive: bool | None = False
    inputs: list[str] | None = None


class Executed(BaseModel):
    """What a run that succeeded printed."""

    success: Literal[True] = True
    output: str
    error: None = None
    session_id: str
    job_id: str


@router.post("/execute", name="original_execute", response_model=Executed, responses={202: {"model": Started}})
async def execute(
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[ExecuteBody, Depends(JsonBody(ExecuteBody))],
    wait: Wait = None,
) -> Executed | Response:
    """Runs a script and waits for its end.

    A script that reads with `raylane_run` is verified first, whoever sends it. Any other one is refused by
    verification, unless the caller is an operator, whose scripts run as they are.
    """
    session_id = body.checked_session()
    caller.require(Right.ASK, session_id)
    if body.interactive or body.inputs:
        problem = "a run has no standard input; write the values into the code"
        raise InvalidRequest.field("inputs" if body.inputs else "interactive", problem)
    job = await _started(body.code, session_id, gateway, caller)
    if (unfinished := await started(job, gateway, request, wait, session_id)) is not None:
        return unfinished
    try:
        found: GenerateResult | RaySubmitResult = await result_of(
            job, gateway, request, status=JOB_FAILED, output=None, session_id=session_id
        )
    except Failure as failure:
        # What a newer version wrote of a run stays in the details.
        with suppress(ValidationError):
            failure.more["output"] = await all_printed_by(Run.model_validate(failure.error.details.get("run")), job)
        raise
    output = NO_OUTPUT if found.run is None else await all_printed_by(found.run, job) or NO_OUTPUT
    return Executed(output=output, session_id=session_id, job_id=job.id)


async def _started(
    code: str, session_id: str, gateway: Gateway, caller: Caller
) -> JobHandle[GenerateResult] | JobHandle[RaySubmitResult]:
    if _KIT not in code and caller.may(Right.OPERATE, None):
        return await gateway.producer.cluster.submit(code, session_id=session_id)
    return await gateway.producer.run_code(code, session_id=session_id)
