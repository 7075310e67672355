"""How the endpoints of the original app answer: failures in its form, and jobs that the request waits for.

See docs/decisions/0045.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from fastapi import Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from raylane import arguments
from raylane.gateway.access.seen import note_job
from raylane.gateway.bodies import JSON
from raylane.gateway.context import told_to
from raylane.gateway.enqueueing import url_of
from raylane.gateway.looks import look_expires_s
from raylane.gateway.openapi import problems
from raylane.gateway.problems import problem_response
from raylane.gateway.waiting import ended
from raylane_common.errors import InvalidRequest, RaylaneError, WaitTimeout
from raylane_common.errors.findings import describe_finding

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request

    from raylane.gateway.context import Gateway
    from raylane.handle import JobHandle, ResultT_co
    from raylane.options import JobOptions

TAG: Final = "original app"
JOB_FAILED: Final = HTTPStatus.UNPROCESSABLE_ENTITY
"""The status if the code or the question that a client has sent fails as a job, whatever the reason."""

# A job has ended, or is about to, when its result is read.
_READ_S: Final = 5.0


class FailureAnswer(BaseModel):
    """What the original app says of a request that failed, with the code and the details of our error.

    Some endpoints add the other fields of their answer, and `job_id` and `url` if there is a job.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    success: bool = False
    error: str = Field(description="For people")
    error_code: str = Field(description="Stable; see docs/errors.md", examples=["no_sources"])
    retryable: bool = False
    details: dict[str, JsonValue] = Field(default_factory=dict)


class Failure(Exception):
    """An error, with the status and the other fields of its answer. By default, the status is that of the error."""

    def __init__(self, error: RaylaneError, status: HTTPStatus | None = None, **more: JsonValue) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status
        self.more = more


class OriginalRoute(APIRoute):
    """A route whose errors are answered in the original app's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the handler of the route, which raises no `RaylaneError`."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Failure as failure:
                return _answer(Failure(told_to(request, failure.error), failure.status, **failure.more))
            except RaylaneError as error:
                return _answer(Failure(told_to(request, error)))
            except RequestValidationError as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"][1:])
                return _answer(Failure(InvalidRequest.field(field, describe_finding(first))))

        return answer


def _answer(failure: Failure) -> Response:
    # Status and headers of an error are the same in both forms.
    problem = problem_response(failure.error, failure.status)
    info = failure.error.info()
    body = FailureAnswer.model_validate(
        {"error": info.message, "error_code": info.code, "retryable": info.retryable, "details": info.details}
        | failure.more
    )
    headers = {name: value for name, value in problem.headers.items() if not name.startswith("content-")}
    # pydantic writes null for a number that JSON does not have; another program may have put one into the details.
    return Response(body.model_dump_json(), problem.status_code, headers, JSON)


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the description of these errors, and of those of every endpoint, for the `responses` of a router.

    What is refused before the endpoint is reached, such as a caller without a token, is a problem document.
    """
    described = problems(400, 401, 403, 413, 422, 429, 503, *statuses)
    return {status: {**each, "model": FailureAnswer} for status, each in described.items()}


class SessionBody(BaseModel):
    """The body of a request that names its session. Unknown fields are ignored, as the original app does."""

    session_id: str

    def checked_session(self) -> str:
        """Returns the session id as it is. Raises `InvalidRequest` if it is malformed."""
        return arguments.session_id(self.session_id)


Wait = Annotated[
    float | None,
    Query(
        ge=0,
        le=3600,
        description="Seconds to wait for the job, as far as the gateway allows. If it has not ended then, the answer "
        "is 202 with the job's id and the address of its record. Without it, the request waits as long as the gateway "
        "allows, and then answers 504",
    ),
]


class Started(BaseModel):
    """The answer to a request that does not wait for the end of its job: the job, and the address of its record."""

    job_id: str
    status: str
    url: str
    session_id: str


async def started(
    job: JobHandle[object], gateway: Gateway, request: Request, wait_s: float | None, session_id: str
) -> Response | None:
    """Returns the answer 202 if the job does not end within `wait_s`; None if it does, or if `wait_s` is None."""
    if wait_s is None or (wait_s > 0 and await ended(gateway, job.id, wait_s, request) is not None):
        return None
    record = await job.record()
    answer = Started(job_id=job.id, status=record.status, url=url_of(job.id), session_id=session_id)
    return JSONResponse(answer.model_dump(), HTTPStatus.ACCEPTED, {"Location": answer.url})


def look_options(gateway: Gateway) -> JobOptions:
    """Returns the options of a job that only looks, and expires when no request waits for it any longer."""
    return {"expires_s": look_expires_s(gateway.settings.gateway.wait_timeout_s)}


async def result_of(
    job: JobHandle[ResultT_co],
    gateway: Gateway,
    request: Request | None,
    *,
    status: HTTPStatus | None = None,
    **more: JsonValue,
) -> ResultT_co:
    """Returns the result of the job, for which it waits as long as the gateway allows.

    It does not wait for a client that has left its `request`, which meanwhile would take one of its places. None: it
    does, because there is more to do.

    Raises `Failure`, with `more` in its answer: 504 if the job has not ended, and its error if it failed, with this
    `status` or that of the error.
    """
    note_job(job.id)
    more |= {"job_id": job.id, "url": url_of(job.id)}
    record = await ended(gateway, job.id, gateway.settings.gateway.wait_timeout_s, request)
    if record is None:
        problem = WaitTimeout(f"job {job.id} has not ended yet, and continues; read it at {url_of(job.id)}")
        raise Failure(problem, HTTPStatus.GATEWAY_TIMEOUT, **more)
    if record.error is not None:
        raise Failure(RaylaneError.from_info(record.error), status, **more)
    return await job.result(_READ_S)
