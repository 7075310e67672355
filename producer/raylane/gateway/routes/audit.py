"""The audit: who changed what through the gateway: `/v1/audit`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from raylane.gateway.access.caller import Right
from raylane.gateway.context import CallerDep, GatewayDep
from raylane_common.limits import AUDIT_POSITION_PATTERN
from raylane_common.wire.audit import AuditEntry

router: APIRouter = APIRouter(prefix="/v1/audit", tags=["operation"])


class AuditPage(BaseModel):
    """Writes of callers, newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    entries: tuple[AuditEntry, ...]
    before: str | None = Field(description="Ask with this `before` for older entries; null if there are none")


@router.get("", summary="List the writes of all callers")
async def list_audit(
    gateway: GatewayDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    before: Annotated[
        str | None,
        Query(pattern=AUDIT_POSITION_PATTERN, description="Only entries older than this one"),
    ] = None,
) -> AuditPage:
    """Returns each request that may have changed something: who sent it, when, and how it was answered."""
    caller.require(Right.OPERATE, None)
    found = await gateway.producer.operator.audit(limit=limit, before=before)
    return AuditPage(entries=tuple(found), before=found[-1].id if len(found) == limit else None)
