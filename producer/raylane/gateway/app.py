"""Assembles the gateway: endpoints, errors, and a producer that lives as long as the server.

See docs/decisions/0043.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from fastapi import Depends, FastAPI

import raylane
from raylane.gateway.access.audit import AuditTrail
from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.middleware import add_access
from raylane.gateway.context import Gateway
from raylane.gateway.heads import HeadRequests
from raylane.gateway.inclusion import routers
from raylane.gateway.measured import GatewayTelemetry, add_telemetry
from raylane.gateway.openapi import EVERYWHERE, describe
from raylane.gateway.parameters import known_parameters
from raylane.gateway.refusals import answer_errors
from raylane.gateway.traced import NO_OTHER_SPANS, TracedRequests
from raylane.producer import Producer
from raylane_common.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_DESCRIPTION: Final = """\
Asynchronous jobs that turn data and a sentence into an answer that was computed on Ray.

Enqueue a job, follow its events, and read its answer in the format that you accept. Errors are problem documents
(RFC 9457) with a stable `code`. Times are epoch milliseconds."""


def create_app(settings: Settings | None = None, *, producer: Producer | None = None) -> FastAPI:
    """Returns the gateway as an ASGI app.

    `settings` are read from the environment if None. A `producer` that is given is not closed at the end. Raises
    `InvalidRequest` if a setting is wrong.
    """
    settings = settings or load_settings()
    authentication = Authentication(settings.gateway)

    # Made here, so that a wrong URL is an error of the caller, and not one of the server that starts.
    used = producer or Producer(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            async with audit.writing_to(used.operator):
                yield
        finally:
            if producer is None:
                await used.aclose()

    app = FastAPI(
        title="Raylane",
        version=raylane.__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        # The framework would write the document anew for each request; `routes/description.py` does not.
        openapi_url=None,
        # Its pages load their scripts from the network.
        docs_url=None,
        redoc_url=None,
        # An upload would be sent twice.
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        telemetry=NO_OTHER_SPANS,
    )
    audit = AuditTrail(settings.gateway)
    app.state.gateway = Gateway(settings, used, authentication)
    answer_errors(app)
    # Each of the following is put around the ones before it.
    app.add_middleware(HeadRequests)
    add_access(app, settings, authentication, audit)
    add_telemetry(app, GatewayTelemetry(lambda: used.operator, settings, audit))
    # Around all others, so that a request that they refuse is a span, too.
    app.add_middleware(TracedRequests)
    app.state.routers = routers()
    for router in app.state.routers:
        # The original app ignores parameters that it does not know.
        strict = [Depends(known_parameters)] if router.prefix.startswith("/v1") else []
        app.include_router(router, responses=EVERYWHERE, dependencies=strict)
    describe(app)
    return app
