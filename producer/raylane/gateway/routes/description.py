"""What the gateway offers, for programs: `GET /openapi.json`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from raylane.gateway.openapi import PATH

router: APIRouter = APIRouter()


@router.get(PATH, include_in_schema=False)
async def get_openapi(request: Request) -> Response:
    """Returns the OpenAPI document. Needs no token, so it is written once, and not for each request."""
    return Response(request.app.state.openapi_json(), media_type="application/json")
