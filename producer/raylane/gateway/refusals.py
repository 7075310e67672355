"""Answers every error of an endpoint, and everything that the framework refuses, with a problem document."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from raylane.gateway.context import told_to
from raylane.gateway.inclusion import routes_of
from raylane.gateway.problems import problem_response
from raylane_common import errors
from raylane_common.errors.findings import describe_finding
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

logger: Final = get_logger("raylane.gateway")


def answer_errors(app: FastAPI) -> None:
    """Makes the app answer every error with a problem document."""
    app.add_exception_handler(errors.RaylaneError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_bug)


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.RaylaneError)
    return problem_response(told_to(request, error))


async def _answer_validation(_request: Request, error: Exception) -> Response:
    """Answers for a parameter in the path, the query or a header that breaks a rule."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("path", "query", "header", "body")]
    return problem_response(errors.InvalidRequest.field(".".join(place) or "request", describe_finding(first)))


async def _answer_http(request: Request, error: Exception) -> Response:
    """Answers for what the framework refuses by itself: unknown addresses and methods."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return problem_response(errors.NotFound(f"there is nothing at {path}"))
        case HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(_methods_of(request))
            if request.method == "OPTIONS":
                return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Allow": allowed})
            problem = errors.MethodNotAllowed(f"{path} does not accept {request.method}, only {allowed}")
            response = problem_response(problem)
            response.headers["Allow"] = allowed
            return response
        case _:
            refused = errors.InvalidRequest(str(error.detail))
            return problem_response(refused, HTTPStatus(error.status_code))


async def _answer_bug(request: Request, error: Exception) -> Response:
    """Answers for an error that nobody expected. Its text may hold what the caller must not see."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    bug = errors.InternalError("the gateway has a bug; its log says more")
    return problem_response(bug, HTTPStatus.INTERNAL_SERVER_ERROR)


def _methods_of(request: Request) -> list[str]:
    """Returns all methods that the address takes. The framework names those of the first route alone."""
    methods = {
        method
        for route in routes_of(request.app)
        if route.path_regex.fullmatch(request.url.path)
        for method in route.methods or ()
    }
    return sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())})
