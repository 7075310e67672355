"""The Ray cluster by way of a worker, as `producer.cluster`. For a client without workers, see `raylane.ray`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import invalid_requests
from raylane_common.wire.ray import (
    RayClusterRequest,
    RayClusterResult,
    RayDeleteRequest,
    RayDeleteResult,
    RayEndpointsRequest,
    RayEndpointsResult,
    RayLogsRequest,
    RayLogsResult,
    RayRunRequest,
    RayRunResult,
    RayRunsRequest,
    RayRunsResult,
    RayStatusRequest,
    RayStatusResult,
    RayStopRequest,
    RayStopResult,
    RaySubmitRequest,
    RunResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Unpack

    from raylane.handle import JobHandle
    from raylane.options import Enqueuer, JobOptions


class ClusterActions:
    """The Ray cluster, as `producer.cluster`. Each method enqueues a job, so a worker speaks to the cluster.

    Every method takes the options of a job (see `JobOptions`) and raises `InvalidRequest` for an argument that breaks
    the wire format.
    """

    def __init__(self, jobs: Enqueuer) -> None:
        self._jobs = jobs

    async def status(self, **options: Unpack[JobOptions]) -> JobHandle[RayStatusResult]:
        """Asks for the cluster's version and the state of its endpoints."""
        return await self._jobs.enqueue(RayStatusRequest(), RayStatusResult, options)

    async def endpoints(self, **options: Unpack[JobOptions]) -> JobHandle[RayEndpointsResult]:
        """Asks for each address as the worker sees it: state, last error, next probe, latency. Needs no cluster."""
        return await self._jobs.enqueue(RayEndpointsRequest(), RayEndpointsResult, options)

    async def cluster(self, **options: Unpack[JobOptions]) -> JobHandle[RayClusterResult]:
        """Asks for the cluster's health, nodes and use of resources."""
        return await self._jobs.enqueue(RayClusterRequest(), RayClusterResult, options)

    async def runs(self, *, limit: int = 100, **options: Unpack[JobOptions]) -> JobHandle[RayRunsResult]:
        """Lists the cluster's runs, newest first: up to `limit`, 1 to 500."""
        with invalid_requests():
            request = RayRunsRequest(limit=limit)
        return await self._jobs.enqueue(request, RayRunsResult, options)

    async def run(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayRunResult]:
        """Looks at one run. The job fails with `RunNotFound` if the cluster does not know it."""
        with invalid_requests():
            request = RayRunRequest(submission_id=submission_id)
        return await self._jobs.enqueue(request, RayRunResult, options)

    async def submit(
        self,
        code: str,
        *,
        session_id: str | None = None,
        files: Mapping[str, str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        pip: Iterable[str] = (),
        **options: Unpack[JobOptions],
    ) -> JobHandle[RunResult]:
        """Runs a Python script on the cluster and follows it to its end. The job's events carry what it prints.

        `code` is the script, at most 1 MiB. `files` are text files beside it, by relative path, at most 4 MiB
        together. `env_vars` are added to its environment, at most 32 KiB together. `pip` lists requirements that Ray
        installs first. With a `session_id` the job appears in that session's history, and the script finds in
        `RAYLANE_OUTPUT_URI` the place on S3 where it may write.

        Raises `InvalidRequest` for anything in `env_vars` or `pip` that looks like a credential, since Ray shows both.
        The job fails with `RunFailed` if the script does.
        """
        with invalid_requests():
            request = RaySubmitRequest(
                code=code, files=dict(files or {}), env_vars=dict(env_vars or {}), pip=tuple(pip)
            )
        return await self._jobs.enqueue(request, RunResult, options, session_id=session_id)

    async def logs(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayLogsResult]:
        """Reads what a run printed: the last 200 KiB."""
        with invalid_requests():
            request = RayLogsRequest(submission_id=submission_id)
        return await self._jobs.enqueue(request, RayLogsResult, options)

    async def stop(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayStopResult]:
        """Stops a run."""
        with invalid_requests():
            request = RayStopRequest(submission_id=submission_id)
        return await self._jobs.enqueue(request, RayStopResult, options)

    async def delete(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayDeleteResult]:
        """Makes the cluster forget a run that has ended."""
        with invalid_requests():
            request = RayDeleteRequest(submission_id=submission_id)
        return await self._jobs.enqueue(request, RayDeleteResult, options)
