"""A fake Ray cluster over real HTTP, with Ray's quirks. Runs end when the test says so."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web

from raylane.testing.ray import replies
from raylane.testing.ray.auth import refusal
from raylane.testing.ray.tail import is_readable, tail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import JsonValue

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SESSION: Final = "session_2026-01-01_00-00-00_000000_"
_LARGEST_BODY_BYTES: Final = 100 * 1024 * 1024
_RESERVED: Final[tuple[str, ...]] = ("entrypoint_num_cpus", "entrypoint_memory")
_OPEN_TO_ALL: Final = ("/api/gcs_healthz", "/api/authentication_mode")


@dataclass
class FakeRay:
    """The state of one cluster, which executes no code. `Address` makes it reachable; it may have several addresses.

    A run is under way from its submission until `end()`. All state may be read and changed at any time: `jobs` has
    Ray's answer for each run by submission id, `logs` the output, `packages` the uploaded zips by name, and `nodes` the
    machines. `submissions` counts the accepted runs.

    It answers requests for runs and their logs, packages, version, health, nodes and cluster status as Ray 2.60 does:
    the same tests pass against both.
    """

    session_name: str | None = _SESSION + "1"
    """Changes with each start of the head; see `restart`."""
    token: str | None = None
    """The token that requests must have as `Authorization: Bearer …`; None: no authentication."""
    jobs: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    reserved: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    """`entrypoint_num_cpus` and `entrypoint_memory` of each submission that has them. The fake ignores them."""
    nodes: list[dict[str, JsonValue]] = field(default_factory=lambda: [replies.head_node(cpus=2.0)])
    submissions: int = 0
    error: tuple[int, str] | None = None
    """Status and text of the answer to every request, except for version, health and authentication mode.

    The text must be one that Ray sends, such as `"Traceback (most recent call last):\\nRuntimeError: why"` with status
    500. The client takes any other text for the answer of a proxy, and asks the next address.
    """
    on_start: Callable[[str], object] | None = None
    """Called with the submission id of each run that starts."""
    starts: bool = True
    """False: new runs stay pending until `start()`."""
    gcs_healthy: bool = True
    """False: requests for the health are answered with 503, as if the control store was down. Nothing else changes."""
    _lives: int = 1
    _last_ms: int = 0

    def start(self, submission_id: str) -> None:
        """Starts a pending run; does nothing if it has already started. Raises `KeyError` for an unknown id."""
        job = self.jobs[submission_id]
        if job["status"] == "PENDING":
            job.update(replies.running())
            self.write(submission_id, f"Running entrypoint for job {submission_id}: {job['entrypoint']}\n")
            if self.on_start is not None:
                self.on_start(submission_id)

    def write(self, submission_id: str, text: str | bytes) -> None:
        """Adds `text` to the output of a run, without a line break. Raises `KeyError` for an unknown id.

        As in Ray, a carriage return becomes a line break, and a log with bytes that are not UTF-8 can never be read.
        """
        if isinstance(text, bytes):
            text = text.decode(errors="surrogateescape")
        if submission_id not in self.jobs:
            raise KeyError(submission_id)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        self.logs[submission_id] = self.logs.get(submission_id, "") + text

    def end(self, submission_id: str, *, exit_code: int = 0) -> None:
        """Ends a run with this exit code, and starts it first if it is pending. Does nothing if it has already ended.

        Raises `KeyError` for an unknown id.
        """
        self.start(submission_id)
        job = self.jobs[submission_id]
        if job["status"] == "RUNNING":
            job.update(replies.ended(exit_code, self.logs.get(submission_id, ""), now_ms=self._now_ms()))

    def restart(self) -> None:
        """Restarts the head: it has another session name, and no runs, logs or packages. Followed logs break off."""
        self._lives += 1
        self.session_name = f"{_SESSION}{self._lives}"
        for lost in (self.jobs, self.logs, self.packages):
            lost.clear()

    def application(self) -> web.Application:
        """Returns Ray's routes, with their exact slashes, for a server of your own. `Address` uses it."""
        app = web.Application(client_max_size=_LARGEST_BODY_BYTES, middlewares=[self._guard])
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/api/version", self._version),
            ("GET", "/api/gcs_healthz", self._health),
            ("GET", "/api/authentication_mode", self._authentication_mode),
            ("GET", "/api/cluster_status", self._cluster_status),
            ("GET", "/api/v0/nodes", self._nodes),
            ("GET", "/api/packages/gcs/{name}", self._get_package),
            ("PUT", "/api/packages/gcs/{name}", self._put_package),
            ("POST", "/api/jobs/", self._submit),
            ("GET", "/api/jobs/", self._list),
            ("GET", "/api/jobs/{id}", self._of_job(self._job)),
            ("DELETE", "/api/jobs/{id}", self._of_job(self._delete, "delete")),
            ("GET", "/api/jobs/{id}/logs", self._of_job(self._logs, "get logs of")),
            ("GET", "/api/jobs/{id}/logs/tail", self._tail),
            ("POST", "/api/jobs/{id}/stop", self._of_job(self._stop, "stop")),
        ]
        app.add_routes([web.route(method, path, handler) for method, path, handler in routes])
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_open = request.path in _OPEN_TO_ALL
        if refused := refusal(request, None if is_open else self.token):
            return refused
        if self.error is not None and request.path != "/api/version" and not is_open:
            status, text = self.error
            return web.Response(status=status, text=text)
        return await handler(request)

    async def _version(self, request: web.Request) -> web.Response:
        return _json(replies.version(self.session_name))

    async def _health(self, request: web.Request) -> web.Response:
        if not self.gcs_healthy:
            raise web.HTTPServiceUnavailable(reason="Health check failed")
        return web.Response(text="success", content_type="application/text")

    async def _authentication_mode(self, request: web.Request) -> web.Response:
        return _json({"authentication_mode": "disabled" if self.token is None else "token"})

    async def _cluster_status(self, request: web.Request) -> web.Response:
        return _json(replies.cluster_status(self.nodes))

    async def _nodes(self, request: web.Request) -> web.Response:
        return _json(replies.state_list(self.nodes))

    async def _get_package(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.packages:
            return web.Response(status=404, text=f"Package gcs://{name} does not exist")
        return web.Response()

    async def _put_package(self, request: web.Request) -> web.Response:
        self.packages[request.match_info["name"]] = await request.read()
        return web.Response()

    async def _submit(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return web.Response(status=500, text="500 Internal Server Error\n\nServer got itself in trouble")
        body = {name: value for name, value in body.items() if value is not None}
        if error := replies.invalid(body):
            return web.Response(status=400, text=replies.traceback("parse_and_validate_request", error))
        submission_id = body.get("submission_id") or body.get("job_id") or f"raysubmit_{secrets.token_hex(8)}"
        if submission_id in self.jobs:
            error = f"Job with submission_id {submission_id} already exists. Please use a different submission_id."
            return _agent_failed("submit_job", f"ValueError: {error}", status=400)
        self._accept(submission_id, body)
        return _json({"job_id": submission_id, "submission_id": submission_id})

    def _accept(self, submission_id: str, body: dict[str, JsonValue]) -> None:
        self.submissions += 1
        amounts: dict[str, JsonValue] = {name: body[name] for name in _RESERVED if name in body}
        if amounts:
            self.reserved[submission_id] = amounts
        job = self.jobs[submission_id] = replies.pending(submission_id, body, now_ms=self._now_ms())
        # A deleted job leaves its log file behind, and the next job with that id appends to it.
        self.logs[submission_id] = self.logs.get(submission_id, "") + replies.FIRST_LOG_LINE
        environment = body.get("runtime_env")
        uri = environment.get("working_dir") if isinstance(environment, dict) else None
        if isinstance(uri, str) and uri.startswith("gcs://") and uri.removeprefix("gcs://") not in self.packages:
            job.update(replies.without_package(uri, now_ms=self._now_ms()))
        elif self.starts:
            self.start(submission_id)

    async def _list(self, request: web.Request) -> web.Response:
        return _json(list(self.jobs.values()))

    async def _job(self, submission_id: str) -> web.Response:
        return _json(self.jobs[submission_id])

    async def _logs(self, submission_id: str) -> web.Response:
        text = self._printed(submission_id)
        if not is_readable(text):
            return _agent_failed("get_job_logs", "UnicodeDecodeError: 'utf-8' codec can't decode byte", status=500)
        return _json({"logs": text})

    async def _tail(self, request: web.Request) -> web.StreamResponse:
        submission_id, life = request.match_info["id"], self._lives

        def look() -> tuple[str, bool] | None:
            if life != self._lives or submission_id not in self.jobs:
                return None
            return self._printed(submission_id), self.jobs[submission_id]["status"] in replies.FINAL

        return self._rejection(submission_id, "get logs of") or await tail(request, look)

    async def _stop(self, submission_id: str) -> web.Response:
        job = self.jobs[submission_id]
        stopping = job["status"] not in replies.FINAL
        if stopping:
            job.update(replies.stopped(now_ms=self._now_ms()))
        return _json({"stopped": stopping})

    async def _delete(self, submission_id: str) -> web.Response:
        status = self.jobs[submission_id]["status"]
        if status not in replies.FINAL:
            error = f"Attempted to delete job '{submission_id}', but it is in a non-terminal state {status}."
            return _agent_failed("delete_job", f"RuntimeError: {error}", status=500)
        del self.jobs[submission_id]
        return _json({"deleted": True})

    def _of_job(self, answer: Callable[[str], Awaitable[web.Response]], doing: str | None = None) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            submission_id = request.match_info["id"]
            return self._rejection(submission_id, doing) or await answer(submission_id)

        return handler

    def _rejection(self, submission_id: str, doing: str | None) -> web.Response | None:
        """Returns the answer that rejects a request, or None. `doing` is set if only submitted jobs support it."""
        if submission_id not in self.jobs:
            return web.Response(status=404, text=f"Job {submission_id} does not exist")
        if doing is not None and self.jobs[submission_id]["type"] != "SUBMISSION":
            return web.Response(status=400, text=f"Can only {doing} submission type jobs")
        return None

    def _printed(self, submission_id: str) -> str:
        """Returns the log. Ray asks the node of the job for it, so it is empty until a node runs the job."""
        has_node = self.jobs[submission_id].get("driver_agent_http_address") is not None
        return self.logs.get(submission_id, "") if has_node else ""

    def _now_ms(self) -> int:
        """Returns the time, never the same twice, so that jobs have an order."""
        self._last_ms = max(self._last_ms + 1, int(time.time() * 1000))
        return self._last_ms


def _json(data: JsonValue) -> web.Response:
    return web.Response(text=json.dumps(data), content_type="application/json")


def _agent_failed(function: str, error: str, *, status: int) -> web.Response:
    """Returns the 500 that the dashboard makes of any error of its agent."""
    return web.Response(status=500, text=replies.traceback(function, error, agent_status=status))
