"""A small Ray head over real HTTP, quirks included, and addresses in front of it that can be broken at will."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pydantic import JsonValue

HOST = "127.0.0.1"
JSON = "application/json"


class Break(StrEnum):
    """What is wrong with an address."""

    BAD_GATEWAY = "bad gateway"
    UNAVAILABLE = "unavailable"
    REDIRECT = "redirect"
    PAGE = "page"
    NEVER_ANSWERS = "never answers"
    CUT_BEFORE = "connection cut before Ray saw the request"
    CUT_AFTER = "connection cut after Ray did what was asked"
    CUT_IN_BODY = "connection cut in the middle of the answer"
    GATEWAY_AFTER = "502 after Ray did what was asked"


@dataclass
class FakeRay:
    """The state of one cluster. Several addresses may lead to it."""

    session_name: str | None = "session_2026-01-01_00-00-00_000000_1"
    token: str | None = None
    jobs: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    submissions: int = 0
    error: tuple[int, str] | None = None
    on_start: Callable[[str], object] | None = None

    def end(self, submission_id: str, *, exit_code: int = 0) -> None:
        """The run ends by itself, if it has not been stopped; until then it runs."""
        job = self.jobs[submission_id]
        if job["status"] == "RUNNING":
            status = "FAILED" if exit_code else "SUCCEEDED"
            job.update(status=status, driver_exit_code=exit_code, end_time=2_000_000)

    def application(self) -> web.Application:
        """Ray's routes, each with its exact slashes."""
        app = web.Application(client_max_size=100 * 1024 * 1024, middlewares=[self._guard])
        app.router.add_get("/api/version", self._version)
        app.router.add_put("/api/packages/gcs/{name}", self._put_package)
        app.router.add_post("/api/jobs/", self._submit)
        app.router.add_get("/api/jobs/", self._list)
        app.router.add_get("/api/jobs/{id}", self._with_job(self._job))
        app.router.add_delete("/api/jobs/{id}", self._with_job(self._delete))
        app.router.add_get("/api/jobs/{id}/logs", self._with_job(self._logs))
        app.router.add_post("/api/jobs/{id}/stop", self._with_job(self._stop))
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.token is not None:
            sent = request.headers.get("Authorization")
            if sent is None:
                return web.Response(status=401, text="Unauthorized: Missing authentication token")
            if sent != f"Bearer {self.token}":
                return web.Response(status=403, text="Forbidden: Invalid authentication token")
        if self.error is not None and request.path != "/api/version":
            status, text = self.error
            return web.Response(status=status, text=text)
        return await handler(request)

    async def _version(self, request: web.Request) -> web.Response:
        return _json({"version": "4", "ray_version": "2.60.0", "ray_commit": "0", "session_name": self.session_name})

    async def _put_package(self, request: web.Request) -> web.Response:
        self.packages[request.match_info["name"]] = await request.read()
        return web.Response()

    async def _submit(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.Response(status=500, text="500 Internal Server Error\n\nServer got itself in trouble")
        if not body.get("entrypoint"):
            return web.Response(status=400, text="Traceback (most recent call last):\n  x\nTypeError: no entrypoint\n")
        submission_id = body["submission_id"]
        if submission_id in self.jobs:
            return web.Response(
                status=500,
                text="Traceback (most recent call last):\n  x\nRuntimeError: Request failed with status code 400: "
                f"Traceback (most recent call last):\n  x\nValueError: Job with submission_id {submission_id} already "
                "exists. Please use a different submission_id.\n.\n",
            )
        self.submissions += 1
        self.jobs[submission_id] = {
            "type": "SUBMISSION",
            "job_id": None,
            "submission_id": submission_id,
            "status": "RUNNING",
            "entrypoint": body["entrypoint"],
            "message": "Job is currently running.",
            "start_time": 1_000 + len(self.jobs),
            "end_time": None,
            "metadata": body.get("metadata"),
            "runtime_env": body.get("runtime_env"),
            "something_new": {"a": 1},
        }
        self.logs[submission_id] = "hello\n"
        if self.on_start is not None:
            self.on_start(submission_id)
        return _json({"job_id": submission_id, "submission_id": submission_id})

    async def _list(self, request: web.Request) -> web.Response:
        return _json(list(self.jobs.values()))

    async def _job(self, submission_id: str) -> web.Response:
        return _json(self.jobs[submission_id])

    async def _logs(self, submission_id: str) -> web.Response:
        return _json({"logs": self.logs[submission_id]})

    async def _stop(self, submission_id: str) -> web.Response:
        running = self.jobs[submission_id]["status"] == "RUNNING"
        if running:
            self.jobs[submission_id]["status"] = "STOPPED"
        return _json({"stopped": running})

    async def _delete(self, submission_id: str) -> web.Response:
        if self.jobs[submission_id]["status"] == "RUNNING":
            return web.Response(
                status=500,
                text="Traceback (most recent call last):\n  x\nRuntimeError: Request failed with status code 500: "
                "Traceback (most recent call last):\n  x\n"
                f"RuntimeError: Attempted to delete job '{submission_id}', but it is in a non-terminal state RUNNING.\n"
                ".\n",
            )
        del self.jobs[submission_id]
        return _json({"deleted": True})

    def _with_job(
        self, answer: Callable[[str], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            submission_id = request.match_info["id"]
            if submission_id not in self.jobs:
                return web.Response(status=404, text=f"Job {submission_id} does not exist")
            return await answer(submission_id)

        return handler


class Address:
    """One address of a cluster: `async with Address(ray) as address`. Counts what reaches it; breaks as told.

    `break_with` holds for every request whose line ("POST /api/jobs/") starts with `break_only`, at most
    `break_times` times.
    """

    def __init__(self, ray: FakeRay, broken: Break | None = None) -> None:
        self.ray = ray
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.waiting = 0
        self.break_with(broken)
        self._port = 0
        self._runner: web.AppRunner | None = None

    def break_with(self, broken: Break | None, *, only: str = "", times: int = 1_000_000) -> None:
        """From now on, what goes wrong here; None: nothing."""
        self._turns: list[Break | None] = []
        self._broken, self._only, self._times = broken, only, times

    def break_in_turn(self, turns: Sequence[Break | None], *, then: Break | None = None) -> None:
        """What goes wrong with each of the next requests, and with those that follow."""
        self.break_with(then)
        self._turns = list(turns)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        server = self._runner.server if self._runner else None
        return len(server.connections) if server else 0

    def count(self, line: str) -> int:
        """How many requests with this line came here."""
        return self.requests.count(line)

    async def open(self) -> None:
        """Listens, after the first time on the same port again."""
        app = self.ray.application()
        app.middlewares.insert(0, self._break)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """From now on connections are refused; those that are open are closed."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @web.middleware
    async def _break(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.requests.append(line)
        self.headers.append(dict(request.headers))
        broken = self._turns.pop(0) if self._turns else self._broken
        if broken is None or self._times < 1 or not line.startswith(self._only):
            return await handler(request)
        self._times -= 1
        match broken:
            case Break.BAD_GATEWAY | Break.UNAVAILABLE:
                return web.Response(status=502 if broken is Break.BAD_GATEWAY else 503, text="no healthy upstream")
            case Break.REDIRECT:
                return web.Response(status=302, headers={"Location": f"http://{HOST}:{self._port}/login"})
            case Break.PAGE:
                return web.Response(text="<html>Welcome</html>", content_type="text/html")
            case Break.NEVER_ANSWERS:
                self.waiting += 1
                await asyncio.Event().wait()
        if broken is not Break.CUT_BEFORE:
            await request.read()
            answer = await handler(request)
            if broken is Break.GATEWAY_AFTER:
                return web.Response(status=502, text="upstream timed out")
            if broken is Break.CUT_IN_BODY:
                response = web.StreamResponse(headers={"Content-Type": JSON, "Content-Length": "1000"})
                await response.prepare(request)
                await response.write(getattr(answer, "body", b"{")[:5])
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def _json(data: JsonValue) -> web.Response:
    return web.Response(text=json.dumps(data), content_type=JSON)
