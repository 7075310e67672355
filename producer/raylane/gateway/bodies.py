"""Bodies of requests: JSON that is checked strictly, and bytes that are passed on as they arrive.

The framework reads JSON more freely than JSON is: `"yes"` for true, `"5"` for 5, and no limit on depth.
"""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect

from raylane_common.errors import InvalidRequest, UnsupportedMediaType
from raylane_common.errors.findings import describe_finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue
    from pydantic_core import ErrorDetails

BodyT = TypeVar("BodyT", bound=BaseModel)
JSON: Final = "application/json"
# An unknown name may be as long as the body.
_LONGEST_NAME: Final = 100
# Bodies with these types are not a file, although they may hold one.
_FORMS: Final = ("multipart/form-data", "application/x-www-form-urlencoded")


class JsonBody(Generic[BodyT]):
    """A dependency that reads the body as JSON of one model: `body: Annotated[Model, Depends(JsonBody(Model))]`."""

    def __init__(self, model: type[BodyT], *, optional: bool = False) -> None:
        """With `optional`, no body is the same as `{}`."""
        self.model = model
        self.optional = optional
        self._adapter: TypeAdapter[BodyT] = TypeAdapter(model)

    async def __call__(self, request: Request) -> BodyT:
        """Returns the body. Raises `UnsupportedMediaType` if it is not JSON, and `InvalidRequest`."""
        _check_coding(request)
        content = await _whole(request)
        if not content and self.optional:
            content += b"{}"
        elif (found := media_type_of(request)) != JSON:
            raise UnsupportedMediaType(f"the body must be JSON: send Content-Type: {JSON}, not {found or 'none'}")
        try:
            body = self._adapter.validate_json(content, strict=True)
            # Only now, because what breaks a rule may have a million objects.
            json.loads(content, object_pairs_hook=_once, parse_int=str, parse_float=str)
            return body
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            if first["type"] == "json_invalid":
                raise InvalidRequest.field("body", f"must be JSON in UTF-8: {first['ctx']['error']}") from error
            raise InvalidRequest.field(_place(first, content), describe_finding(first)) from error


async def _whole(request: Request) -> bytearray:
    """Returns the body. `Request.body` would hold it twice, and once until the end of the request."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
    # Programs on Windows write this mark at the beginning, which RFC 8259 lets a reader ignore.
    return content.removeprefix(codecs.BOM_UTF8)


def _once(pairs: list[tuple[str, JsonValue]]) -> None:
    """Raises `InvalidRequest` if an object has a name twice: a proxy may have read one of them, and we the other."""
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise InvalidRequest.field(name[:_LONGEST_NAME] or "body", "is there twice; which is meant, nobody knows")
        names.add(name)


def _place(finding: ErrorDetails, content: bytearray) -> str:
    """Returns the path of the wrong field in the body. pydantic's own also names the models that it has chosen."""
    value: JsonValue = json.loads(content)
    *outer, last = finding["loc"] or ("",)
    names: list[str] = []
    for part in outer:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
        else:
            continue
        names.append(str(part)[:_LONGEST_NAME])
    is_field = finding["type"] == "missing" or isinstance(value, list) or (isinstance(value, dict) and last in value)
    return ".".join([*names, str(last)[:_LONGEST_NAME]] if is_field else names) or "body"


def media_type_of(request: Request) -> str:
    """Returns the type of the body without its parameters, in lower case; '' if the request does not say it."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def pieces_of(request: Request) -> AsyncIterator[bytes]:
    """Yields the body as it arrives. A client is only read as fast as the pieces are taken.

    Raises `UnsupportedMediaType` for a form, and `InvalidRequest` for a part of a file, or if the client stops.
    """
    _check_coding(request)
    if "content-range" in request.headers:
        # With `curl -C -`. As a whole file, the rest of one would be wrong without anybody noticing.
        problem = "a part of a file cannot be uploaded like this; send the whole file, or begin an upload in parts"
        raise InvalidRequest.field("Content-Range", problem)
    if media_type_of(request) in _FORMS:
        raise UnsupportedMediaType(
            "the body must be the file itself, not a form: with curl, use -T FILE or --data-binary @FILE "
            "-H 'Content-Type: application/octet-stream'"
        )
    try:
        async for piece in request.stream():
            if piece:
                yield piece
    except ClientDisconnect as error:
        raise InvalidRequest.field("body", "ended before it was complete; send it again") from error


def _check_coding(request: Request) -> None:
    """Raises `UnsupportedMediaType` if the body is packed on its way. A file that is packed itself is a file."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaType(f"the body must be sent as it is, without Content-Encoding: {coding}")
