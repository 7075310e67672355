"""The audit: who changed what through the gateway."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict, Field

from raylane_common.model import Model
from raylane_common.wire.jobs import Number


class AuditEntry(Model):
    """One request that may have changed something, and how it was answered. It holds nothing of the request's body."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    id: str = Field(default="", description="Place in the audit, for the next page; '' before it is stored")
    at_ms: Number = Field(description="When it was answered, in epoch milliseconds by the gateway's clock")
    caller: str = Field(description="Name of the token's holder; of a JWT, `jwt:` and its subject")
    method: str = Field(examples=["POST"])
    route: str = Field(description="Path of the endpoint", examples=["/v1/jobs/{job_id}/cancel"])
    session_id: str | None = None
    job_id: str | None = Field(default=None, description="The job that the request named, or the one that it made")
    status: int = Field(description="HTTP status of the answer", examples=[202])
