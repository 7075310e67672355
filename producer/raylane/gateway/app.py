"""Assembles the gateway: endpoints, errors, and a producer that lives as long as the server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from fastapi import FastAPI

import raylane
from raylane.gateway import original, routes
from raylane.gateway.access.authentication import Authentication
from raylane.gateway.context import Gateway
from raylane.gateway.problems import answer_error
from raylane.producer import Producer
from raylane_common.errors import RaylaneError
from raylane_common.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def create_app(settings: Settings | None = None, *, producer: Producer | None = None) -> FastAPI:
    """Returns the gateway as an ASGI app.

    `settings` are read from the environment if None. A `producer` that is given is not closed at the end. Raises
    `InvalidRequest` if a setting is wrong.
    """
    settings = settings or load_settings()
    authentication = Authentication(settings.gateway)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if producer is not None:
            app.state.gateway = Gateway(settings, producer, authentication)
            yield
            return
        async with Producer(settings) as own:
            app.state.gateway = Gateway(settings, own, authentication)
            yield

    app = FastAPI(title="Raylane", version=raylane.__version__, lifespan=lifespan)
    app.add_exception_handler(RaylaneError, answer_error)
    # Each module of these packages has its endpoints in `router`.
    for package in (routes, original):
        for module in iter_modules(package.__path__):
            app.include_router(import_module(f"{package.__name__}.{module.name}").router)
    return app
