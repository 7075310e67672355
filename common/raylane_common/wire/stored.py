"""The parts of a record whose types are loaded when it has them: most records are of one kind, and have few parts.

See docs/decisions/0054.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import core_schema

from raylane_common.wire.base import BaseResult, OpaqueResult
from raylane_common.wire.names import JobKind
from raylane_common.wire.registry import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
    from pydantic.json_schema import JsonSchemaValue


class _Stored:
    """Annotates a field: `read` makes its value, and `load` returns its type, which only its JSON Schema needs."""

    def __init__(self, read: Callable[[object, ValidationInfo], object], load: Callable[[], Any]) -> None:
        self._read = read
        self._load = load

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        # Each value is written by its own class.
        return core_schema.with_info_plain_validator_function(
            self._read, serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(TypeAdapter(self._load()).core_schema)


def _read_result(value: object, info: ValidationInfo) -> BaseResult:
    """Returns the result of a record, an `OpaqueResult` if a newer version wrote it. Raises `ValidationError`."""
    if isinstance(value, BaseResult):
        return value
    given = value.get("type") if isinstance(value, dict) else None
    for result in _results(info.data.get("kind")):
        if result.model_fields["type"].default == given:
            try:
                return result.model_validate(value)
            except ValidationError:
                break
    return OpaqueResult.model_validate(value)


def _results(kind: object) -> Iterator[type[BaseResult]]:
    """Yields the classes of results of this kind, then those of the others."""
    for name in sorted(JobKind, key=lambda name: name != kind):
        yield from kind_of(name).results


def _read_checkpoint(value: object, _info: ValidationInfo) -> object:
    from raylane_common.wire.generate import Checkpoint

    return Checkpoint.model_validate(value)


def _any_result() -> Any:  # Any: it is a type
    from raylane_common.wire.kinds import AnyResult

    return AnyResult


def _checkpoint() -> Any:  # as above
    from raylane_common.wire.generate import Checkpoint

    return Checkpoint


if TYPE_CHECKING:
    from raylane_common.wire.generate import Checkpoint as StoredCheckpoint
    from raylane_common.wire.kinds import Result as StoredResult
else:
    StoredResult = Annotated[Any, _Stored(_read_result, _any_result)]
    StoredCheckpoint = Annotated[Any, _Stored(_read_checkpoint, _checkpoint)]

__all__: Final = ["StoredCheckpoint", "StoredResult"]
