"""Makes a model from defaults and what a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.nearest import NearestNames

if TYPE_CHECKING:
    from collections.abc import Mapping

ModelT = TypeVar("ModelT", bound=BaseModel)


def made(model: type[ModelT], defaults: Mapping[str, object], fields: Mapping[str, object]) -> ModelT:
    """Returns the model with the fields, and with the defaults for all others.

    Raises `InvalidRequest` that names a field that the model does not have, or whose value is not valid.
    """
    for name in fields:
        if name not in model.model_fields:
            nearest = NearestNames(model.model_fields).find(name, 1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"its fields are {', '.join(model.model_fields)}"
            raise InvalidRequest.field(name, f"a {model.__name__} has no such field; {hint}")
    with invalid_requests():
        return model.model_validate({**defaults, **fields})
