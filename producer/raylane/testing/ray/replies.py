"""The answers of Ray's dashboard: their structure, and their exact texts where a client reads them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from raylane_common.ray.models import RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

FINAL: Final = frozenset(status.value for status in RunStatus if status.is_final)
FIRST_LOG_LINE: Final = "2026-01-01 00:00:00,000\tINFO job_manager.py:581 -- Runtime env is setting up.\n"

_AGENT: Final = "http://127.0.0.1:52365"
_NODE_ID: Final = "1" * 56
_NODE_IP: Final = "127.0.0.1"
_MESSAGE_LINES: Final = 10
_MESSAGE_CHARS: Final = 20_000
_FIELDS: Final = (
    "entrypoint",
    "submission_id",
    "job_id",
    "runtime_env",
    "metadata",
    "entrypoint_num_cpus",
    "entrypoint_num_gpus",
    "entrypoint_memory",
    "entrypoint_resources",
    "entrypoint_label_selector",
)


def invalid(body: Mapping[str, JsonValue]) -> str | None:
    """Returns what is wrong with a submission, in Ray's words, or None if it is valid."""
    for name in body:
        if name not in _FIELDS:
            return f"TypeError: JobSubmitRequest.__init__() got an unexpected keyword argument {name!r}"
    if "entrypoint" not in body:
        return "TypeError: JobSubmitRequest.__init__() missing 1 required positional argument: 'entrypoint'"
    for name, kind in (
        ("entrypoint", "a string"),
        ("submission_id", "a string if provided"),
        ("job_id", "a string if provided"),
        ("runtime_env", "a dict"),
        ("metadata", "a dict"),
    ):
        if name in body and not isinstance(body[name], dict if kind == "a dict" else str):
            return f"TypeError: {name} must be {kind}, got {type(body[name])}"
    metadata = body.get("metadata")
    for value in metadata.values() if isinstance(metadata, dict) else ():
        if not isinstance(value, str):
            return f"TypeError: metadata values must be strings, got {type(value)}"
    return None


def traceback(function: str, error: str, *, agent_status: int | None = None) -> str:
    """Returns an error as Ray formats it. `agent_status`: the status of the agent's answer to the dashboard."""
    head = f'Traceback (most recent call last):\n  File "ray/dashboard/modules/job/job.py", line 1, in {function}\n'
    if agent_status is None:
        return f"{head}{error}\n"
    return f"{head}RuntimeError: Request failed with status code {agent_status}: {head}{error}\n.\n"


def version(session_name: str | None) -> dict[str, JsonValue]:
    """Returns the version and the session of the head."""
    return {"version": "4", "ray_version": "2.60.0", "ray_commit": "0" * 40, "session_name": session_name}


def pending(submission_id: str, body: Mapping[str, JsonValue], *, now_ms: int) -> dict[str, JsonValue]:
    """Returns a job that was accepted and has not started."""
    waits_for_env = " It may be waiting for the runtime environment to be set up." if body.get("runtime_env") else ""
    return {
        "type": "SUBMISSION",
        "job_id": None,
        "submission_id": submission_id,
        "driver_info": None,
        "status": "PENDING",
        "entrypoint": body["entrypoint"],
        "message": f"Job has not started yet.{waits_for_env}",
        "error_type": None,
        "start_time": now_ms,
        "end_time": None,
        "metadata": body.get("metadata"),
        "runtime_env": body.get("runtime_env"),
        "driver_agent_http_address": None,
        "driver_node_id": None,
        "driver_exit_code": None,
    }


def running() -> dict[str, JsonValue]:
    """Returns the fields that change when a job starts."""
    return {
        "status": "RUNNING",
        "message": "Job is currently running.",
        "driver_agent_http_address": _AGENT,
        "driver_node_id": _NODE_ID,
    }


def stopped(*, now_ms: int) -> dict[str, JsonValue]:
    """Returns the fields that change when a job was stopped."""
    return {"status": "STOPPED", "message": "Job was intentionally stopped.", "end_time": now_ms}


def ended(exit_code: int, logs: str, *, now_ms: int) -> dict[str, JsonValue]:
    """Returns the fields that change when a job exits. `logs` is its whole output."""
    if exit_code == 0:
        fields: dict[str, JsonValue] = {"status": "SUCCEEDED", "message": "Job finished successfully."}
    else:
        last = "".join(logs.splitlines(keepends=True)[-_MESSAGE_LINES:])[-_MESSAGE_CHARS:]
        last = last.encode(errors="surrogateescape").decode(errors="replace")
        fields = {
            "status": "FAILED",
            "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR",
            "message": f"Job entrypoint command failed with exit code {exit_code}, "
            f"last available logs (truncated to 20,000 chars):\n{last}",
        }
    return fields | {"driver_exit_code": exit_code, "end_time": now_ms}


def without_package(uri: str, *, now_ms: int) -> dict[str, JsonValue]:
    """Returns the fields that change when the `working_dir` of a job was never uploaded."""
    return {
        "status": "FAILED",
        "error_type": "RUNTIME_ENV_SETUP_FAILURE",
        "message": "runtime_env setup failed: Failed to set up runtime environment.\n"
        f"OSError: Failed to download runtime_env file package {uri} from the GCS to the Ray worker node.\n",
        "end_time": now_ms,
    }


def head_node(cpus: float) -> dict[str, JsonValue]:
    """Returns the head node of a cluster."""
    return {
        "node_id": _NODE_ID,
        "node_ip": _NODE_IP,
        "is_head_node": True,
        "state": "ALIVE",
        "state_message": None,
        "node_name": _NODE_IP,
        "resources_total": {
            "CPU": cpus,
            "memory": 4.0 * 1024**3,
            "object_store_memory": 512.0 * 1024**2,
            f"node:{_NODE_IP}": 1.0,
            "node:__internal_head__": 1.0,
        },
        "labels": {"ray.io/node-id": _NODE_ID},
    }


def state_list(entries: Sequence[JsonValue]) -> dict[str, JsonValue]:
    """Returns a list in the form of Ray's state API."""
    count = len(entries)
    listed: dict[str, JsonValue] = {
        "total": count,
        "num_after_truncation": count,
        "num_filtered": count,
        "result": list(entries),
        "partial_failure_warning": "",
        "warnings": None,
    }
    return {"result": True, "msg": "", "data": {"result": listed}}


def cluster_status(nodes: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    """Returns what the autoscaler reports some seconds after the start of the head."""
    alive = [node for node in nodes if node["state"] == "ALIVE"]
    totals: dict[str, float] = {}
    for node in alive:
        resources = node["resources_total"]
        for name, amount in resources.items() if isinstance(resources, dict) else ():
            totals[name] = totals.get(name, 0.0) + (amount if isinstance(amount, float) else 0.0)
    cpus = totals.get("CPU", 0.0)
    usage: dict[str, JsonValue] = {_camel(name): [0.0, total] for name, total in totals.items()}
    active: dict[str, JsonValue] = {_camel(f"node_{node['node_id']}"): 1 for node in alive}
    status: dict[str, JsonValue] = {
        "time": time.time(),
        "autoscalerReport": {"activeNodes": active, "pendingNodes": [], "pendingLaunches": {}, "failedNodes": []},
        "loadMetricsReport": {"usage": usage, "resourceDemand": [], "pgDemand": [], "requestDemand": []},
    }
    text = f"Cluster status: {len(alive)} nodes\n - ResourceUsage: 0.0/{cpus} CPU\nWorker node types:"
    data: dict[str, JsonValue] = {"autoscalingStatus": text, "autoscalingError": None, "clusterStatus": status}
    return {"result": True, "msg": "Got cluster status.", "data": data}


def _camel(name: str) -> str:
    """Returns a key as Ray's dashboard spells it: `object_store_memory` is `objectStoreMemory`."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
