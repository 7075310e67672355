"""Errors as problem documents: RFC 9457, with the code and the details of `RaylaneError`.

It needs no FastAPI, so that the MCP server can use it.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from raylane_common import errors

MEDIA_TYPE: Final = "application/problem+json"

# The most special class decides.
_STATUS_OF: Final[dict[type[errors.RaylaneError], HTTPStatus]] = {
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotOffered: HTTPStatus.NOT_IMPLEMENTED,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    errors.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.ForeignRequest: HTTPStatus.FORBIDDEN,
    errors.GatewayBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.KeysUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    # As the draft of the IETF on the header Idempotency-Key says; 409 is for the state of a job.
    errors.JobIdTaken: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.JobNotRequeued: HTTPStatus.CONFLICT,
    errors.NoCode: HTTPStatus.CONFLICT,
    errors.NoSources: HTTPStatus.CONFLICT,
    errors.SourceReplaced: HTTPStatus.CONFLICT,
    errors.RunNotFound: HTTPStatus.NOT_FOUND,
    errors.TableNotFound: HTTPStatus.NOT_FOUND,
    errors.AnswerFileGone: HTTPStatus.GONE,
    errors.QueueUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.WaitTimeout: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StorageRejected: HTTPStatus.BAD_GATEWAY,
    errors.CatalogError: HTTPStatus.BAD_GATEWAY,
    errors.RayError: HTTPStatus.BAD_GATEWAY,
    errors.DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
    errors.MissingPackage: HTTPStatus.NOT_IMPLEMENTED,
}
# What a client waits that is told to come again, and not when.
_RETRY_AFTER_S: Final = 2


class Problem(BaseModel):
    """What went wrong, and what to do about it. `code` is stable; see docs/errors.md for all of them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    type: str = Field(description="urn:raylane:error: and the code", examples=["urn:raylane:error:job_not_found"])
    title: str = Field(description="The status in words", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="For people", examples=["there is no job 1, or its record has expired"])
    code: str = Field(examples=["job_not_found"])
    retryable: bool = Field(description="Whether the same request may succeed if it is sent again")
    details: dict[str, JsonValue] = Field(
        default_factory=dict, description="For programs, such as the `field` that is wrong"
    )


def status_of(error: errors.RaylaneError) -> HTTPStatus:
    """Returns the HTTP status of an error; 422 for the failure of a job that the request waited for."""
    found = (_STATUS_OF[kind] for kind in type(error).__mro__ if kind in _STATUS_OF)
    return next(found, HTTPStatus.UNPROCESSABLE_ENTITY)


def problem_of(error: errors.RaylaneError, status: HTTPStatus | None = None) -> Problem:
    """Returns the problem document of an error; `status` is that of the error if None."""
    info, status = error.info(), status or status_of(error)
    return Problem(
        type=f"urn:raylane:error:{info.code}",
        title=status.phrase,
        status=status.value,
        detail=info.message,
        code=info.code,
        retryable=info.retryable,
        details=info.details,
    )


def problem_response(error: errors.RaylaneError, status: HTTPStatus | None = None) -> Response:
    """Returns the answer to a request that ended with this error; `status` is that of the error if None."""
    problem = problem_of(error, status)
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE and error.retryable:
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)
