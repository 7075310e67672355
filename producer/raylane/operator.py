"""Actions on the whole queue, as `producer.operator`: lanes, jobs of all sessions, dead letters, the audit."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane import arguments
from raylane_common import checks
from raylane_common.errors import InvalidRequest, JobNotFound, JobNotRequeued, RaylaneError
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from raylane.options import Enqueuer
    from raylane_common.redis.audit import AuditLog
    from raylane_common.redis.queue import JobQueue, QueueOverview
    from raylane_common.redis.queue.pages import JobPage
    from raylane_common.wire.audit import AuditEntry
    from raylane_common.wire.checks import Check
    from raylane_common.wire.jobs import ClusterRuns, EndedJobs, JobList, LaneOverview, WorkerOverview

# All of them are held in memory, to sort them.
_MAX_REQUEUED: Final = 10_000


class Requeued(NamedTuple):
    """The outcome for one dead letter. `error` is None if the job was requeued."""

    id: str
    error: RaylaneError | None


class OperatorActions:
    """Actions on the whole queue, as `producer.operator`. Actions on one job are methods of `Producer`."""

    def __init__(self, queue: JobQueue, overview: QueueOverview, audit: AuditLog, jobs: Enqueuer) -> None:
        self._queue = queue
        self._overview = overview
        self._audit = audit
        self._jobs = jobs

    async def lanes(self) -> list[LaneOverview]:
        """Returns all lanes: the number of jobs in each state, how many end per second, and the workers.

        Example:
            for lane in await producer.operator.lanes():
                print(lane.lane, lane.queued, lane.running, lane.workers)
        """
        return await self._overview.lanes()

    async def ping(self) -> None:
        """Returns once Redis answers. Raises `QueueUnavailable` if it does not."""
        await self._overview.ping()

    async def workers(self) -> list[WorkerOverview]:
        """Returns the living workers of all lanes, with their versions.

        Example:
            for worker in await producer.operator.workers():
                print(worker.name, worker.lanes, worker.about.version if worker.about else "unknown")
        """
        return await self._overview.workers()

    async def examine(self, *, timeout_s: float = 10.0) -> list[Check]:
        """Checks everything that jobs need, and says what to do: what `raylane doctor` prints.

        Redis and its clock, the workers and their versions; and through a worker of each lane, S3, the catalog, the
        model and each address of Ray. All of it ends within `timeout_s` seconds, whatever hangs. What fails is a
        result, not an error.

        Example:
            for check in await producer.operator.examine():
                print(check.state, check.area, check.message, check.hint)
        """
        from raylane.doctor.examination import examine  # here, because few need it

        return await examine(self._jobs, self._overview, timeout_s)

    async def cluster_runs(self) -> list[ClusterRuns]:
        """Returns how many run slots each Ray cluster has, how many are taken, and how many jobs wait for one.

        Example:
            for runs in await producer.operator.cluster_runs():
                print(runs.cluster, runs.taken, runs.limit, runs.waiting)
        """
        return await self._overview.cluster_runs()

    async def ended_jobs(self) -> list[EndedJobs]:
        """Returns how many jobs have ended, by lane, kind, outcome and code of their error, wherever they ended.

        Redis counts them, and forgets the numbers when no job has ended for 30 days. A job that is requeued ends again.

        Example:
            for ended in await producer.operator.ended_jobs():
                print(ended.lane, ended.kind, ended.outcome, ended.code, ended.count)
        """
        return await self._overview.ended_jobs()

    async def jobs(
        self,
        *,
        status: JobStatus | str | None = None,
        session_id: str | None = None,
        kind: JobKind | str | None = None,
        limit: int = 50,
        looks: bool = False,
    ) -> JobList:
        """Returns up to `limit` jobs (1 to 1000) of all sessions, newest first.

        A `JobSummary` has no request, result and checkpoint; `Producer.record` returns those. `status`, `session_id`
        and `kind` are filters; None matches all jobs. With `session_id`, the session's history is searched. Otherwise
        the search covers the last 20,000 jobs of each lane and status, and the last 10,000 of each lane that have
        ended. The list's `complete` is False if there are more. Jobs that only look at the cluster or the catalog, such
        as `producer.cluster.status()`, are left out unless `looks` is set; they are kept for ten minutes. Raises
        `InvalidRequest` for a filter that no job can match.

        Example:
            for job in await producer.operator.jobs(status="running", kind="generate"):
                print(job.id, job.session_id, job.progress)
        """
        return await self._overview.jobs(
            status=arguments.member("status", JobStatus, status),
            session_id=None if session_id is None else arguments.session_id(session_id),
            kind=arguments.member("kind", JobKind, kind),
            limit=arguments.limit(limit),
            looks=looks,
        )

    async def page(
        self,
        *,
        status: JobStatus | str | None = None,
        session_id: str | None = None,
        kind: JobKind | str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """Returns a page of up to `limit` jobs (1 to 1000), latest first. The filters are those of `jobs`.

        `cursor` is the `next_cursor` of the page before, which leads to the next jobs whatever was enqueued since. The
        jobs of a session have the order in which they were enqueued, those of all sessions that of their end, or of
        their beginning if they have not ended. Raises `InvalidRequest` for a cursor that no page has given.

        Example:
            page = await producer.operator.page(session_id="ada", limit=100)
            print([job.id for job in page.jobs])
            if page.next_cursor:
                page = await producer.operator.page(session_id="ada", limit=100, cursor=page.next_cursor)
        """
        return await self._overview.page(
            status=arguments.member("status", JobStatus, status),
            session_id=None if session_id is None else arguments.session_id(session_id),
            kind=arguments.member("kind", JobKind, kind),
            limit=arguments.limit(limit),
            cursor=None if cursor is None else checks.utf_8("cursor", cursor),
        )

    async def dead_letters(
        self,
        *,
        kind: JobKind | str | None = None,
        code: str | None = None,
        session_id: str | None = None,
        limit: int = 50,
    ) -> JobList:
        """Returns up to `limit` dead letters (1 to 1000), newest first.

        A dead letter is a job that failed although it was not at fault: its attempts are used up, Raylane has a bug, or
        it came after a job that is a dead letter. Dead letters are kept for `dead_ttl_s` (30 days by default). `kind`,
        `code` (of the error) and `session_id` are filters; None matches all. The last 20,000 of each lane are searched;
        the list's `complete` is False if there are more.

        Example:
            for job in await producer.operator.dead_letters(code="storage_unavailable"):
                print(job.id, job.error)
        """
        return await self._dead(kind, code, session_id, arguments.limit(limit))

    async def requeue_dead(
        self, *, kind: JobKind | str | None = None, code: str | None = None, session_id: str | None = None
    ) -> list[Requeued]:
        """Requeues dead letters, at most the newest 10,000 of them. Returns one outcome per job.

        `kind`, `code` (of the error) and `session_id` are filters; None matches all. Older jobs are requeued first, but
        always after the jobs that they depend on. A problem with one job is in the `error` of its outcome and does not
        stop the others.

        Example:
            for requeued in await producer.operator.requeue_dead(code="storage_unavailable"):
                print(requeued.id, requeued.error)
        """
        newest_first = await self._dead(kind, code, session_id, _MAX_REQUEUED, exhaustive=True)
        found = {job.id: job for job in reversed(newest_first)}
        # Sorting by time is not enough: a job fails in the same millisecond as the job that it waited for.
        graph = {job_id: found.keys() & set(job.after) for job_id, job in found.items()}
        return [await self._requeue(job_id) for job_id in _in_order(graph)]

    async def audit(self, *, limit: int = 50, before: str | None = None) -> list[AuditEntry]:
        """Returns up to `limit` writes of the gateway's callers (1 to 1000), newest first.

        `before` is the `id` of the last entry of the page before. Entries are kept for `gateway.audit_ttl_s`, and at
        most `gateway.audit_entries` of them. Raises `InvalidRequest`.

        Example:
            for entry in await producer.operator.audit():
                print(entry.at_ms, entry.caller, entry.method, entry.route, entry.status)
        """
        return await self._audit.entries(limit=arguments.limit(limit), before=before)

    async def add_to_audit(self, entries: Sequence[AuditEntry], *, keep: int, ttl_s: int) -> None:
        """Adds writes to the audit, as the gateway does, and removes the oldest ones.

        About `keep` entries remain, each for `ttl_s` seconds. Raises `QueueUnavailable`, and `InvalidRequest` if
        another program has overwritten the audit.
        """
        await self._audit.add(entries, keep=keep, ttl_s=ttl_s)

    async def _dead(
        self,
        kind: JobKind | str | None,
        code: str | None,
        session_id: str | None,
        limit: int,
        *,
        exhaustive: bool = False,
    ) -> JobList:
        return await self._overview.dead(
            kind=arguments.member("kind", JobKind, kind),
            code=arguments.error_code(code),
            session_id=None if session_id is None else arguments.session_id(session_id),
            limit=limit,
            exhaustive=exhaustive,
        )

    async def _requeue(self, job_id: str) -> Requeued:
        try:
            await self._queue.requeue(job_id)
        except (JobNotFound, JobNotRequeued, InvalidRequest) as error:
            return Requeued(job_id, error)
        return Requeued(job_id, None)


def _in_order(graph: Mapping[str, AbstractSet[str]]) -> list[str]:
    """Returns the ids in an order in which each job follows those that it depends on."""
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        # Another program has changed a record. No order is right, and the jobs of the circle are refused one by one.
        return list(graph)
