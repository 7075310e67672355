"""One tool: its arguments, its result, and the function that connects them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Generic, TypeVar

from mcp.types import ContentBlock, ToolAnnotations
from mcp.types import Tool as WireTool
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import GenerateJsonSchema

from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.limits import JOB_ID_PATTERN, SESSION_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from raylane.mcp.call import Call
    from raylane.mcp.results import ToolResult

SESSION: Final = "session_id"

SessionId = Annotated[
    str,
    Field(
        pattern=SESSION_ID_PATTERN,
        description="The session to work in. You choose its id: 1 to 128 letters, digits, '.', '_' and '-'. "
        "All calls about the same data use the same one",
    ),
]
JobId = Annotated[str, Field(pattern=JOB_ID_PATTERN, description="The id of the job, as an earlier result gave it")]
WaitSeconds = Annotated[
    float,
    Field(
        ge=0,
        le=3600,
        description="How long to wait for the job, in seconds. If it has not ended by then, the result says so, and "
        "`wait` waits again. Many clients give up after 60 s",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=200,
        description="Any text that is new for each new request. The same call with the same key makes no second job, "
        "so a call that was interrupted can be repeated",
    ),
]
DEFAULT_WAIT_S: Final = 45.0
"""Below the 60 s after which common clients give up on a call."""


class Arguments(BaseModel):
    """The base of the arguments of every tool."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


ArgumentsT = TypeVar("ArgumentsT", bound=Arguments)
ResultT = TypeVar("ResultT", bound="ToolResult")


@dataclass(frozen=True)
class Reply(Generic[ResultT]):
    """The result of a call, and what a client shows beside it. `said` is one line about it, without data."""

    said: str
    result: ResultT
    content: tuple[ContentBlock, ...] = ()


@dataclass(frozen=True)
class Tool(Generic[ArgumentsT, ResultT]):
    """One tool. `run` is called with valid arguments, and raises `RaylaneError`.

    `is_local` tools are only offered where the server runs beside its client. `reads` says that nothing changes, and
    `is_repeatable` that a second call with the same arguments changes nothing more. `words` has the names of arguments
    by those that Raylane has for them, so that an error names what the caller wrote.
    """

    name: str
    title: str
    description: str
    arguments: type[ArgumentsT]
    result: type[ResultT]
    run: Callable[[Call, ArgumentsT], Awaitable[Reply[ResultT]]]
    _: KW_ONLY
    reads: bool = False
    destroys: bool = False
    is_repeatable: bool = True
    is_local: bool = False
    words: Mapping[str, str] = field(default_factory=dict)
    wire: dict[bool, WireTool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def listed(self, *, has_session: bool) -> WireTool:
        """Returns the tool as a client sees it. A server that `has_session` takes no session id."""
        if has_session not in self.wire:
            self.wire[has_session] = self._listed(has_session=has_session)
        return self.wire[has_session]

    def parsed(self, given: dict[str, Any], session_id: str | None) -> ArgumentsT:
        """Returns the arguments of a call, with the session of the server if it has one.

        Raises `InvalidRequest` that names the first wrong argument.
        """
        if session_id is not None and SESSION in self.arguments.model_fields:
            if given.get(SESSION, session_id) != session_id:
                raise InvalidRequest.field(SESSION, f"this server serves session {session_id} alone; leave it out")
            given = {**given, SESSION: session_id}
        with invalid_requests():
            return self.arguments.model_validate(given)

    def _listed(self, *, has_session: bool) -> WireTool:
        schema = _schema(self.arguments)
        if has_session and schema["properties"].pop(SESSION, None) is not None:
            schema["required"] = [name for name in schema["required"] if name != SESSION]
        return WireTool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=schema,
            output_schema=_schema(self.result),
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=self.reads,
                destructive_hint=self.destroys,
                idempotent_hint=self.is_repeatable,
                open_world_hint=False,
            ),
        )


class _Schema(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes from names: they say nothing, and every model has to read them."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _schema(model: type[BaseModel]) -> dict[str, Any]:  # Any: it is JSON
    schema = model.model_json_schema(schema_generator=_Schema)
    for one in (schema, *schema.get("$defs", {}).values()):
        one.pop("title", None)
    schema.setdefault("properties", {})
    schema.setdefault("required", [])
    return schema
