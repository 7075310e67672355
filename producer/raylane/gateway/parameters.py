"""Refuses parameters of the query that an endpoint does not know: a misspelt one would change nothing, unnoticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import Request

from raylane_common.errors import InvalidRequest
from raylane_common.nearest import NearestNames
from raylane_common.safe_text import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.dependencies.models import Dependant
    from fastapi.routing import APIRoute

# An unknown name may be as long as an address.
_SHOWN: Final = 100


def known_parameters(request: Request) -> None:
    """A dependency of routes. Raises `InvalidRequest` that names the first unknown parameter, and those that exist."""
    if not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    known = sorted(_names(route.dependant))
    for name in request.query_params:
        if name not in known:
            shown = safe_line(name[:_SHOWN])
            close = NearestNames(known).find(shown, 1)
            meant = (
                f"did you mean {close[0]}?" if close else f"those are {', '.join(known)}" if known else "it has none"
            )
            raise InvalidRequest.field(shown or "query", f"is not a parameter of this address; {meant}")


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for each in dependant.dependencies:
        yield from _names(each)
