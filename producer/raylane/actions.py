"""The way of every request to the queue, and the two groups of methods `producer.tables` and `producer.ray`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from raylane.handle import JobHandle
from raylane.options import make_job
from raylane_common.errors import InvalidRequest
from raylane_common.jobs import build
from raylane_common.requests import (
    ListDatabasesRequest,
    ListTablesRequest,
    RayClusterRequest,
    RayDeleteRequest,
    RayEndpointsRequest,
    RayJobRequest,
    RayJobsRequest,
    RayLogsRequest,
    RayStatusRequest,
    RayStopRequest,
    RaySubmitRequest,
    SelectTablesRequest,
)
from raylane_common.results import (
    DatabasesResult,
    RayClusterResult,
    RayDeleteResult,
    RayEndpointsResult,
    RayJobResult,
    RayJobsResult,
    RayLogsResult,
    RayStatusResult,
    RayStopResult,
    RunResult,
    SelectedTablesResult,
    TablesResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Unpack

    from raylane.options import JobOptions
    from raylane.ports import QueuePort
    from raylane_common.jobs import NewJob
    from raylane_common.requests import Request

ResultT = TypeVar("ResultT")


class Enqueuer:
    """Turns a request into a job on the queue."""

    def __init__(self, queue: QueuePort) -> None:
        self._queue = queue

    async def enqueue(
        self, request: Request, result_type: type[ResultT], options: JobOptions, *, session_id: str | None = None
    ) -> JobHandle[ResultT]:
        """As `put`, for a request and the options of its job."""
        return await self.put(make_job(request, options, session_id=session_id), result_type)

    async def put(self, job: NewJob, result_type: type[ResultT]) -> JobHandle[ResultT]:
        """A handle on the job, or on the live one that has its unique key. Raises `InvalidRequest`, `JobIdTaken`."""
        return JobHandle(self._queue, await self._queue.enqueue(job), result_type)


class TableActions:
    """The table catalog, as `producer.tables`."""

    def __init__(self, jobs: Enqueuer) -> None:
        self._jobs = jobs

    async def databases(self, **options: Unpack[JobOptions]) -> JobHandle[DatabasesResult]:
        """Lists the catalog's databases."""
        return await self._jobs.enqueue(ListDatabasesRequest(), DatabasesResult, options)

    async def list(self, database: str, **options: Unpack[JobOptions]) -> JobHandle[TablesResult]:
        """Lists the tables of one database. The job fails with `TableNotFound` if there is no such database."""
        request = build(ListTablesRequest, database=database)
        return await self._jobs.enqueue(request, TablesResult, options)

    async def select(
        self, session_id: str, tables: Iterable[tuple[str, str]], **options: Unpack[JobOptions]
    ) -> JobHandle[SelectedTablesResult]:
        """Puts tables, each as `(database, table)`, into the session: all of them, or none."""
        names = list(tables)
        for index, name in enumerate(names):
            if not isinstance(name, tuple) or len(name) != 2:
                raise InvalidRequest.field(f"tables.{index}", "must be a pair (database, table)")
        refs = [{"database": database, "table": table} for database, table in names]
        request = build(SelectTablesRequest, tables=refs)
        return await self._jobs.enqueue(request, SelectedTablesResult, options, session_id=session_id)


class RayActions:
    """The Ray cluster, as `producer.ray`. Each is a job, so that it takes the worker's way to the cluster."""

    def __init__(self, jobs: Enqueuer) -> None:
        self._jobs = jobs

    async def status(self, **options: Unpack[JobOptions]) -> JobHandle[RayStatusResult]:
        """Asks for the cluster's version and the state of its endpoints."""
        return await self._jobs.enqueue(RayStatusRequest(), RayStatusResult, options)

    async def jobs(self, *, limit: int = 100, **options: Unpack[JobOptions]) -> JobHandle[RayJobsResult]:
        """Lists the cluster's jobs, newest first: up to `limit`, 1 to 500."""
        return await self._jobs.enqueue(build(RayJobsRequest, limit=limit), RayJobsResult, options)

    async def job(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayJobResult]:
        """Looks at one job of the cluster."""
        request = build(RayJobRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayJobResult, options)

    async def endpoints(self, **options: Unpack[JobOptions]) -> JobHandle[RayEndpointsResult]:
        """Shows each address as the worker sees it: state, last error, next probe, latency. No cluster is needed."""
        return await self._jobs.enqueue(RayEndpointsRequest(), RayEndpointsResult, options)

    async def cluster(self, **options: Unpack[JobOptions]) -> JobHandle[RayClusterResult]:
        """Asks for the cluster's health, nodes and use of resources."""
        return await self._jobs.enqueue(RayClusterRequest(), RayClusterResult, options)

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
        """Runs a Python script of up to 1 MiB and follows it to its end; with a session it stands in its history.

        `files` stand beside the script, by relative path; `pip` are requirements that Ray installs for it. With a
        session the script finds in `RAYLANE_OUTPUT_URI` where on S3 it may write. What it prints are the job's events.
        Raises `InvalidRequest` for what looks like a credential, since Ray shows `env_vars` to everybody. The job fails
        with `RunFailed` if the script does.
        """
        request = build(
            RaySubmitRequest, code=code, files=dict(files or {}), env_vars=dict(env_vars or {}), pip=tuple(pip)
        )
        return await self._jobs.enqueue(request, RunResult, options, session_id=session_id)

    async def logs(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayLogsResult]:
        """Reads what a job of the cluster printed."""
        request = build(RayLogsRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayLogsResult, options)

    async def stop(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayStopResult]:
        """Stops a job of the cluster."""
        request = build(RayStopRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayStopResult, options)

    async def delete(self, submission_id: str, **options: Unpack[JobOptions]) -> JobHandle[RayDeleteResult]:
        """Makes the cluster forget a job that has ended."""
        request = build(RayDeleteRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayDeleteResult, options)
