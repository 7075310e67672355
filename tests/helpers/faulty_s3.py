"""What the proxies share that break requests to S3: the server, and errors as S3 sends them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@asynccontextmanager
async def served(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serves all requests of any size on a free port until the block ends. Yields the URL."""
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


def s3_error(status: int, code: str) -> web.Response:
    """Returns an error of S3."""
    text = f"<Error><Code>{code}</Code><Message>as the test wants</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")
