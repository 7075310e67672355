"""The names that the wire format fixes: kinds, lanes, states, priorities and generators.

Needs the standard library alone, so that the command line can offer them as choices without loading pydantic.
"""

from __future__ import annotations

from enum import StrEnum


class JobKind(StrEnum):
    """What a job does."""

    UPLOAD = "upload"
    TABLES = "tables"
    GENERATE = "generate"
    RAY = "ray"


class Lane(StrEnum):
    """The queue of one class of work."""

    UPLOAD = "upload"
    GENERATE = "generate"
    RAY = "ray"


class JobStatus(StrEnum):
    """The state of a job."""

    WAITING = "waiting"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


class Priority(StrEnum):
    """Which jobs of a lane come first: each step is a head start of an hour, so no job waits forever."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class GeneratorName(StrEnum):
    """What writes the code. `auto` takes `agent` only where a model is configured."""

    AUTO = "auto"
    TEMPLATE = "template"
    AGENT = "agent"
