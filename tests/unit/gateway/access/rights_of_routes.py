"""What each endpoint asks of a caller, and what it answers one that may: the table that `test_rights.py` checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from raylane.gateway.access.rights import Right

ASK, READ, OPERATE = Right.ASK, Right.READ, Right.OPERATE


class Of(Enum):
    """Whose business a request is."""

    ALL = "whoever reaches the gateway"
    CALLERS = "any caller"
    OPERATORS = "operators"
    SESSION = "callers of the session"
    JOB = "callers of the job's session"
    RUN = "callers of the session of the run's job, and operators"


@dataclass(frozen=True)
class Case:
    """One request: the endpoint, whose business it is, and how it is answered if the caller may send it.

    In the path, the query and the body, `{session}` and `{job}` are a session and a job of it. All `rights` are
    needed.
    """

    method: str
    path: str
    of: Of
    rights: tuple[Right, ...] = ()
    status: int = 200
    route: str = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> tuple[str, str]:
        """The method and the path of the endpoint as the app has it."""
        return self.method, self.route or self.path.partition("?")[0]


def _session(method: str, path: str, rights: tuple[Right, ...], status: int = 200, **more: Any) -> Case:
    route = path.partition("?")[0].replace("{session}", "{session_id}")
    return Case(method, path, Of.SESSION, rights, status, **{"route": route} | more)


def _job(method: str, path: str, rights: tuple[Right, ...], status: int = 200, **more: Any) -> Case:
    return Case(method, path, Of.JOB, rights, status, **{"route": path.replace("{job}", "{job_id}")} | more)


def _run(method: str, path: str, rights: tuple[Right, ...], status: int) -> Case:
    return Case(
        method, path.replace("{run}", "rl-{job}-1"), Of.RUN, rights, status, path.replace("run}", "submission_id}")
    )


def _operators(method: str, path: str, status: int = 200, **more: Any) -> Case:
    return Case(method, path, Of.OPERATORS, (), status, **more)


_QUESTION: Final = {"kind": "generate", "session_id": "{session}", "request": {"prompt": "count"}}
_LOOK: Final = {"kind": "tables", "request": {"action": "databases"}}
_RUNS: Final = {"kind": "ray", "request": {"action": "runs"}}
_SCRIPT: Final = {"script": {"action": "submit", "code": "print(1)"}}
_PART: Final = {"upload_id": "u", "numbers": [1]}
_WHOLE: Final = {"filename": "a.csv", "size_bytes": 3, "sha256": "0" * 64}
_UPLOAD: Final = f"uploads/{'0' * 32}"
_NOT_YET: Final = 202
# No worker answers, and nothing waits long for one.
_NO_WORKER: Final = 503
_NO_ANSWER: Final = 504
_NOT_OFFERED: Final = 501

CASES: Final = (
    *(Case("GET", path, Of.ALL) for path in ("/", "/health", "/livez", "/openapi.json", "/readyz")),
    Case("GET", "/claude-models", Of.CALLERS),
    _operators("GET", "/metrics"),
    # Jobs
    _session("POST", "/v1/jobs", (ASK,), 202, route="/v1/jobs", body=_QUESTION),
    _session("POST", "/v1/jobs", (ASK,), 202, route="/v1/jobs", body=_LOOK | {"session_id": "{session}"}),
    _session("POST", "/v1/jobs", (ASK,), 202, route="/v1/jobs", body=_QUESTION, headers={"Idempotency-Key": "k"}),
    _operators("POST", "/v1/jobs", 202, body=_LOOK),
    _operators("POST", "/v1/jobs", 202, body=_RUNS),
    _session("GET", "/v1/jobs?session_id={session}", (READ,)),
    _operators("GET", "/v1/jobs"),
    _job("GET", "/v1/jobs/{job}", (READ,)),
    _job("GET", "/v1/jobs/{job}/events", (READ,)),
    _job("GET", "/v1/jobs/{job}/result", (READ,)),
    _job("GET", "/v1/jobs/{job}/answer", (READ,)),
    _job("GET", "/v1/jobs/{job}/attempts", (READ,)),
    _job("GET", "/v1/jobs/{job}/files", (READ,)),
    _job("GET", "/v1/jobs/{job}/files/none.csv", (READ,), 404, route="/v1/jobs/{job_id}/files/{name}"),
    _job("POST", "/v1/jobs/{job}/cancel", (ASK,)),
    _job("POST", "/v1/jobs/{job}/retry", (ASK,), 409),
    _job("POST", "/v1/jobs/{job}/rerun", (ASK,), 202),
    _job("POST", "/v1/jobs/{job}/restore", (ASK, READ)),
    # Sessions
    _session("GET", "/v1/sessions/{session}/sources", (READ,)),
    _session(
        "DELETE",
        "/v1/sessions/{session}/sources/none.csv",
        (ASK,),
        404,
        route="/v1/sessions/{session_id}/sources/{name}",
    ),
    _session("GET", "/v1/sessions/{session}/history", (READ,)),
    _session("POST", "/v1/sessions/{session}/reset", (ASK,)),
    _session("POST", "/v1/sessions/{session}/reset?purge=true", (ASK,), 202),
    _session(
        "PUT", "/v1/sessions/{session}/files/a.csv", (ASK,), 202, route="/v1/sessions/{session_id}/files/{filename}"
    ),
    _session(
        "PUT",
        "/v1/sessions/{session}/previews/a.csv",
        (ASK,),
        _NOT_YET,
        route="/v1/sessions/{session_id}/previews/{filename}",
    ),
    _session("POST", "/v1/sessions/{session}/uploads", (ASK,), _NO_WORKER, body={"filename": "a.csv"}),
    _session(
        "POST",
        f"/v1/sessions/{{session}}/{_UPLOAD}/parts",
        (ASK,),
        _NO_WORKER,
        route="/v1/sessions/{session_id}/uploads/{upload}/parts",
        body=_PART,
    ),
    _session(
        "POST",
        f"/v1/sessions/{{session}}/{_UPLOAD}/complete",
        (ASK,),
        202,
        route="/v1/sessions/{session_id}/uploads/{upload}/complete",
        body=_WHOLE,
    ),
    # The catalog
    _session("GET", "/v1/catalog/databases?session_id={session}", (ASK,), _NOT_YET),
    _operators("GET", "/v1/catalog/databases", _NOT_YET),
    _session(
        "GET",
        "/v1/catalog/databases/shop/tables?session_id={session}",
        (ASK,),
        _NOT_YET,
        route="/v1/catalog/databases/{database}/tables",
    ),
    # The cluster
    *(_operators("GET", path, _NOT_YET) for path in ("/v1/cluster", "/v1/cluster/endpoints", "/v1/cluster/nodes")),
    _operators("GET", "/v1/cluster/slots"),
    _operators("GET", "/v1/runs", _NOT_YET),
    _operators("POST", "/v1/runs", 202, body=_SCRIPT),
    _run("GET", "/v1/runs/{run}", (READ,), _NOT_YET),
    _run("GET", "/v1/runs/{run}/logs", (READ,), _NOT_YET),
    _run("POST", "/v1/runs/{run}/stop", (ASK,), _NOT_YET),
    _operators("GET", "/v1/runs/of-another-program", _NOT_YET, route="/v1/runs/{submission_id}"),
    _operators("DELETE", "/v1/runs/rl-{job}-1", _NOT_YET, route="/v1/runs/{submission_id}"),
    # The queue
    _operators("GET", "/v1/lanes"),
    _operators("GET", "/v1/workers"),
    _operators("GET", "/v1/dead-letters"),
    _operators("POST", "/v1/dead-letters/requeue", body={}),
    _operators("GET", "/v1/audit"),
    _operators("GET", "/v1/settings"),
    _operators("PUT", "/v1/settings/ray.max_runs", route="/v1/settings/{name}", body={"value": "3"}),
    _operators("DELETE", "/v1/settings/ray.max_runs", 204, route="/v1/settings/{name}"),
    # The original app
    _operators("GET", "/ray/status", _NO_ANSWER),
    _operators("GET", "/ray/jobs", _NO_ANSWER),
    _run("GET", "/ray/jobs/{run}/logs", (READ,), _NO_ANSWER),
    _run("POST", "/ray/jobs/{run}/stop", (ASK,), _NO_ANSWER),
    _operators("GET", "/settings"),
    _operators("POST", "/settings", body={}),
    _operators("POST", "/settings/restore-defaults"),
    _session("POST", "/execute?wait=0", (ASK,), 409, body={"session_id": "{session}", "code": "import raylane_run"}),
    _session("POST", "/generate?wait=0", (ASK,), 202, body={"session_id": "{session}", "prompt": "count"}),
    _session("GET", "/glue/databases?session_id={session}", (ASK,), _NO_ANSWER),
    _operators("GET", "/glue/databases", _NO_ANSWER),
    _session("GET", "/glue/tables/shop?session_id={session}", (ASK,), _NO_ANSWER, route="/glue/tables/{database}"),
    _session("POST", "/sessions/{session}/select-tables", (ASK,), body={"tables": []}),
    _session("POST", "/sessions/{session}/reset", (ASK,)),
    _session("POST", "/sessions/{session}/clear-csv", (ASK,)),
    _session("GET", "/history/{session}", (READ,)),
    _session(
        "POST",
        "/upload-csv",
        (ASK,),
        _NO_ANSWER,
        body={"session_id": "{session}", "filename": "a.csv", "content": "a\n1\n"},
    ),
    *(
        Case(method, path, Of.CALLERS, (), _NOT_OFFERED)
        for method, path in (
            ("POST", "/postgres/test-connection"),
            ("POST", "/postgres/connections"),
            ("GET", "/postgres/connections"),
            ("GET", "/postgres/{connection_name}/databases"),
            ("GET", "/postgres/{connection_name}/schemas/{database}"),
            ("GET", "/postgres/{connection_name}/tables/{database}/{schema}"),
            ("POST", "/sessions/{session_id}/select-postgres-tables"),
            ("POST", "/spark/generate"),
            ("POST", "/spark/execute"),
            ("GET", "/spark/config"),
            ("GET", "/spark/status"),
            ("POST", "/spark/upload-csv"),
            ("POST", "/upload"),
            ("POST", "/analyze"),
        )
    ),
)
