"""Events of jobs: `/v1/jobs/{job_id}/events`."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from raylane import arguments
from raylane.gateway.access.caller import Right
from raylane.gateway.access.reader import Reader
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.enqueueing import in_words_of_the_caller
from raylane.gateway.event_stream import HEADERS, MEDIA_TYPE, event_stream, has_event_after
from raylane.gateway.openapi import Responses, problems, reference
from raylane.gateway.streaming import Streamed
from raylane_common.limits import EVENT_POSITION_PATTERN
from raylane_common.rules import JobId
from raylane_common.wire.jobs import JobEvent

router: APIRouter = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_EXAMPLE: Final = """\
retry: 1000

id: 1795334676336-0
event: status
data: {"id":"1795334676336-0","type":"status","at":1795334676336,"status":"running","attempt":1}

id: 1795334677102-0
event: progress
data: {"id":"1795334677102-0","type":"progress","at":1795334677102,"progress":{"stage":"running","message":"rl-1"}}
"""
_STREAM: Final[Responses] = {
    200: {
        "description": "The events as they happen: `status`, `progress`, `log`, `text`, and `gap` for those that are "
        "no longer kept. The stream ends after the final status. `problem` says why it cannot continue.",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "description": "One event of the stream",
                    "properties": {
                        "id": {"type": "string", "description": "To be sent back as `Last-Event-ID`"},
                        "event": {"type": "string", "description": "The `type` of the event, or `problem`"},
                        "retry": {"type": "integer", "description": "ms to wait before connecting again"},
                        "data": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": reference(JobEvent),
                        },
                    },
                },
                "example": _EXAMPLE,
            }
        },
    },
    204: {"description": "The job has ended, and there is no event after this one"},
}


@router.get(
    "/{job_id}/events", response_class=StreamingResponse, responses=_STREAM | problems(404), summary="Follow a job"
)
async def follow_job(
    job_id: JobId,
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    after: Annotated[
        str, Query(pattern=EVENT_POSITION_PATTERN, description="The id of the last event seen; 0 for all")
    ] = "0",
    last_event_id: Annotated[
        str | None, Header(description="The same, as a browser sends it; it goes before `after`")
    ] = None,
) -> Response:
    """Sends a job's events as server-sent events, from the one after the last that the client has seen.

    Whatever happened meanwhile is sent first, each event once. If nothing happens, a comment keeps the connection open.
    """
    record = await gateway.job(caller, Right.READ, job_id)
    with in_words_of_the_caller(None, {"after": "Last-Event-ID"} if last_event_id else {}):
        position = arguments.event_id(last_event_id or after)
    if record.status.is_final and not await has_event_after(gateway, job_id, position):
        return Response(status_code=204)
    reader = Reader(gateway.authentication, request, caller, record.session_id)
    return Streamed(event_stream(gateway, reader, job_id, position), MEDIA_TYPE, HEADERS)
