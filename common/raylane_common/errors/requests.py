"""The errors for an invalid request, argument or setting, and for a package that is not installed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from raylane_common.errors.base import RaylaneError
from raylane_common.errors.findings import describe_finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class InvalidRequest(RaylaneError):
    """A request, an argument or a setting breaks a rule; `details["field"]` names it.

    What to do: correct the field as the message says. Nothing was stored.
    """

    code = "invalid_request"

    @classmethod
    def field(cls, field: str, problem: str) -> Self:
        """Returns the error for one named field."""
        return cls(f"{field}: {problem}", details={"field": field})

    def in_words(self, names: Mapping[str, str]) -> InvalidRequest:
        """Returns the error with the caller's names of fields, by ours: `{"data": "content"}`."""
        field = self.details.get("field")
        ours, dot, rest = field.partition(".") if isinstance(field, str) else ("", "", "")
        if ours not in names or not self.message.startswith(f"{field}: "):
            return self
        theirs = f"{names[ours]}{dot}{rest}"
        message = f"{theirs}{self.message.removeprefix(str(field))}"
        return InvalidRequest(message, details=self.details | {"field": theirs})

    @classmethod
    def from_validation(cls, error: ValidationError) -> Self:
        """Returns the error for pydantic's first finding. The message names the field but not its value."""
        first = error.errors(include_url=False, include_input=False)[0]
        # pydantic adds places that the caller did not write: [key] for a name, tagged-union[…] for a choice of classes.
        parts = [str(part) for part in first["loc"] if not str(part).startswith(("[key]", "tagged-union["))]
        field = ".".join(parts) or "request"
        return cls.field(field, describe_finding(first))


class NotFound(RaylaneError):
    """The session or the job does not have what was named, or the gateway has nothing at this address.

    What to do: check the name; `raylane sources` lists those of a session. `/openapi.json` describes all addresses.
    """

    code = "not_found"


class MissingPackage(RaylaneError):
    """What was asked for needs a package that is not installed here.

    What to do: install it as the message says. Nothing was lost.
    """

    code = "missing_package"


class NotOffered(RaylaneError):
    """The original app could do this, and Raylane cannot. Nothing was done.

    What to do: use what the message names instead.
    """

    code = "not_offered"


@contextmanager
def invalid_requests() -> Iterator[None]:
    """Turns pydantic's `ValidationError` inside the block into an `InvalidRequest` about the first wrong field."""
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
