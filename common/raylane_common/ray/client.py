"""The Ray client: Ray's Jobs API, typed, over whichever address of the cluster works."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from raylane_common.errors import InvalidRequest
from raylane_common.limits import SUBMISSION_ID_PATTERN
from raylane_common.ray.answers import check, read, read_flag, read_logs, unexpected
from raylane_common.ray.calls import VERSION, Calls, Deadline
from raylane_common.ray.models import RayJob, RayLogs, RayVersion
from raylane_common.ray.submission import NewRun, submit
from raylane_common.ray.transport import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from pydantic import JsonValue

    from raylane_common.ray.answers import Answer
    from raylane_common.ray.models import EndpointReport, Submission
    from raylane_common.ray.package import Package
    from raylane_common.settings import RaySettings

DEFAULT_LOG_BYTES: Final = 1024 * 1024

# The most that JSON takes for one byte of text: \u0001.
_ESCAPED_BYTES: Final = 6


class RayClient:
    """Jobs on one Ray cluster. Safe to share between tasks of one event loop; close it with `aclose()`.

    Opens nothing until the first call. Every call has one deadline over all addresses (`ray.request_timeout_s`;
    `ray.submit_timeout_s` for `submit` and `logs`). Every call raises `RayUnreachable` if no address answers,
    `RayAuth` if the token is refused, `RayRejected` or `RayServerError` if Ray says no, and `InvalidRequest` for a
    submission id that Ray could not take, or if no address is configured. The constructor raises it for an invalid one.
    """

    def __init__(self, settings: RaySettings) -> None:
        self._settings = settings
        self._calls = Calls(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends background probes and closes connections. The client cannot be used afterwards."""
        await self._calls.aclose()

    def endpoints(self) -> tuple[EndpointReport, ...]:
        """What this client knows of each address now; asks nobody."""
        return self._calls.reports()

    async def version(self) -> RayVersion:
        """Ray's version. Proves that an address leads to the cluster, not that jobs can run."""
        return read(RayVersion, await self._send(VERSION, "tell its version"))

    async def submit(
        self,
        *,
        submission_id: str,
        entrypoint: str,
        package: Package | None = None,
        env_vars: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Submission:
        """Uploads the package, then submits the job, which Ray runs at most once however often this is called.

        `entrypoint` is a shell command, run in the unpacked package. Ray shows `env_vars` to everybody: no secrets.
        Raises `RayJobExists` if the id belongs to another job, and `SubmitOutcomeUnknown` if it could not be found
        out by the deadline whether Ray has the job. After `RayUnreachable` it certainly does not.
        """
        _valid(submission_id)
        if not entrypoint.strip():
            raise InvalidRequest.field("entrypoint", "must not be empty")
        deadline = Deadline(self._settings.submit_timeout_s)
        runtime_env: dict[str, JsonValue] = {}
        if env_vars:
            runtime_env["env_vars"] = {name: str(value) for name, value in env_vars.items()}
        if package is not None:
            path = f"/api/packages/gcs/{package.name}"
            upload = Request("PUT", path, data=package.data, answers_json=False)
            check(await self._calls.exchange(upload, deadline), f"store the package of {submission_id}")
            runtime_env["working_dir"] = package.uri
        new = NewRun(
            submission_id=submission_id,
            entrypoint=entrypoint,
            runtime_env=runtime_env,
            metadata={name: str(value) for name, value in (metadata or {}).items()},
        )
        return await submit(self._calls, new, deadline, look_timeout_s=self._settings.request_timeout_s)

    async def job(self, submission_id: str) -> RayJob:
        """One job as it is now. Raises `RayJobNotFound`."""
        path = f"/api/jobs/{_valid(submission_id)}"
        return read(RayJob, await self._send(Request("GET", path), f"find {submission_id}"))

    async def jobs(self) -> list[RayJob]:
        """Every job of the cluster, newest first, whoever submitted it; one that has not started comes first."""
        answer = await self._send(Request("GET", "/api/jobs/"), "list its jobs")
        return await asyncio.to_thread(_read_jobs, answer)

    async def logs(self, submission_id: str, *, max_bytes: int = DEFAULT_LOG_BYTES) -> RayLogs:
        """What the job has printed so far: the last `max_bytes` of it, as UTF-8. Raises `RayJobNotFound`."""
        path = f"/api/jobs/{_valid(submission_id)}/logs"
        if max_bytes < 1:
            raise InvalidRequest.field("max_bytes", "must be at least 1")
        request = Request("GET", path, tail_bytes=_ESCAPED_BYTES * max_bytes + 64)
        answer = await self._send(request, f"read the logs of {submission_id}", self._settings.submit_timeout_s)
        text, truncated = await asyncio.to_thread(read_logs, answer, max_bytes=max_bytes)
        return RayLogs(text=text, truncated=truncated, endpoint=answer.endpoint)

    async def stop(self, submission_id: str) -> bool:
        """Asks Ray to stop a job; False if it had ended before. It stops a moment later. Raises `RayJobNotFound`."""
        path = f"/api/jobs/{_valid(submission_id)}/stop"
        return read_flag(await self._send(Request("POST", path), f"stop {submission_id}"), "stopped")

    async def delete(self, submission_id: str) -> bool:
        """Makes Ray forget a job that has ended, which frees its id for another one.

        Raises `RayRejected` while the job runs, and `RayJobNotFound`, also if it is gone because the first answer to
        this very call was lost.
        """
        path = f"/api/jobs/{_valid(submission_id)}"
        return read_flag(await self._send(Request("DELETE", path), f"delete {submission_id}"), "deleted")

    async def _send(self, request: Request, doing: str, timeout_s: float | None = None) -> Answer:
        answer = await self._calls.exchange(request, Deadline(timeout_s or self._settings.request_timeout_s))
        check(answer, doing)
        return answer


def _valid(submission_id: str) -> str:
    if not re.fullmatch(SUBMISSION_ID_PATTERN, submission_id):
        raise InvalidRequest.field(
            "submission_id", "must be 1 to 64 letters, digits, '-' and '_', the first a letter or digit"
        )
    return submission_id


def _read_jobs(answer: Answer) -> list[RayJob]:
    if not isinstance(answer.data, list):
        raise unexpected(answer, "list of jobs")
    jobs = [read(RayJob, replace(answer, data=entry)) for entry in answer.data]
    return sorted(jobs, key=lambda job: (job.start_time_ms is None, job.start_time_ms or 0), reverse=True)
