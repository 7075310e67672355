"""The routes of the original app that have no counterpart: Postgres, Spark, and two of its older versions.

They answer 501 with a problem document that says what to use instead, so that nobody takes a 404 for a wrong address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from fastapi import APIRouter

from raylane.gateway.context import CallerDep
from raylane_common.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

# They are no part of what the gateway offers, so /openapi.json does not have them.
router: APIRouter = APIRouter(include_in_schema=False)

_POSTGRES: Final = "Raylane reads files and tables of the Glue catalog, but no Postgres; export the table to Parquet"
_SPARK: Final = "Raylane computes on Ray and has no Spark"
_ROUTES: Final = (
    ("POST", "/postgres/test-connection", _POSTGRES),
    ("POST", "/postgres/connections", _POSTGRES),
    ("GET", "/postgres/connections", _POSTGRES),
    ("GET", "/postgres/{connection_name}/databases", _POSTGRES),
    ("GET", "/postgres/{connection_name}/schemas/{database}", _POSTGRES),
    ("GET", "/postgres/{connection_name}/tables/{database}/{schema}", _POSTGRES),
    ("POST", "/sessions/{session_id}/select-postgres-tables", _POSTGRES),
    ("POST", "/spark/generate", f"{_SPARK}; use POST /generate"),
    ("POST", "/spark/execute", f"{_SPARK}; use POST /execute"),
    ("GET", "/spark/config", f"{_SPARK}; use GET /settings"),
    ("GET", "/spark/status", f"{_SPARK}; use GET /ray/status"),
    ("POST", "/spark/upload-csv", f"{_SPARK}; use POST /upload-csv"),
    ("POST", "/upload", "scripts are not stored; send the code to POST /execute"),
    ("POST", "/analyze", "scripts have no standard input; send the code to POST /execute, which verifies it"),
)


def _refusal(reason: str) -> Callable[[CallerDep], Coroutine[None, None, NoReturn]]:
    async def refuse(caller: CallerDep) -> NoReturn:
        raise NotOffered(reason)

    return refuse


for _method, _path, _reason in _ROUTES:
    router.add_api_route(
        _path,
        _refusal(_reason),
        methods=[_method],
        name=re.sub(r"\W+", "_", f"{_method.lower()}{_path}"),
        status_code=501,
        response_model=None,
    )
