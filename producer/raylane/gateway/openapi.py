"""The OpenAPI document: the framework's, with our errors, and with the bodies that we read ourselves."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from raylane.gateway.access.middleware import PUBLIC_PATHS
from raylane.gateway.bodies import JSON, JsonBody
from raylane.gateway.inclusion import routes_of
from raylane.gateway.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.routing import APIRoute

PATH: Final = "/openapi.json"
_REF: Final = "#/components/schemas/"
_MEANINGS: Final = {
    400: "The request is malformed",
    401: "No token, or an unknown one",
    403: "The caller does not have the right that this needs",
    404: "There is no such thing, or the caller may not know of it",
    406: "The answer has none of the accepted formats; `details.available` lists those that it has",
    409: "The state of the job or session does not allow it",
    410: "The file was deleted or replaced",
    413: "The body is too large",
    415: "The body has another type",
    422: "A field is wrong, which `details.field` names; the idempotency key belongs to another request; or the job "
    "failed",
    429: "Too many requests; `Retry-After` says when to come again",
    500: "The gateway has a bug",
    501: "A package is not installed where the gateway runs",
    502: "The cluster, the catalog or object storage cannot be reached, or has refused",
    503: "Redis, object storage or all workers are away; try again after `Retry-After`",
    504: "The job has not ended in time, and continues",
    507: "The gateway's disk is full",
}
Responses = dict[int | str, dict[str, Any]]
_referenced: Final[list[type[BaseModel]]] = []


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Returns how a description of ours refers to the schema of a model, which becomes a part of the document."""
    if model not in _referenced:
        _referenced.append(model)
    return {"$ref": _REF + model.__name__}


def problems(*statuses: int) -> Responses:
    """Returns the description of these errors, for the `responses` of an endpoint."""
    content = {MEDIA_TYPE: {"schema": reference(Problem)}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in statuses}


EVERYWHERE: Final = problems(400, 401, 403, 413, 422, 429, 503)
"""The errors that every endpoint may answer with."""


def describe(app: FastAPI) -> None:
    """Makes the app's OpenAPI document complete: it is built when first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    @cache
    def written() -> bytes:
        return json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()

    app.state.openapi_json = written
    app.openapi = openapi  # type: ignore[method-assign]  # the framework's own way to extend the document


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, tags=app.openapi_tags, routes=app.routes
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    if app.state.gateway.settings.gateway.authenticates:
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"bearer": []}]
        for path in PUBLIC_PATHS & document["paths"].keys():
            for operation in document["paths"][path].values():
                operation["security"] = []
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    bodies = {id(body.model): body.model for route in routes_of(app) if (body := _body_of(route)) is not None}
    references = _add(schemas, [*_referenced, *bodies.values()])
    for route in routes_of(app):
        body = _body_of(route)
        if body is None or not route.include_in_schema:
            continue
        for method in route.methods or ():
            document["paths"][route.path_format][method.lower()]["requestBody"] = {
                "required": not body.optional,
                "content": {JSON: {"schema": references[body.model]}},
            }
    return document


def _body_of(route: APIRoute) -> JsonBody[BaseModel] | None:
    found = (each.call for each in route.dependant.dependencies if isinstance(each.call, JsonBody))
    return next(found, None)


def _add(schemas: dict[str, Any], models: list[type[BaseModel]]) -> dict[type[BaseModel], dict[str, Any]]:
    """Adds the schemas of the models; returns how to refer to each.

    A model may have been added already with another schema: that of its output, in which no field is left out.
    """
    inputs, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF + "{model}")
    found: dict[str, Any] = definitions.get("$defs", {})
    renamed = {name: f"{name}Input" for name, schema in found.items() if schemas.get(name, schema) != schema}
    text = json.dumps([found, [inputs[model, "validation"] for model in models]])
    for name, other in renamed.items():
        text = text.replace(f'"{_REF}{name}"', f'"{_REF}{other}"')
    found, references = json.loads(text)
    schemas |= {renamed.get(name, name): schema for name, schema in found.items()}
    return dict(zip(models, references, strict=True))
