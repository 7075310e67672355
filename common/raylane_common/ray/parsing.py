"""Turns the content of Ray's good answers into typed models and text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ValidationError

from raylane_common.errors import RayServerError
from raylane_common.ray.answers import shorten
from raylane_common.ray.models import ClusterStatus, RayNode, RayRun

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.ray.answers import Answer

_Model = TypeVar("_Model", bound=BaseModel)


def read(model: type[_Model], answer: Answer) -> _Model:
    """Returns a good answer as a model that names its endpoint. Raises `RayServerError` if the JSON does not fit."""
    data = {**answer.data, "endpoint": answer.endpoint} if isinstance(answer.data, dict) else answer.data
    return _parse(model, data, answer)


def _parse(model: type[_Model], data: JsonValue, answer: Answer) -> _Model:
    """Returns a part of a good answer as a model. Raises `RayServerError` if it does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise unexpected(answer, model.__name__) from error


def read_flag(answer: Answer, name: str) -> bool:
    """Returns one boolean of a good answer. Raises `RayServerError` if it is missing."""
    value = answer.data.get(name) if isinstance(answer.data, dict) else None
    if not isinstance(value, bool):
        raise unexpected(answer, f"`{name}`")
    return value


def read_jobs(answer: Answer) -> list[RayRun]:
    """Returns the jobs of a list: those that have not started, then the newest first."""
    if not isinstance(answer.data, list):
        raise unexpected(answer, "list of jobs")
    jobs = [read(RayRun, replace(answer, data=entry)) for entry in answer.data]
    return sorted(jobs, key=lambda job: (job.start_time_ms is None, job.start_time_ms or 0), reverse=True)


def read_nodes(answer: Answer) -> list[RayNode]:
    """Returns the nodes of a list, the head first."""
    match answer.data:
        case {"data": {"result": {"result": list(found)}}}:
            nodes = [_parse(RayNode, node, answer) for node in found]
            return sorted(nodes, key=lambda node: not node.is_head_node)
    raise unexpected(answer, "list of nodes")


def read_cluster_status(answer: Answer) -> ClusterStatus:
    """Returns the status, which is empty in the first seconds of a head."""
    match answer.data:
        case {"data": dict(data)} if data.keys() & {"autoscalingStatus", "clusterStatus"}:
            found = {"text": data.get("autoscalingStatus") or "", "endpoint": answer.endpoint}
            return _parse(ClusterStatus, found | _resources(data.get("clusterStatus")), answer)
    raise unexpected(answer, "cluster status")


def _resources(status: JsonValue) -> dict[str, JsonValue]:
    total: dict[str, JsonValue] = {}
    free: dict[str, JsonValue] = {}
    demand: dict[str, float] = {}
    match status:
        case {"loadMetricsReport": {"usage": dict(usage), "resourceDemand": list(waiting)}}:
            for name, amounts in usage.items():
                match amounts:
                    case [int() | float() as used, int() | float() as all_of_it]:
                        total[name], free[name] = all_of_it, all_of_it - used
            for entry in waiting:
                match entry:
                    case [dict(wanted), _]:
                        for name, amount in wanted.items():
                            if isinstance(amount, int | float):
                                demand[name] = max(amount, demand.get(name, 0.0))
    return {"total": total, "free": free, "demand": dict(demand)}


def read_any(answer: Answer) -> bool:
    """Returns whether a list of Ray's state API has any entries."""
    match answer.data:
        case {"data": {"result": {"result": list(found)}}}:
            return bool(found)
    raise unexpected(answer, "list")


def unexpected(answer: Answer, wanted: str) -> RayServerError:
    """Returns the error for JSON that does not follow Ray's API."""
    return RayServerError(
        f"Ray's {answer.endpoint} endpoint answered JSON without a valid {wanted}; "
        "check that its URL is Ray's dashboard and that its version is supported",
        retryable=False,
        details={"endpoint": answer.endpoint, "said": shorten(answer.body)},
    )


# Where a JSON string that was cut somewhere is certainly between two characters: before a backslash that no backslash
# precedes, or after six bytes without a backslash, since no escape is longer.
_BETWEEN_CHARACTERS: Final = re.compile(rb"(?<=[^\\])(?=\\)|(?<=[^\\]{6})")


def read_logs(answer: Answer, *, max_bytes: int) -> tuple[str, bool]:
    """Returns the last `max_bytes` of `{"logs": "…"}` as text, and whether something was cut off.

    `answer.body` may be only the last part. Raises `RayServerError` if the JSON does not fit.
    """
    if answer.truncated:
        text = _read_cut_string(answer)
    else:
        logs = answer.data.get("logs") if isinstance(answer.data, dict) else None
        if not isinstance(logs, str):
            raise unexpected(answer, "`logs`")
        text = logs
    # A surrogate whose other half was cut off, or that a run printed alone, has no UTF-8.
    whole = text.encode(errors="ignore")
    kept = whole[max(0, len(whole) - max_bytes) :]
    return kept.decode(errors="ignore"), answer.truncated or len(whole) > max_bytes


def _read_cut_string(answer: Answer) -> str:
    body = answer.body.rstrip()
    if not body.endswith(b'"}'):
        raise unexpected(answer, "`logs`")
    rest = body[:-2]
    match = _BETWEEN_CHARACTERS.search(rest)
    rest = rest[match.start() :] if match else b""
    try:
        return str(json.loads(b'"' + rest.decode(errors="ignore").encode() + b'"'))
    except ValueError as error:
        raise unexpected(answer, "`logs`") from error
