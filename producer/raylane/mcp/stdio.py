"""Serves one client over stdin and stdout, and ends when stdin does."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from mcp.server.stdio import stdio_server

from raylane import arguments
from raylane.gateway.access.caller import ANYONE
from raylane.mcp.call import Scope
from raylane.mcp.local_files import directories
from raylane.mcp.observing import observed
from raylane.mcp.server import create_server
from raylane.producer import Producer
from raylane_common.telemetry.logs import LogLevel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from raylane.gateway.access.caller import Caller
    from raylane.mcp.server import Context
    from raylane_common.settings import Settings


def serve_stdio(settings: Settings, session_id: str | None, files: Sequence[Path]) -> None:
    """Serves the program that started this one until stdin ends.

    That program may do everything that the settings allow, in the session `session_id` or in any if None, and upload
    files from below `files`. Raises `InvalidRequest` if an argument is wrong.
    """
    session_id = None if session_id is None else arguments.session_id(session_id)
    allowed = directories(files)
    # A client shows whatever comes on stderr, so that is little.
    with observed(settings.telemetry, LogLevel.WARNING):
        try:
            asyncio.run(_serve(settings, session_id, allowed))
        except* BrokenPipeError:
            pass  # the client is gone, as at the end of stdin


async def _serve(settings: Settings, session_id: str | None, allowed: tuple[Path, ...]) -> None:
    # A thread waits in a read of stdin that nothing can end, so Ctrl-C ends the process as SIGTERM does. Nothing is
    # lost: every job is in Redis before its id is told.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    async with Producer(settings) as producer:
        server = create_server(Scope(producer, session_id, allowed, settings.gateway.wait_timeout_s), _starter)
        # While it serves, whatever else is printed goes to stderr: stdout has the protocol alone.
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())


async def _starter(_context: Context) -> Caller:
    return ANYONE
