"""Errors as problem documents: RFC 9457, with the code and the details of `RaylaneError`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.responses import JSONResponse

from raylane_common import errors

if TYPE_CHECKING:
    from starlette.requests import Request

MEDIA_TYPE: Final = "application/problem+json"

# The most special class decides.
_STATUS_OF: Final[dict[type[errors.RaylaneError], HTTPStatus]] = {
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.JobNotFound: HTTPStatus.NOT_FOUND,
    errors.JobIdTaken: HTTPStatus.CONFLICT,
    errors.JobNotRequeued: HTTPStatus.CONFLICT,
    errors.QueueUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.WaitTimeout: HTTPStatus.GATEWAY_TIMEOUT,
}


def status_of(error: errors.RaylaneError) -> HTTPStatus:
    """Returns the HTTP status of an error; 422 for the failure of a job that the request waited for."""
    found = (_STATUS_OF[kind] for kind in type(error).__mro__ if kind in _STATUS_OF)
    return next(found, HTTPStatus.UNPROCESSABLE_ENTITY)


async def answer_error(_request: Request, error: Exception) -> JSONResponse:
    """Returns the problem document of an error that an endpoint raised."""
    assert isinstance(error, errors.RaylaneError)
    info, status = error.info(), status_of(error)
    body = {
        "type": f"urn:raylane:error:{info.code}",
        "title": status.phrase,
        "status": status.value,
        "detail": info.message,
        **info.model_dump(mode="json", exclude={"message"}),
    }
    headers = {} if error.retry_after_s is None else {"Retry-After": str(int(error.retry_after_s + 1))}
    return JSONResponse(body, status, headers, MEDIA_TYPE)
