"""The Ray client: Ray's Jobs API, typed, over whichever address of the cluster works."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from raylane_common.errors import InvalidRequest
from raylane_common.limits import SUBMISSION_ID_PATTERN
from raylane_common.ray.answers import check, parse, read, read_flag, read_logs, shorten, unexpected
from raylane_common.ray.calls import VERSION, Calls, Deadline
from raylane_common.ray.lifecycle import OUTAGE_PATIENCE_S, stop_and_confirm, wait_for_end
from raylane_common.ray.models import ClusterStatus, RayHealth, RayJob, RayLogs, RayNode, RayVersion
from raylane_common.ray.observe import RayCounters
from raylane_common.ray.submission import NewRun, submit
from raylane_common.ray.tail import LogTail
from raylane_common.ray.transport import Request
from raylane_common.secrets import refuse_credentials

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from types import TracebackType

    from pydantic import JsonValue

    from raylane_common.ray.answers import Answer
    from raylane_common.ray.models import EndpointReport, LogPiece, RayJobStatus, RayStop, Submission
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.package import Package
    from raylane_common.ray.settings import RaySettings

DEFAULT_LOG_BYTES: Final = 1024 * 1024

# The most that JSON takes for one byte of text: \u0001.
_ESCAPED_BYTES: Final = 6


class RayClient:
    """Jobs on one Ray cluster. Safe to share between tasks of one event loop; close it with `aclose()`.

    Opens nothing until the first call. Every call has one deadline over all addresses (`ray.request_timeout_s`;
    `ray.submit_timeout_s` for packages, `submit` and `logs`). Every call raises `RayUnreachable` if no address
    answers (`WrongCluster` or `RayInsecure` if what answers must not be used), `RayAuth` if the token is refused,
    `RayRejected` or `RayServerError` if Ray says no, and `InvalidRequest` for a submission id that Ray could not take,
    or if no address is configured. The constructor raises it for an invalid one.

    `observer` is told of every request and every change; left out, `client.counters` counts them.
    """

    def __init__(self, settings: RaySettings, *, observer: RayObserver | None = None) -> None:
        self._settings = settings
        self.counters = RayCounters()
        self._observer = observer or self.counters
        self._calls = Calls(settings, self._observer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends background probes and closes connections. The client cannot be used afterwards."""
        await self._calls.aclose()

    async def use(self, settings: RaySettings) -> None:
        """Takes other settings from now on, addresses included, and finds out anew which of them work.

        Raises `InvalidRequest` for addresses that cannot be used; then nothing changes.
        """
        if settings != self._settings:
            await self._calls.use(settings)
            self._settings = settings

    def endpoints(self) -> tuple[EndpointReport, ...]:
        """What this client knows of each address now; asks nobody."""
        return self._calls.reports()

    async def version(self) -> RayVersion:
        """Ray's version. Proves that an address leads to the cluster, not that jobs can run."""
        return read(RayVersion, await self._send(VERSION, "tell its version"))

    async def health(self) -> RayHealth:
        """Whether the head's control store answers, without which no job can be looked at or run."""
        version = await self.version()
        request = Request("health", "GET", "/api/gcs_healthz", answers_json=False, answers_503=True)
        answer = await self._calls.exchange(request, Deadline(self._settings.request_timeout_s))
        if answer.status != 503:
            check(answer, "tell its health")
        return RayHealth(
            ray_version=version.ray_version,
            gcs_ok=answer.is_ok,
            said=shorten(answer.body),
            endpoint=answer.endpoint,
        )

    async def cluster_status(self) -> ClusterStatus:
        """Use of resources and pending demand, as text for people."""
        answer = await self._send(Request("cluster", "GET", "/api/cluster_status"), "tell its status")
        match answer.data:
            case {"data": {"autoscalingStatus": str(text)}}:
                return ClusterStatus(text=text, endpoint=answer.endpoint)
            case {"data": {"clusterStatus": _}}:
                return ClusterStatus(text="", endpoint=answer.endpoint)
        raise unexpected(answer, "cluster status")

    async def nodes(self) -> list[RayNode]:
        """The cluster's nodes, the head first."""
        answer = await self._send(Request("nodes", "GET", "/api/v0/nodes"), "list its nodes")
        match answer.data:
            case {"data": {"result": {"result": list(found)}}}:
                nodes = [parse(RayNode, node, answer) for node in found]
                return sorted(nodes, key=lambda node: not node.is_head_node)
        raise unexpected(answer, "list of nodes")

    async def has_package(self, package: Package) -> bool:
        """Whether the cluster has the package; if so it keeps it for another ten minutes."""
        request = Request("package", "GET", f"/api/packages/gcs/{package.name}", answers_json=False)
        answer = await self._calls.exchange(request, Deadline(self._settings.submit_timeout_s))
        if answer.status == 404:
            return False
        check(answer, f"look for the package {package.name}")
        return True

    async def upload_package(self, package: Package) -> None:
        """Gives the cluster the package, which it drops after ten minutes unless a job uses it; may be repeated."""
        await self._upload(package, Deadline(self._settings.submit_timeout_s))

    async def submit(
        self,
        *,
        submission_id: str,
        entrypoint: str,
        package: Package | None = None,
        env_vars: Mapping[str, str] | None = None,
        pip: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> Submission:
        """Uploads the package, then submits the job, which Ray runs at most once however often this is called.

        `entrypoint` is a shell command, run in the unpacked package; `pip` are requirements that Ray installs for it.
        Ray shows `env_vars` to everybody: no secrets. Raises `RunExists` if the id belongs to another job, and
        `SubmitOutcomeUnknown` if it could not be found out by the deadline whether Ray has the job. After
        `RayUnreachable` it certainly does not.
        """
        _valid(submission_id)
        if not entrypoint.strip():
            raise InvalidRequest.field("entrypoint", "must not be empty")
        deadline = Deadline(self._settings.submit_timeout_s)
        runtime_env: dict[str, JsonValue] = {}
        if env_vars:
            runtime_env["env_vars"] = {name: str(value) for name, value in env_vars.items()}
        if pip:
            runtime_env["pip"] = list(pip)
        refuse_credentials(env_vars or {}, pip)
        await self._calls.make_sure()
        if package is not None:
            await self._upload(package, deadline)
            runtime_env["working_dir"] = package.uri
        new = NewRun(
            submission_id=submission_id,
            entrypoint=entrypoint,
            runtime_env=runtime_env,
            metadata={name: str(value) for name, value in (metadata or {}).items()},
        )
        return await submit(
            self._calls, new, deadline, look_timeout_s=self._settings.request_timeout_s, observer=self._observer
        )

    async def job(self, submission_id: str) -> RayJob:
        """One job as it is now. Raises `RunNotFound`."""
        request = Request("job", "GET", f"/api/jobs/{_valid(submission_id)}")
        return read(RayJob, await self._send(request, f"find {submission_id}"))

    async def jobs(
        self, *, status: RayJobStatus | None = None, metadata: Mapping[str, str] | None = None, limit: int | None = None
    ) -> list[RayJob]:
        """The cluster's jobs, newest first, whoever submitted them; one that has not started comes first.

        Only those of this `status`, and whose metadata has all of these values; at most `limit`.
        """
        answer = await self._send(Request("jobs", "GET", "/api/jobs/"), "list its jobs")
        jobs = await asyncio.to_thread(_read_jobs, answer)
        wanted = (metadata or {}).items()
        found = [
            job for job in jobs if (status is None or job.status is status) and wanted <= (job.metadata or {}).items()
        ]
        return found[:limit]

    async def wait(self, submission_id: str, *, timeout_s: float | None = None, accepted: bool = False) -> RayJob:
        """The job once it has ended, however it did; a cluster that is away for less than a minute is waited for.

        `accepted` says that Ray is known to have taken the job. Raises `WaitTimeout` after `timeout_s`,
        `RunNotFound` for a job that Ray never had, `RunLost` for one that it has no more, and `RunNotStarted` for
        one that was pending for `ray.pending_timeout_s`.
        """
        return await wait_for_end(
            self,
            submission_id,
            timeout_s=timeout_s,
            pending_timeout_s=self._settings.pending_timeout_s,
            poll_interval_s=self._settings.poll_interval_s,
            accepted=accepted,
        )

    async def logs(self, submission_id: str, *, max_bytes: int = DEFAULT_LOG_BYTES) -> RayLogs:
        """What the job has printed so far: the last `max_bytes` of it, as UTF-8. Raises `RunNotFound`."""
        path = f"/api/jobs/{_valid(submission_id)}/logs"
        if max_bytes < 1:
            raise InvalidRequest.field("max_bytes", "must be at least 1")
        request = Request("logs", "GET", path, tail_bytes=_ESCAPED_BYTES * max_bytes + 64)
        answer = await self._send(request, f"read the logs of {submission_id}", self._settings.submit_timeout_s)
        text, truncated = await asyncio.to_thread(read_logs, answer, max_bytes=max_bytes)
        return RayLogs(text=text, truncated=truncated, endpoint=answer.endpoint)

    def follow_logs(self, submission_id: str, *, after: int = 0) -> AsyncGenerator[LogPiece, None]:
        """What the job prints, as it prints it, until it has ended; over changes of address, without gap or repeat.

        Go on later with the `end` of the last piece as `after`, in characters. Whoever leaves before the end closes it:
        `contextlib.aclosing`. Raises `RunNotFound`, and the `RayError` that has stood in the way for a minute.
        """
        if after < 0:
            raise InvalidRequest.field("after", "must not be negative")
        tail = LogTail(
            self._calls,
            _valid(submission_id),
            after=after,
            look_timeout_s=self._settings.request_timeout_s,
            patience_s=OUTAGE_PATIENCE_S,
        )
        return tail.pieces()

    async def stop(self, submission_id: str, *, patience_s: float = 15.0, may_come_s: float = 0) -> RayStop:
        """Stops a job and sees that it has ended; after `patience_s` it is returned as it is.

        An unknown job is waited for during `may_come_s`, for one whose submission was cut off. Raises `RunNotFound`.
        """
        return await stop_and_confirm(
            self,
            submission_id,
            patience_s=patience_s,
            may_come_s=may_come_s,
            poll_interval_s=self._settings.poll_interval_s,
        )

    async def ask_to_stop(self, submission_id: str) -> bool:
        """Asks Ray once to stop a job; False if it had ended before. Whether it does is not waited for.

        Raises `RunNotFound`.
        """
        request = Request("stop", "POST", f"/api/jobs/{_valid(submission_id)}/stop")
        return read_flag(await self._send(request, f"stop {submission_id}"), "stopped")

    async def delete(self, submission_id: str) -> bool:
        """Makes Ray forget a job that has ended, which frees its id for another one.

        Raises `RayRejected` while the job runs, and `RunNotFound`, also if it is gone because the first answer to
        this very call was lost.
        """
        request = Request("delete", "DELETE", f"/api/jobs/{_valid(submission_id)}")
        return read_flag(await self._send(request, f"delete {submission_id}"), "deleted")

    async def _upload(self, package: Package, deadline: Deadline) -> None:
        path = f"/api/packages/gcs/{package.name}"
        request = Request("package", "PUT", path, data=package.data, answers_json=False)
        check(await self._calls.exchange(request, deadline), f"store the package {package.name}")

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
