"""Serves a worker's `/metrics`, `/livez` and `/readyz` over HTTP, in the worker's own event loop.

In that loop on purpose: if it hangs, `/livez` does not answer, and Kubernetes restarts the worker.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from raylane_common.errors import InvalidRequest
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from raylane_common.telemetry.health import Health
    from raylane_common.telemetry.metrics import Metrics

logger = get_logger("raylane.worker")

# aiohttp logs a traceback for each request that is no HTTP. Scanners send many of them.
_of_the_protocol = get_logger("raylane.telemetry.protocol")
_of_the_protocol.setLevel(logging.CRITICAL + 1)
# A scraper that reads slowly does not hold up the end of the worker.
_STOP_S: Final = 1.0


@asynccontextmanager
async def serve(
    metrics: Metrics, health: Health, refresh: Callable[[], Awaitable[None]], *, host: str, port: int
) -> AsyncIterator[int]:
    """Serves in the block, and yields the port, which is a free one if `port` is 0.

    `refresh` is awaited before each scrape. Raises `InvalidRequest` if the address cannot be used.
    """

    async def scrape(request: web.Request) -> web.Response:
        await refresh()
        body, content_type = metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def ready(_: web.Request) -> web.Response:
        report = await health.report()
        return web.json_response(report.document(), status=200 if report.is_ready else 503)

    app = web.Application(middlewares=[_bugs_are_logged])
    app.add_routes([web.get("/metrics", scrape), web.get("/livez", live), web.get("/readyz", ready)])
    runner = web.AppRunner(app, access_log=None, logger=_of_the_protocol, shutdown_timeout=_STOP_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except (OSError, ValueError) as error:
            raise InvalidRequest.field("telemetry.port", f"cannot listen at {host}, port {port}: {error}") from error
        address, opened = runner.addresses[0][:2]
        shown = f"[{address}]" if ":" in address else address
        logger.info("metrics and health at http://%s:%d/metrics, /livez and /readyz", shown, opened)
        yield opened
    finally:
        await runner.cleanup()


@web.middleware
async def _bugs_are_logged(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception:  # the boundary between a scraper and the worker
        logger.exception("%s cannot be answered", request.path)
        raise web.HTTPInternalServerError from None
