"""Runs the gateway until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn

from raylane.gateway.access.foreign import check_listening
from raylane.gateway.app import create_app

if TYPE_CHECKING:
    from raylane_common.settings import Settings


def serve(settings: Settings) -> None:
    """Serves HTTP at `settings.gateway.host` and `port` until SIGINT or SIGTERM.

    Raises `InvalidRequest` if everybody could reach a gateway that asks for no token.
    """
    check_listening(settings.gateway)
    config = uvicorn.Config(
        create_app(settings), settings.gateway.host, settings.gateway.port, log_config=None, server_header=False
    )
    uvicorn.Server(config).run()
