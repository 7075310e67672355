"""Runs the gateway until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.gateway.app import create_app
from raylane.gateway.listening import serve_app
from raylane_common.logs import get_logger
from raylane_common.telemetry.logs import LogLevel, log_to_stderr
from raylane_common.telemetry.sending import spans_sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane_common.settings import Settings

logger: Final = get_logger("raylane.gateway")

# A gateway that has stopped waits no longer for a collector that is away.
_LAST_SPANS_S: Final = 5.0


def serve(settings: Settings, announce: Callable[[str], None] = lambda url: None) -> None:
    """Serves HTTP at `settings.gateway.host` and `port` until SIGINT or SIGTERM.

    `announce` is called with the address as soon as it answers. At the end, streams of events and requests that wait
    end at once, and other requests have `shutdown_s` seconds. Raises what `serve_app` raises, and `InvalidRequest` if a
    setting is wrong.
    """
    log_to_stderr(LogLevel.INFO, settings.telemetry.log_format)
    app = create_app(settings)
    spans = spans_sent(
        "raylane-gateway", flush_s=_LAST_SPANS_S, report=logger.warning, content=settings.telemetry.trace_content
    )
    with spans:
        serve_app(app, settings.gateway, on_stop=lambda: app.state.gateway.stopping.set(), announce=announce)
