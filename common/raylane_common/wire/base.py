"""What every kind of job shares: the names of kinds and lanes, the base of requests and results, and `Kind` itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Union

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from raylane_common.wire.names import JobKind as JobKind
from raylane_common.wire.names import Lane as Lane


class BaseRequest(BaseModel):
    """What every request has: the kind that it belongs to, and whether it works in a session."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[JobKind]
    needs_session: ClassVar[bool] = True


class BaseResult(BaseModel):
    """What every result has: a literal `type` that tells it from all others."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")


class OpaqueResult(BaseResult):
    """A result that this version cannot read, kept as it is: a newer worker wrote it. Its fields are attributes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    type: str


class RetryPolicy(BaseModel):
    """How often a job is tried. Each pause is a random part of the value given here (full jitter)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    max_attempts: int = Field(default=4, ge=1, le=100, description="Attempts before a retryable error is final")
    backoff_base_s: float = Field(default=1.0, gt=0, description="Pause before the second attempt, doubled each time")
    backoff_cap_s: float = Field(default=60.0, gt=0, description="Longest such pause")


Payload = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Kind:
    """One kind of job, as the registry in `wire.kinds` lists it.

    `describe` turns a record's payload into the few words that a history shows for it. `stages_body` says that the
    job's bytes travel beside its record. `retry` is the policy unless the settings say otherwise.
    """

    name: JobKind
    lane: Lane
    requests: tuple[type[BaseRequest], ...]
    results: tuple[type[BaseResult], ...]
    describe: Callable[[Payload], str]
    stages_body: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @cached_property
    def adapter(self) -> TypeAdapter[BaseRequest]:
        """Validates a payload as one of the kind's requests; several are told apart by their `action`."""
        if len(self.requests) == 1:
            return TypeAdapter(self.requests[0])
        one_of: Any = Annotated[Union[self.requests], Field(discriminator="action")]  # noqa: UP007  # built at run time
        return TypeAdapter(one_of)


def text(payload: Payload, *names: str) -> str:
    """The first of these fields that holds text; '' if none does."""
    return next((value for name in names if isinstance(value := payload.get(name), str)), "")
