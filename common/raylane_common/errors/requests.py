"""Errors about what a caller asked for."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from raylane_common.errors.base import RaylaneError

if TYPE_CHECKING:
    from collections.abc import Iterator


class InvalidRequest(RaylaneError):
    """A request breaks the wire format; `details["field"]` names the field."""

    code = "invalid_request"

    @classmethod
    def field(cls, field: str, problem: str) -> Self:
        """An error about one named field."""
        return cls(f"{field}: {problem}", details={"field": field})

    @classmethod
    def from_validation(cls, error: ValidationError) -> Self:
        """The first finding of pydantic, with the field that it is about. Values are left out of the message."""
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "request"
        problem = first["msg"].removeprefix("Value error, ")
        return cls.field(field, problem)


@contextmanager
def invalid_requests() -> Iterator[None]:
    """Turns pydantic's `ValidationError` inside the block into `InvalidRequest`, which names the first wrong field."""
    try:
        yield
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
