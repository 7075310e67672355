"""A typed client for Ray's Jobs API that uses whichever address of the cluster works."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.ray import waiting
from raylane_common.ray.answers import check, shorten
from raylane_common.ray.calls import Calls, Deadline
from raylane_common.ray.lifecycle import MAX_OUTAGE_S, stop_and_confirm, wait_for_end
from raylane_common.ray.looks import Looks
from raylane_common.ray.models import RayHealth, RayLogs, RayRun, RayVersion, RunStatus
from raylane_common.ray.observe import RayCounters
from raylane_common.ray.parsing import read, read_any, read_cluster_status, read_flag, read_jobs, read_logs, read_nodes
from raylane_common.ray.probing import VERSION
from raylane_common.ray.settings import RaySettings
from raylane_common.ray.signature import A_LIST
from raylane_common.ray.submission import NewRun, check_id, check_package, submit
from raylane_common.ray.tail import LogTail
from raylane_common.ray.transport import Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from types import TracebackType

    from raylane_common.ray.answers import Answer
    from raylane_common.ray.models import (
        ClusterStatus,
        EndpointReport,
        LogPiece,
        RayNode,
        RayStop,
        Submission,
    )
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.package import Package

DEFAULT_LOG_BYTES: Final = 1024 * 1024

# JSON may turn one byte of text into six, such as \u0001.
_ESCAPED_BYTES: Final = 6


class RayClient:
    """Runs on one Ray cluster. Close it with `aclose()`.

    Tasks of one event loop may share a client. A call in another loop raises `InvalidRequest`.

    Opens no connection before the first call. Each call has one deadline over all addresses: `ray.request_timeout_s`,
    or `ray.submit_timeout_s` for packages, `submit` and `logs`. Every call raises `RayUnreachable` if no address
    answers or none is configured, `WrongCluster` or `RayInsecure` if the cluster that answers must not be used,
    `RayAuth` if the token is refused, `RayRejected` or `RayServerError` if Ray answers with an error, and
    `InvalidRequest` for a submission id that Ray does not accept, or for any other argument that cannot be used.
    """

    def __init__(self, settings: RaySettings, *, observer: RayObserver | None = None) -> None:
        """Raises `InvalidRequest` for an address that cannot be used.

        `observer` receives every request and every change of an endpoint. Without one, `client.counters` counts them:
        read `client.counters.counts` and `client.counters.seconds`.
        """
        self._settings = checks.instance("settings", RaySettings, settings)
        self.counters: RayCounters = RayCounters()
        self._observer = observer or self.counters
        self._calls = Calls(settings, self._observer)
        self._looks = Looks(self.job, interval_s=settings.poll_interval_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the background probes and closes the connections. The client cannot be used afterwards."""
        await self._calls.aclose()

    async def use(self, settings: RaySettings) -> None:
        """Uses other settings from now on. Nothing is known of their addresses until the next call.

        The addresses must lead to the same cluster, unless `ray.new_cluster` names another one.

        Raises `InvalidRequest` for an address that cannot be used; then nothing changes.
        """
        if checks.instance("settings", RaySettings, settings) != self._settings:
            await self._calls.use(settings)
            self._settings = settings
            self._looks.interval_s = settings.poll_interval_s

    @property
    def settings(self) -> RaySettings:
        """The settings in use."""
        return self._settings

    async def cluster_name(self) -> str | None:
        """Returns the name of the cluster's session, which is the same at all its addresses; None if it has none.

        A restarted head has another session. Asks Ray only if the last answer is older than ten seconds.
        """
        await self._calls.confirm_identity()
        return self._calls.session_name or (await self.version()).session_name

    def endpoints(self) -> tuple[EndpointReport, ...]:
        """Returns what this client knows about each address, without a request."""
        return self._calls.reports()

    async def version(self) -> RayVersion:
        """Returns Ray's version. Shows that an address leads to the cluster, not that runs can start."""
        return read(RayVersion, await self._send(VERSION, "tell its version"))

    async def health(self) -> RayHealth:
        """Returns whether the head's control store answers. Without it no run can be looked up or started."""
        version = await self.version()
        request = Request("health", "GET", "/api/gcs_healthz", says=b"success")
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
        """Returns the use of resources and the pending demand, as text for people."""
        request = Request("cluster", "GET", "/api/cluster_status", key="data")
        return read_cluster_status(await self._send(request, "tell its status"))

    async def nodes(self) -> list[RayNode]:
        """Returns the nodes of the cluster, the head first."""
        return read_nodes(await self._send(Request("nodes", "GET", "/api/v0/nodes", key="data"), "list its nodes"))

    async def has_package(self, package: Package) -> bool:
        """Returns whether the cluster has the package; if so, it keeps it for another ten minutes.

        Raylane itself does not call this: `submit` uploads the package each time. It is for programs with packages
        that take long to upload.
        """
        request = Request("package", "GET", f"/api/packages/gcs/{check_package(package).name}", says=b"")
        answer = await self._calls.exchange(request, Deadline(self._settings.submit_timeout_s))
        if answer.status == 404:
            return False
        check(answer, f"look for the package {package.name}")
        return True

    async def upload_package(self, package: Package) -> None:
        """Uploads a package before `submit` needs it. The cluster drops it after ten minutes unless a run uses it.

        Uploading it again is harmless. Raylane itself does not call this: `submit` uploads its package.
        """
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
        num_cpus: float | None = None,
        memory_bytes: int | None = None,
    ) -> Submission:
        """Uploads the package and submits a run. Repeating the call never starts a second run.

        `submission_id` is the run's name on the cluster, chosen by the caller: 1 to 64 letters, digits, `-` and `_`.
        `entrypoint` is a shell command; its working directory is the unpacked `package`.
        `env_vars` is the environment of the run, and `pip` are requirements that Ray installs before it starts. Ray
        shows both to everybody who may list its runs, so `InvalidRequest` is raised for what looks like a credential.
        `metadata` is stored with the run and returned by `job` and `jobs`. `num_cpus` and `memory_bytes` are reserved
        for the entrypoint itself: the run starts once a node has them free. None or 0 reserves nothing.

        Returns once Ray has accepted the run, before it starts. Takes up to `ray.submit_timeout_s`. Raises `RunExists`
        if another run has this id, and `SubmitOutcomeUnknown` if Ray may have the run: submit it again, or look it up
        later. After `RayUnreachable` Ray certainly does not have it.

        Example:
            package = build_package({"main.py": "print('hello')"})
            submission = await client.submit(submission_id="report-7", entrypoint="python main.py", package=package)
            assert submission.submission_id == "report-7"
        """
        new = NewRun.build(
            check_id(submission_id), entrypoint, package, env_vars, pip, metadata, num_cpus, memory_bytes
        )
        deadline = Deadline(self._settings.submit_timeout_s)
        await self._calls.confirm_identity()
        if package is not None:
            await self._upload(package, deadline)
        return await submit(
            self._calls, new, deadline, look_timeout_s=self._settings.request_timeout_s, observer=self._observer
        )

    async def job(self, submission_id: str) -> RayRun:
        """Returns one run as it is now. Raises `RunNotFound`."""
        request = Request("job", "GET", f"/api/jobs/{check_id(submission_id)}", key="status")
        return read(RayRun, await self._send(request, f"find {submission_id}"))

    async def jobs(
        self, *, status: RunStatus | None = None, metadata: Mapping[str, str] | None = None, limit: int | None = None
    ) -> list[RayRun]:
        """Returns the jobs of the cluster, whoever submitted them: those that have not started, then the newest first.

        `status` selects the jobs with this status, and `metadata` those with all of these values. At most `limit` jobs
        are returned.
        """
        wanted_status = None if status is None else _status(status)
        wanted = checks.mapping("metadata", metadata).items()
        most = None if limit is None else checks.at_least("limit", 0, limit)
        answer = await self._send(Request("jobs", "GET", "/api/jobs/", key=A_LIST, is_long=True), "list its jobs")
        jobs = await asyncio.to_thread(read_jobs, answer)
        found = [
            job
            for job in jobs
            if wanted_status in (None, job.status) and all((job.metadata or {}).get(k) == v for k, v in wanted)
        ]
        return found[:most]

    async def wait(self, submission_id: str, *, timeout_s: float | None = None, accepted: bool = False) -> RayRun:
        """Waits until a run has ended, and returns it, whether it succeeded or not.

        `timeout_s` limits the wait, which is unlimited by default; the run itself continues. `accepted` means that Ray
        is known to have accepted the run, so that one that is missing was lost. An outage of the cluster of less than
        a minute does not end the wait.

        Raises `WaitTimeout` after `timeout_s` seconds, `RunNotFound` for a run that Ray never had, `RunLost` for one
        that it no longer has, and `RunNotStarted` for one that was pending for `ray.pending_timeout_s`.

        Example:
            await client.submit(submission_id="report-7", entrypoint="python main.py")
            job = await client.wait("report-7", timeout_s=600)
            print(job.status, job.driver_exit_code)
        """
        with self._looks.following(check_id(submission_id)) as run:
            return await wait_for_end(
                run,
                submission_id,
                timeout_s=None if timeout_s is None else checks.seconds("timeout_s", timeout_s),
                pending_timeout_s=self._settings.pending_timeout_s,
                accepted=accepted,
            )

    async def waits_for(self, submission_id: str) -> str | None:
        """Returns what a run waits for, such as "CPU on the cluster: 0 of 2 free".

        None if it has ended, if any of its tasks runs, or if Ray does not know. Ray's figures are up to 5 s old. Raises
        `RunNotFound`.
        """
        with self._looks.following(check_id(submission_id)) as run:
            job = await run.next(None)
        return waiting.reason(job, await self.cluster_status()) if await self._is_waiting(job) else None

    async def logs(self, submission_id: str, *, max_bytes: int = DEFAULT_LOG_BYTES) -> RayLogs:
        """Returns the last `max_bytes` of a run's output so far, counted in UTF-8. Raises `RunNotFound`."""
        path = f"/api/jobs/{check_id(submission_id)}/logs"
        checks.at_least("max_bytes", 1, max_bytes)
        request = Request("logs", "GET", path, key="logs", tail_bytes=_ESCAPED_BYTES * max_bytes + 64)
        answer = await self._send(request, f"read the logs of {submission_id}", self._settings.submit_timeout_s)
        text, truncated = await asyncio.to_thread(read_logs, answer, max_bytes=max_bytes)
        return RayLogs(text=text, truncated=truncated, endpoint=answer.endpoint)

    def follow_logs(self, submission_id: str, *, after: int = 0) -> AsyncGenerator[LogPiece, None]:
        """Yields the output of a run as it is printed, until the run has ended, without gaps or repeats.

        `after` skips so many characters of the output: to continue later, pass the `end` of the last piece. Broken
        connections and failovers are invisible to the caller. Use `contextlib.aclosing` if you may leave before the
        end.

        Raises `RunNotFound`, and the `RayError` of an outage that takes longer than a minute.

        Example:
            await client.submit(submission_id="report-7", entrypoint="python main.py")
            async for piece in client.follow_logs("report-7", after=0):
                print(piece.text, end="")
        """
        checks.at_least("after", 0, after)
        tail = LogTail(
            self._calls,
            self._looks,
            check_id(submission_id),
            after=after,
            look_timeout_s=self._settings.request_timeout_s,
            max_outage_s=MAX_OUTAGE_S,
        )
        return tail.pieces()

    async def stop(self, submission_id: str, *, timeout_s: float = 15.0, appear_timeout_s: float = 0.0) -> RayStop:
        """Stops a run and waits until it has ended.

        After `timeout_s` seconds the run is returned as it is. `appear_timeout_s` is how long to wait for a run that
        Ray does not know yet, because its submission was cut off and may still arrive. Raises `RunNotFound` after that.
        """
        return await stop_and_confirm(
            self,
            submission_id,
            timeout_s=checks.seconds("timeout_s", timeout_s),
            appear_timeout_s=checks.seconds("appear_timeout_s", appear_timeout_s),
            poll_interval_s=self._settings.poll_interval_s,
        )

    async def ask_to_stop(self, submission_id: str) -> bool:
        """Asks Ray once to stop a run, and does not wait for it to stop. Returns False if it had already ended.

        Raises `RunNotFound`.
        """
        request = Request("stop", "POST", f"/api/jobs/{check_id(submission_id)}/stop", key="stopped")
        return read_flag(await self._send(request, f"stop {submission_id}"), "stopped")

    async def delete(self, submission_id: str) -> bool:
        """Deletes a run that has ended, so that its id can be used again.

        Raises `RayRejected` while the run is under way, and `RunNotFound`, also if this call itself has deleted it and
        the first answer was lost.
        """
        request = Request("delete", "DELETE", f"/api/jobs/{check_id(submission_id)}", key="deleted")
        return read_flag(await self._send(request, f"delete {submission_id}"), "deleted")

    async def _is_waiting(self, job: RayRun) -> bool:
        if job.status is not RunStatus.RUNNING or job.job_id is None:
            return job.status is RunStatus.PENDING
        # Running tasks are asked for first: they are few, while thousands may wait, which Ray would all list.
        has_running = await self._has_task(job.job_id, waiting.RUNNING)
        return not has_running and await self._has_task(job.job_id, waiting.WAITING)

    async def _has_task(self, job_id: str, state: str) -> bool:
        filters = "".join(
            f"&filter_keys={key}&filter_predicates=%3D&filter_values={value}"
            for key, value in (("job_id", job_id), ("state", state))
        )
        request = Request("tasks", "GET", f"/api/v0/tasks?limit=1{filters}", key="data")
        return read_any(await self._send(request, f"list the tasks of {job_id}"))

    async def _upload(self, package: Package, deadline: Deadline) -> None:
        path = f"/api/packages/gcs/{check_package(package).name}"
        request = Request("package", "PUT", path, data=package.data, says=b"")
        check(await self._calls.exchange(request, deadline), f"store the package {package.name}")

    async def _send(self, request: Request, doing: str, timeout_s: float | None = None) -> Answer:
        answer = await self._calls.exchange(request, Deadline(timeout_s or self._settings.request_timeout_s))
        check(answer, doing)
        return answer


def _status(status: RunStatus) -> RunStatus:
    try:
        return RunStatus(status)
    except ValueError as error:
        raise InvalidRequest.field("status", f"must be one of {', '.join(RunStatus)}") from error
