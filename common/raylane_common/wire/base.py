"""What all kinds of jobs share: the base classes of requests and results, the retry policy, and `Kind` itself.

See docs/decisions/0010.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar, Union

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, TypeAdapter

from raylane_common.model import Model
from raylane_common.showing import Shown
from raylane_common.wire.names import JobKind as JobKind
from raylane_common.wire.names import Lane as Lane


class BaseRequest(Model):
    """The base of every request: its kind of job, whether it needs a session, and whether it only looks at something.

    A look changes nothing and can be repeated, so its job is kept for minutes and not listed. See docs/decisions/0050.
    """

    # Built when it is first used: a process knows all requests, and few of them are for it.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: ClassVar[JobKind]
    needs_session: ClassVar[bool] = True
    is_look: ClassVar[bool] = False


class BaseResult(Shown, Model):
    """The base of every result. Each subclass has a literal `type` that identifies it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")


class OpaqueResult(BaseResult):
    """A result of a newer worker that this version cannot read. It keeps all fields, as attributes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    type: str


class RetryPolicy(Model):
    """How many attempts a job has, and how long it waits between them. Each pause is random, up to the value here."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    max_attempts: int = Field(default=4, ge=1, le=100, description="Attempts before a retryable error becomes final")
    backoff_base_s: float = Field(
        default=1.0, gt=0, description="Longest pause before the second attempt; it doubles for each further one"
    )
    backoff_cap_s: float = Field(default=60.0, gt=0, description="Longest pause before any attempt")


Payload = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Kind:
    """One kind of job, as the registry in `wire.kinds` lists it.

    `describe` turns a record's payload into the few words that a history shows. `stages_body` says that the job's bytes
    are stored in a key of their own. `retry` is the default policy; the settings may override it. `default_action` is
    the action of a payload that names none, for a kind that got further actions later.
    """

    name: JobKind
    lane: Lane
    requests: tuple[type[BaseRequest], ...]
    results: tuple[type[BaseResult], ...]
    describe: Callable[[Payload], str]
    stages_body: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    default_action: str | None = None

    @cached_property
    def adapter(self) -> TypeAdapter[BaseRequest]:
        """Validates a payload as one of the kind's requests. If there are several, `action` says which one it is."""
        if len(self.requests) == 1:
            return TypeAdapter(self.requests[0])
        one_of: Any = Annotated[Union[self.requests], Field(discriminator="action")]  # noqa: UP007  # built at run time
        return TypeAdapter(Annotated[one_of, BeforeValidator(self._with_action)])

    def _with_action(self, payload: object) -> object:
        if self.default_action is None or not isinstance(payload, dict):
            return payload
        return {"action": self.default_action, **payload}


def text(payload: Payload, *names: str) -> str:
    """Returns the first of the fields `names` that holds text; '' if none does."""
    return next((value for name in names if isinstance(value := payload.get(name), str)), "")
