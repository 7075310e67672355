"""What `raylane doctor` finds out, and how a worker is asked: by a look of each lane."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from raylane_common.model import Model
from raylane_common.wire.base import BaseRequest, BaseResult


class CheckState(StrEnum):
    """What a check has found."""

    OK = "ok"
    WARNING = "warning"
    """Jobs run, but something should be changed."""
    PROBLEM = "problem"
    """Jobs of some kind fail, or do not start."""
    NOT_TRIED = "not_tried"
    """Nothing was found out, and the message says why."""


class Check(Model):
    """One thing that was looked at. `message` is what was found, and `hint` what to do about it, if anything."""

    area: str = Field(description="What it is about, such as `Redis`, `S3` or `Ray private`")
    state: CheckState
    message: str
    hint: str = ""
    lanes: tuple[str, ...] = Field(default=(), description="The lanes whose workers looked; empty: this process did")


class ChecksRequest(BaseRequest):
    """Look at everything that the jobs of this lane use. Each check ends within `limit_s` seconds."""

    needs_session: ClassVar[bool] = False
    is_look: ClassVar[bool] = True

    action: Literal["check"] = "check"
    limit_s: float = Field(default=6.0, gt=0, le=60)


class ChecksResult(BaseResult):
    """What one worker has found, and its own clock at the end, in epoch milliseconds."""

    type: Literal["checks"] = "checks"
    worker: str
    version: str
    at_ms: int = Field(ge=0, lt=2**53)
    checks: tuple[Check, ...]


def ok(area: str, message: str) -> Check:
    """Returns a check that has found nothing to change."""
    return Check(area=area, state=CheckState.OK, message=message)


def warning(area: str, message: str, hint: str = "") -> Check:
    """Returns a check after which something should be changed."""
    return Check(area=area, state=CheckState.WARNING, message=message, hint=hint)


def problem(area: str, message: str, hint: str = "") -> Check:
    """Returns a check after which something must be changed."""
    return Check(area=area, state=CheckState.PROBLEM, message=message, hint=hint)


def not_tried(area: str, message: str, hint: str = "") -> Check:
    """Returns a check that could not be made, or was left out."""
    return Check(area=area, state=CheckState.NOT_TRIED, message=message, hint=hint)
