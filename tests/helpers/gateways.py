"""A gateway in the test's own process, with callers, and a client of it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from raylane.gateway.access.entries import digest_of
from raylane.gateway.app import create_app
from raylane.testing import MemoryProducer
from raylane_common.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from fastapi import FastAPI

    from raylane.producer import Producer


def gateway_settings(**fields: Any) -> Settings:
    """Settings of a gateway, without those of the environment."""
    return Settings.model_validate({"gateway": fields})


def write_callers(path: Path, **callers: dict[str, Any]) -> Path:
    """Writes a file of callers: the token of each is its name and "-token"."""
    entries = [{"name": name, "sha256": digest_of(f"{name}-token"), **entry} for name, entry in callers.items()]
    path.write_text(json.dumps({"callers": entries}))
    return path


def bearer(name: str) -> dict[str, str]:
    """The header with the token of a caller of `write_callers`."""
    return {"Authorization": f"Bearer {name}-token"}


@asynccontextmanager
async def client_of(
    settings: Settings,
    *,
    producer: Producer | None = None,
    change: Callable[[FastAPI], None] | None = None,
    base_url: str = "http://127.0.0.1",
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway with these settings. `change` may add endpoints to the app."""
    app = create_app(settings, producer=producer or MemoryProducer())
    if change is not None:
        change(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client,
    ):
        yield client
