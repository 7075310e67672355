"""The gateway itself: `GET /`, `GET /health`, `GET /claude-models`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

import raylane
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.openapi import PATH
from raylane.gateway.original._addresses import shown
from raylane.gateway.original._answers import TAG, OriginalRoute, failures

if TYPE_CHECKING:
    from fastapi import FastAPI

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures())


class Index(BaseModel):
    """What this is, and what it can be asked."""

    message: str
    version: str
    openapi: str
    endpoints: dict[str, str]


class Health(BaseModel):
    """That Redis answers. A gateway with tokens shows no addresses. The original app's services do not exist here."""

    status: Literal["healthy"] = "healthy"
    supervisor_agent_arn: None = None
    ray_private_ip: str | None = None
    ray_public_ip: str | None = None
    s3_bucket: str | None = None
    mcp_gateway_url: None = None
    timestamp: float


class Model(BaseModel):
    """A model that can write code."""

    id: str
    name: str


class Models(BaseModel):
    """The model that is configured; none if templates write the code."""

    models: list[Model]


@router.get("/", name="original_index")
async def index(request: Request) -> Index:
    """Names the product and its endpoints. Needs no token."""
    return Index(
        message="Raylane: data and a sentence become an answer that was computed on Ray",
        version=raylane.__version__,
        openapi=PATH,
        endpoints=_endpoints(request.app),
    )


@router.get("/health", name="original_health")
async def health(gateway: GatewayDep) -> Health:
    """Says that the gateway and Redis work, or answers 503. Needs no token."""
    async with gateway.hiding_addresses():
        at_run_time = await gateway.producer.settings.all()
    if not gateway.authentication.is_open:
        return Health(timestamp=time.time())
    own = gateway.settings
    return Health(
        ray_private_ip=shown(at_run_time.get("ray.private_url", own.ray.private_url)),
        ray_public_ip=shown(at_run_time.get("ray.public_url", own.ray.public_url)),
        s3_bucket=at_run_time.get("storage.bucket", own.storage.bucket),
        timestamp=time.time(),
    )


@router.get("/claude-models", name="original_models")
async def models(gateway: GatewayDep, caller: CallerDep) -> Models:
    """Lists the model with which the gateway is configured. A job cannot choose another one."""
    model = gateway.settings.generation.model
    return Models(models=[Model(id=model, name=model.rpartition(":")[2])] if model else [])


def _endpoints(app: FastAPI) -> dict[str, str]:
    """Returns for each path its methods, and what the first of them does."""
    found: dict[str, str] = {}
    for path, operations in app.openapi()["paths"].items():
        first = next(iter(operations.values()))
        said = first.get("description", "").partition("\n")[0].rstrip(".")
        found[path] = f"{'/'.join(map(str.upper, operations))} - {said}"
    return found
