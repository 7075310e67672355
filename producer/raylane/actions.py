"""The way of every request to the queue, and the two groups of methods `producer.tables` and `producer.ray`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from raylane import checks
from raylane.handle import JobHandle
from raylane_common.errors import InvalidRequest
from raylane_common.jobs import NewJob, build
from raylane_common.requests import (
    ListDatabasesRequest,
    ListTablesRequest,
    RayDeleteRequest,
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
    RayDeleteResult,
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
    from collections.abc import Iterable

    from raylane.ports import QueuePort
    from raylane_common.requests import Request

ResultT = TypeVar("ResultT")


class Enqueuer:
    """Turns a request into a job on the queue."""

    def __init__(self, queue: QueuePort) -> None:
        self._queue = queue

    async def enqueue(
        self,
        request: Request,
        result_type: type[ResultT],
        *,
        session_id: str | None = None,
        job_id: str | None = None,
        body: bytes = b"",
    ) -> JobHandle[ResultT]:
        """A handle on the new job, or on the one that has this id. Raises `InvalidRequest`, `JobIdTaken`."""
        optional: dict[str, str] = {}
        if session_id is not None or request.needs_session:
            optional["session_id"] = checks.session_id(session_id)
        if job_id is not None:
            optional["id"] = checks.job_id(job_id)
        job = build(NewJob, request=request, **optional)
        return JobHandle(self._queue, await self._queue.enqueue(job, body=body), result_type)


class TableActions:
    """The table catalog, as `producer.tables`."""

    def __init__(self, jobs: Enqueuer) -> None:
        self._jobs = jobs

    async def databases(self, *, job_id: str | None = None) -> JobHandle[DatabasesResult]:
        """Lists the catalog's databases."""
        return await self._jobs.enqueue(ListDatabasesRequest(), DatabasesResult, job_id=job_id)

    async def list(self, database: str, *, job_id: str | None = None) -> JobHandle[TablesResult]:
        """Lists the tables of one database. The job fails with `TableNotFound` if there is no such database."""
        request = build(ListTablesRequest, database=database)
        return await self._jobs.enqueue(request, TablesResult, job_id=job_id)

    async def select(
        self, session_id: str, tables: Iterable[tuple[str, str]], *, job_id: str | None = None
    ) -> JobHandle[SelectedTablesResult]:
        """Puts tables, each as `(database, table)`, into the session: all of them, or none."""
        names = list(tables)
        for index, name in enumerate(names):
            if not isinstance(name, tuple) or len(name) != 2:
                raise InvalidRequest.field(f"tables.{index}", "must be a pair (database, table)")
        refs = [{"database": database, "table": table} for database, table in names]
        request = build(SelectTablesRequest, tables=refs)
        return await self._jobs.enqueue(request, SelectedTablesResult, session_id=session_id, job_id=job_id)


class RayActions:
    """The Ray cluster, as `producer.ray`. Each is a job, so that it takes the worker's way to the cluster."""

    def __init__(self, jobs: Enqueuer) -> None:
        self._jobs = jobs

    async def status(self, *, job_id: str | None = None) -> JobHandle[RayStatusResult]:
        """Asks for the cluster's version and the state of its endpoints."""
        return await self._jobs.enqueue(RayStatusRequest(), RayStatusResult, job_id=job_id)

    async def jobs(self, *, limit: int = 100, job_id: str | None = None) -> JobHandle[RayJobsResult]:
        """Lists the cluster's jobs, newest first: up to `limit`, 1 to 500."""
        return await self._jobs.enqueue(build(RayJobsRequest, limit=limit), RayJobsResult, job_id=job_id)

    async def job(self, submission_id: str, *, job_id: str | None = None) -> JobHandle[RayJobResult]:
        """Looks at one job of the cluster."""
        request = build(RayJobRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayJobResult, job_id=job_id)

    async def submit(
        self, code: str, *, session_id: str | None = None, job_id: str | None = None
    ) -> JobHandle[RunResult]:
        """Runs a Python script of up to 1 MiB and follows it to its end; with a session it stands in its history.

        The job fails with `RunFailed` if the script does.
        """
        request = build(RaySubmitRequest, code=code)
        return await self._jobs.enqueue(request, RunResult, session_id=session_id, job_id=job_id)

    async def logs(self, submission_id: str, *, job_id: str | None = None) -> JobHandle[RayLogsResult]:
        """Reads what a job of the cluster printed."""
        request = build(RayLogsRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayLogsResult, job_id=job_id)

    async def stop(self, submission_id: str, *, job_id: str | None = None) -> JobHandle[RayStopResult]:
        """Stops a job of the cluster."""
        request = build(RayStopRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayStopResult, job_id=job_id)

    async def delete(self, submission_id: str, *, job_id: str | None = None) -> JobHandle[RayDeleteResult]:
        """Makes the cluster forget a job that has ended."""
        request = build(RayDeleteRequest, submission_id=submission_id)
        return await self._jobs.enqueue(request, RayDeleteResult, job_id=job_id)
