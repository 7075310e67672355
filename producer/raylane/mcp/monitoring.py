"""`/livez`, `/readyz` and `/metrics` of the server over HTTP, as the gateway has them, and by the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from raylane.gateway.access.caller import Right
from raylane.gateway.measured import GatewayTelemetry, MeasuredRequests
from raylane.gateway.probes import health_of
from raylane.gateway.problems import problem_response
from raylane_common.errors import RaylaneError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from raylane.gateway.access.authentication import Authentication
    from raylane.mcp.call import Scope as Served
    from raylane_common.settings import Settings

PUBLIC: Final = frozenset({"/livez", "/readyz"})
"""The paths for which nobody needs a token."""


class Monitoring:
    """What one server tells whoever watches it."""

    def __init__(self, served: Served, settings: Settings, authentication: Authentication) -> None:
        self._authentication = authentication
        self._telemetry = GatewayTelemetry(lambda: served.producer.operator, settings, served.audit)
        self._health = health_of("mcp", served.producer, served.stopping, is_open=authentication.is_open)
        self.routes: tuple[Route, ...] = (
            Route("/livez", self._livez),
            Route("/readyz", self._readyz),
            Route("/metrics", self._metrics),
        )

    def around(self, app: ASGIApp, *paths: str) -> ASGIApp:
        """Returns the app with each request counted and logged. `paths` are those that it has besides these."""
        known = {route.path: route for route in self.routes} | {path: Route(path, app) for path in paths}

        async def routed(scope: Scope, receive: Receive, send: Send) -> None:
            # FastAPI notes for the gateway which of its paths a request is for.
            if scope["type"] == "http" and scope["path"] in known:
                scope["route"] = known[scope["path"]]
            await app(scope, receive, send)

        return MeasuredRequests(routed, self._telemetry)

    async def _livez(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def _readyz(self, _request: Request) -> Response:
        report = await self._health.report()
        return JSONResponse(report.document(), 200 if report.is_ready else 503)

    async def _metrics(self, request: Request) -> Response:
        try:
            caller = await self._authentication.caller_of(request)
            caller.require(Right.OPERATE, None)
            await self._telemetry.look.refresh()
            body, content_type = self._telemetry.metrics.exposition(request.headers.get("accept", ""))
        except RaylaneError as error:
            return problem_response(error)
        return Response(body, headers={"Content-Type": content_type})
