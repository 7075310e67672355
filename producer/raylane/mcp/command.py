"""What `raylane mcp` does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raylane import arguments
from raylane.mcp.call import Scope
from raylane.mcp.local_files import directories
from raylane.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from raylane_common.settings import Settings


def serve_stdio(settings: Settings, session_id: str | None, files: Sequence[Path], redis_url: str | None) -> None:
    """Serves one client over stdin and stdout until stdin ends. Raises `InvalidRequest` if an argument is wrong."""
    from raylane.mcp import stdio

    session_id = None if session_id is None else arguments.session_id(session_id)
    allowed = directories(files)

    async def serve() -> None:
        async with Producer(settings, redis_url=redis_url) as producer:
            await stdio.serve_stdio(Scope(producer, session_id, allowed, settings.gateway.wait_timeout_s))

    asyncio.run(serve())
