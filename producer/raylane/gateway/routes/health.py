"""What Kubernetes and Prometheus ask: `/livez`, `/readyz`, `/metrics`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response

from raylane.gateway.access.caller import Right
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.measured import GatewayTelemetry
from raylane.gateway.negotiation import accepted_by
from raylane.gateway.openapi import Responses, problems
from raylane.gateway.probes import health_of
from raylane_common.telemetry.health import Health

router: APIRouter = APIRouter(tags=["health"])

_TEXT: Final[Responses] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "All metrics"}
}


class Live(BaseModel):
    """That the gateway's event loop runs, because it answers."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    live: Literal[True] = True


class Ready(BaseModel):
    """Whether the gateway can serve requests. `checks` has `ok`, or why not, for each thing that it needs."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    ready: bool
    checks: dict[str, str]


def _telemetry_of(request: Request) -> GatewayTelemetry:
    telemetry = request.app.state.telemetry
    assert isinstance(telemetry, GatewayTelemetry)
    return telemetry


def _health_of(request: Request, gateway: GatewayDep) -> Health:
    """Returns the checks of this gateway, which all requests share."""
    health: Health | None = getattr(request.app.state, "health", None)
    if health is None:
        is_open = gateway.authentication.is_open
        health = health_of("gateway", gateway.producer, gateway.stopping, is_open=is_open)
        request.app.state.health = health
    return health


@router.get("/livez", summary="Is the gateway alive?")
async def livez() -> Live:
    """Answers as long as the event loop runs. Needs no token."""
    return Live()


@router.get("/readyz", response_model=Ready, responses={503: {"model": Ready}}, summary="Can it serve requests?")
async def readyz(health: Annotated[Health, Depends(_health_of)]) -> Response:
    """Answers with 503, and says why, if Redis does not answer or the gateway is about to stop. Needs no token."""
    report = await health.report()
    return JSONResponse(report.document(), 200 if report.is_ready else 503)


@router.get("/metrics", response_class=Response, responses={**_TEXT, **problems(501)}, summary="Metrics for Prometheus")
async def metrics(
    request: Request, caller: CallerDep, telemetry: Annotated[GatewayTelemetry, Depends(_telemetry_of)]
) -> Response:
    """Returns all metrics in the format of Prometheus, or of OpenMetrics if that is accepted.

    It needs the right `operate`. Raises `MissingPackage` without the extra `[metrics]`.
    """
    caller.require(Right.OPERATE, None)
    await telemetry.look.refresh()
    body, content_type = telemetry.metrics.exposition(accepted_by(request))
    return Response(body, headers={"Content-Type": content_type})
