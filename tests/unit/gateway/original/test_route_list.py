"""Every route of the original app is there, and the documentation says what it does here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raylane.gateway.inclusion import routes_of

if TYPE_CHECKING:
    from tests.unit.gateway.original.conftest import App

PAGE: Final = Path(__file__).parents[4] / "docs" / "original-app.md"
# Those of backend/main.py, in its order; the names of parameters are ours.
THERE: Final = """\
POST /generate
POST /execute
GET /health
GET /ray/status
GET /ray/jobs
POST /ray/jobs/{submission_id}/stop
POST /sessions/{session_id}/reset
POST /upload-csv
GET /history/{session_id}
GET /glue/databases
GET /glue/tables/{database}
POST /sessions/{session_id}/select-tables
POST /postgres/test-connection
POST /postgres/connections
GET /postgres/connections
GET /postgres/{connection_name}/databases
GET /postgres/{connection_name}/schemas/{database}
GET /postgres/{connection_name}/tables/{database}/{schema}
POST /sessions/{session_id}/select-postgres-tables
GET /settings
POST /settings
GET /claude-models
POST /settings/restore-defaults
GET /
POST /spark/generate
POST /spark/execute
GET /spark/config
GET /spark/status
POST /spark/upload-csv""".splitlines()
# Those of its web page and of older versions.
MORE: Final = {
    "GET /ray/jobs/{submission_id}/logs",
    "POST /sessions/{session_id}/clear-csv",
    "POST /upload",
    "POST /analyze",
}
_ROW: Final = re.compile(r"^\| `((?:GET|POST) \S+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_the_page_lists_every_route_once() -> None:
    listed = [row[0] for row in _ROW.findall(PAGE.read_text(encoding="utf-8"))]
    assert len(THERE) == 29
    assert sorted(listed) == sorted([*THERE, *MORE])


def test_the_gateway_has_every_route_and_those_that_the_page_says_answer_501(app: App) -> None:
    routes = {f"{method} {route.path}": route for route in routes_of(app.app) for method in route.methods or ()}
    for route, _, here, _ in _ROW.findall(PAGE.read_text(encoding="utf-8")):
        assert route in routes, route
        assert (here == "501") == (routes[route].status_code == 501), route


def test_the_gateway_has_no_route_of_the_original_app_that_the_page_lacks(app: App) -> None:
    found = {
        f"{method} {route.path}"
        for route in routes_of(app.app)
        for method in route.methods or ()
        if route.endpoint.__module__.startswith("raylane.gateway.original")
    }
    assert found == {*THERE, *MORE}
