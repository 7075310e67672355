"""Finds the endpoints: each module of `routes/` and `original/` has its own in `router`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.routing import APIRoute

from raylane.gateway import original, routes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI


def routers() -> list[APIRouter]:
    """Returns the router of each module, in the order of their names."""
    return [
        import_module(f"{package.__name__}.{module.name}").router
        for package in (routes, original)
        for module in iter_modules(package.__path__)
        if not module.name.startswith("_")
    ]


def routes_of(app: FastAPI) -> Iterator[APIRoute]:
    """Yields the endpoints of the app, one by one."""
    for router in app.state.routers:
        yield from (route for route in router.routes if isinstance(route, APIRoute))
