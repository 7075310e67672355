"""Runs the gateway until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import uvicorn

from raylane.gateway.access.foreign import check_listening
from raylane.gateway.app import create_app
from raylane_common.logs import get_logger
from raylane_common.telemetry.logs import LogLevel, log_to_stderr
from raylane_common.telemetry.sending import spans_sent

if TYPE_CHECKING:
    from raylane_common.settings import Settings

logger = get_logger("raylane.gateway")

# A gateway that has stopped waits no longer for a collector that is away.
_LAST_SPANS_S: Final = 5.0


def serve(settings: Settings) -> None:
    """Serves HTTP at `settings.gateway.host` and `port` until SIGINT or SIGTERM.

    Raises `InvalidRequest` if everybody could reach a gateway that asks for no token.
    """
    check_listening(settings.gateway)
    log_to_stderr(LogLevel.INFO, settings.telemetry.log_format)
    config = uvicorn.Config(
        create_app(settings),
        settings.gateway.host,
        settings.gateway.port,
        log_config=None,
        # `measured` logs each request, without its query.
        access_log=False,
        server_header=False,
    )
    with spans_sent(
        "raylane-gateway", flush_s=_LAST_SPANS_S, report=logger.warning, content=settings.telemetry.trace_content
    ):
        uvicorn.Server(config).run()
