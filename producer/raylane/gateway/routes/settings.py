"""Settings that workers apply while they run: `/v1/settings`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.openapi import problems
from raylane_common.rules import Text

router: APIRouter = APIRouter(prefix="/v1/settings", tags=["operation"])

Name = Annotated[str, Path(max_length=100, examples=["ray.public_url"])]


class Values(BaseModel):
    """The settings that are set, by name. For all others, a worker uses what it was started with."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    settings: dict[str, str] = Field(examples=[{"ray.public_url": "https://ray.example.org"}])


class Value(BaseModel):
    """The value of one setting."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    value: Text = Field(max_length=10_000, examples=["https://ray.example.org"])


@router.get("", summary="List the settings that are set")
async def list_settings(gateway: GatewayDep, caller: CallerDep) -> Values:
    """Returns the settings that were set while workers run."""
    caller.require(Right.OPERATE, None)
    return Values(settings=await gateway.producer.settings.all())


@router.put("/{name}", responses=problems(415), summary="Set a setting")
async def set_setting(
    name: Name, gateway: GatewayDep, caller: CallerDep, body: Annotated[Value, Depends(JsonBody(Value))]
) -> Values:
    """Sets one setting, which running workers apply within seconds; returns all that are set.

    A name that cannot be set, and a value that workers would refuse, are an error.
    """
    caller.require(Right.OPERATE, None)
    await gateway.producer.settings.set(name, body.value)
    return Values(settings=await gateway.producer.settings.all())


@router.delete("/{name}", status_code=204, response_class=Response, summary="Unset a setting")
async def unset_setting(name: Name, gateway: GatewayDep, caller: CallerDep) -> None:
    """Removes one setting, so that workers use the value they were started with."""
    caller.require(Right.OPERATE, None)
    await gateway.producer.settings.unset(name)
