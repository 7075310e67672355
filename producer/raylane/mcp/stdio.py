"""Serves one client over stdin and stdout, and ends when stdin does."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mcp.server.stdio import stdio_server

from raylane.gateway.access.caller import ANYONE
from raylane.mcp.server import create_server

if TYPE_CHECKING:
    from raylane.gateway.access.caller import Caller
    from raylane.mcp.call import Scope
    from raylane.mcp.server import Context


async def serve_stdio(scope: Scope) -> None:
    """Serves the program that started this one, which may do everything that its settings allow.

    While it serves, whatever else is printed goes to stderr: stdout has the protocol alone.
    """
    # A thread waits in a read of stdin that nothing can end, so Ctrl-C ends the process as SIGTERM does. Nothing is
    # lost: every job is in Redis before its id is told.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = create_server(scope, _whoever_started_this)
    async with stdio_server() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


async def _whoever_started_this(_context: Context) -> Caller:
    return ANYONE
