"""Jobs: `/v1/jobs`."""

from __future__ import annotations

from fastapi import APIRouter

from raylane.gateway.access.caller import Right
from raylane.gateway.context import CallerDep, GatewayDep
from raylane_common.wire.jobs import JobRecord

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job_id}")
async def get_job(job_id: str, gateway: GatewayDep, caller: CallerDep) -> JobRecord:
    """Returns the record of a job."""
    return await gateway.job(caller, Right.READ, job_id)
