"""Random jobs of every kind, and the check that each took effect once: in the records, on Ray and on S3."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from raylane.given_files import new_upload
from raylane.options import new_job
from raylane_common.errors import QueueUnavailable
from raylane_common.wire.base import JobKind
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.ray import RayLogsRequest, RayRunRequest, RayRunsRequest, RayStatusRequest, RaySubmitRequest
from raylane_common.wire.tables import ListDatabasesRequest, ListTablesRequest, SelectTablesRequest, TableRef
from tests.faults.warehouse import TABLES
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from raylane import Producer
    from raylane.testing import FakeRay
    from raylane_common.wire.jobs import Attempt, JobRecord
    from raylane_common.wire.kinds import Request
    from tests.faults.warehouse import Warehouse

_FAILED_RUN = 3


@dataclass(frozen=True)
class Planned:
    """A job and its expected end: success, or failure with `code`; `run` says whether it has a run on the cluster."""

    job: NewJob
    code: str | None = None
    run: bool = False


class Workload:
    """Jobs made from one seed, and what the records, the cluster and the bucket must contain after them."""

    def __init__(
        self,
        chance: Random,
        warehouse: Warehouse,
        cluster: FakeRay,
        *,
        longest_run_s: float = 2.0,
        sessions: int = 8,
    ) -> None:
        self.planned: dict[str, Planned] = {}
        self._chance = chance
        self._warehouse = warehouse
        self._cluster = cluster
        self._longest_run_s = longest_run_s
        self._session_ids = [f"session-{number}" for number in range(sessions)]
        self._salt = chance.random()
        self._objects: dict[str, bytes] = {}
        self._sources: defaultdict[str, set[str]] = defaultdict(set)
        self._uploads: list[NewJob] = []
        self._runs: list[NewJob] = []
        self._doomed: list[NewJob] = []
        cluster.on_start = self._let_run

    @property
    def jobs(self) -> list[NewJob]:
        return [planned.job for planned in self.planned.values()]

    def more(self, count: int) -> list[NewJob]:
        """Makes at least `count` new jobs; some depend on earlier ones, none on a later one."""
        before = len(self.planned)
        makers: dict[Callable[[], object], int] = {
            self._upload: 6,
            self._select: 2,
            self._look: 5,
            self._generate: 4,
            self._execute: 4,
            self._execute_once: 1,
            self._submit: 4,
            self._look_at_run: 2,
            self._doom: 1,
            self._follow_doomed: 1,
        }
        while len(self.planned) < before + count:
            (maker,) = self._chance.choices(list(makers), list(makers.values()))
            maker()
        return self.jobs[before:]

    async def enqueue(self, producer: Producer, jobs: Sequence[NewJob]) -> None:
        """Enqueues the jobs; sends those that failed again under their ids until all are in the queue."""
        while True:
            answers = await producer.enqueue_many(jobs)
            errors = [answer.error for answer in answers if answer.error is not None]
            if not errors:
                return
            # Jobs that depend on one that failed are refused too, and succeed the next time.
            assert any(isinstance(error, QueueUnavailable) for error in errors), errors
            await asyncio.sleep(0.1)

    async def one_begins(self, redis: Redis, jobs: Sequence[NewJob]) -> str:
        """Waits until a random one of these jobs has started; returns its id."""
        job_id = self._chance.choice(jobs).id

        async def has_begun() -> bool:
            return await status(redis, job_id) not in ("waiting", "scheduled", "queued")

        await until(has_begun, timeout_s=60)
        return job_id

    async def ended(self, redis: Redis, *, timeout_s: float = 120) -> None:
        """Waits until every job has ended."""
        open_ids = list(self.planned)

        async def none_is_open() -> bool:
            while open_ids and JobStatus(await status(redis, open_ids[-1])).is_final:
                open_ids.pop()
            return not open_ids

        await until(none_is_open, timeout_s=timeout_s)

    def end_runs(self) -> None:
        """Ends the current runs, and lets later ones last 0.5 s at most."""
        self._longest_run_s = 0.5
        for submission_id in self._cluster.jobs:
            self._end_run(submission_id)

    async def check(self, producer: Producer, redis: Redis, *, attempts: int | None = None) -> None:
        """Checks that every job ended once as expected, and what the jobs left on Ray, on S3 and in the sessions.

        `attempts` is the number of attempts that each job that ran must have.
        """
        kinds = Counter(job.kind.value for job in self.jobs)
        print(f"{len(self.planned)} jobs: {dict(kinds)}, {self._cluster.submissions} runs")
        records = {job_id: await producer.record(job_id) for job_id in self.planned}
        problems = []
        for job_id, record in records.items():
            planned = self.planned[job_id]
            before = [records[other] for other in planned.job.after]
            found = _wrong_end(planned, record) + _wrong_start(record, before, attempts)
            found += _wrong_events(record, [fields for _, fields in await redis.xrange(keys.job_events(job_id))])
            found += _wrong_attempts(record, await producer.attempts(job_id))
            problems += [f"{job_id}: {problem}" for problem in found]
        assert not problems, "\n".join(problems)
        await self._check_world(producer)

    async def _check_world(self, producer: Producer) -> None:
        started = {run_id(planned.job) for planned in self.planned.values() if planned.run}
        assert self._cluster.jobs.keys() == started, "runs on the cluster"
        assert self._cluster.submissions == len(started), "runs that were started"
        assert {job["status"] for job in self._cluster.jobs.values()} <= {"SUCCEEDED", "FAILED"}
        assert await self._warehouse.objects() == self._objects, "objects in the bucket"
        for session_id, names in self._sources.items():
            assert {source.name for source in await producer.sources(session_id)} == names, session_id

    def _let_run(self, submission_id: str) -> None:
        duration_s = Random(f"{self._salt} {submission_id}").uniform(0.05, self._longest_run_s)
        asyncio.get_running_loop().call_later(duration_s, self._end_run, submission_id)

    def _end_run(self, submission_id: str) -> None:
        planned = self.planned[submission_id.removeprefix("rl-").rpartition("-")[0]]
        self._cluster.end(submission_id, exit_code=0 if planned.code is None else _FAILED_RUN)

    def _plan(
        self,
        request: Request | None = None,
        *,
        after: Sequence[NewJob] = (),
        code: str | None = None,
        run: bool = False,
        **fields: Any,
    ) -> NewJob:
        """Plans a new job with random options; uploads have `data` and `filename` instead of a request."""
        chance = self._chance
        kind = JobKind.UPLOAD if request is None else request.kind
        fields["job_id"] = f"{kind}-{len(self.planned)}-{chance.randrange(16**6):06x}"
        harmless = [planned.job for planned in self.planned.values() if planned.code is None]
        if harmless and chance.random() < 0.15:
            after = [*after, *chance.sample(harmless, k=min(2, len(harmless)))]
        if after:
            fields["after"] = list(dict.fromkeys(job.id for job in after))
        if chance.random() < 0.15:
            fields["delay_s"] = chance.uniform(0.1, 2)
        fields["priority"] = chance.choice(["high", "normal", "low", None, None])
        job = new_upload(**fields) if request is None else new_job(request, **fields)
        self.planned[job.id] = Planned(job, code, run)
        return job

    def _session(self) -> str:
        return self._chance.choice(self._session_ids)

    def _upload(self, session_id: str | None = None) -> NewJob:
        session_id = session_id or self._session()
        filename = f"file-{len(self.planned)}.csv"
        rows = [f"{self._chance.choice(['oslo', 'bern'])},{self._chance.randrange(1000)}" for _ in range(50)]
        data = "\n".join(["city,amount", *rows, ""]).encode()
        job = self._plan(data=data, filename=filename, session_id=session_id)
        self._objects[f"sessions/{session_id}/csv/{filename}"] = data
        self._sources[session_id].add(filename)
        self._uploads.append(job)
        return job

    def _select(self) -> None:
        session_id = self._session()
        names = self._chance.sample(TABLES, k=2)
        refs = tuple(TableRef(database=self._warehouse.database, table=name) for name in names)
        self._plan(SelectTablesRequest(tables=refs), session_id=session_id)
        self._sources[session_id].update(f"{ref.database}.{ref.table}" for ref in refs)

    def _look(self) -> None:
        tables = ListTablesRequest(database=self._warehouse.database)
        looks: list[Request] = [RayStatusRequest(), RayRunsRequest(), ListDatabasesRequest(), tables]
        self._plan(self._chance.choice(looks))

    def _generate(self, *, execute: bool = False) -> None:
        upload = self._chance.choice(self._uploads) if self._uploads else self._upload()
        self._ask(upload, execute=execute, keep_sources=True)

    def _execute(self) -> None:
        self._generate(execute=True)

    def _execute_once(self) -> None:
        """Uses another session, since the run clears all sources that its job saw."""
        session_id = f"once-{len(self.planned)}"
        self._ask(self._upload(session_id), execute=True, keep_sources=False)
        # Other jobs may depend on the upload, but none may read its source.
        self._uploads.pop()
        self._sources[session_id].clear()

    def _ask(self, upload: NewJob, *, execute: bool, keep_sources: bool) -> None:
        question = self._chance.choice(["average amount by city", "how many rows", "top 3 by amount"])
        request = GenerateRequest(
            prompt=f"{question} in {upload.request.filename}",  # type: ignore[attr-defined]  # it is an upload
            execute=execute,
            keep_sources=keep_sources,
        )
        job = self._plan(request, after=[upload], session_id=upload.session_id, run=execute)
        if execute:
            self._runs.append(job)

    def _submit(self) -> None:
        request = RaySubmitRequest(code=f"print({self._chance.randrange(1000)})")
        if self._chance.random() < 0.1:
            self._doomed.append(self._plan(request, code="run_failed", run=True))
        else:
            self._runs.append(self._plan(request, run=True))

    def _look_at_run(self) -> None:
        if not self._runs:
            self._submit()
            return
        run = self._chance.choice(self._runs)
        name = run_id(run)
        looks: list[Request] = [RayRunRequest(submission_id=name), RayLogsRequest(submission_id=name)]
        self._plan(self._chance.choice(looks), after=[run])

    def _doom(self) -> None:
        """Plans a job that must fail by itself."""
        missing = TableRef(database=self._warehouse.database, table="missing")
        doomed = self._chance.choice(
            [
                partial(self._plan, SelectTablesRequest(tables=(missing,)), code="table_not_found"),
                partial(self._plan, GenerateRequest(prompt="how many rows"), code="no_sources"),
                partial(self._plan, data=b"PK\x03\x04", filename="bad.csv", code="invalid_file"),
            ]
        )
        self._doomed.append(doomed(session_id="empty"))

    def _follow_doomed(self) -> None:
        if self._doomed:
            job = self._plan(RayStatusRequest(), after=[self._chance.choice(self._doomed)], code="dependency_failed")
            self._doomed.append(job)


def run_id(job: NewJob) -> str:
    """Returns the submission id of the job's first run."""
    return f"rl-{job.id}-1"


async def status(redis: Redis, job_id: str) -> str:
    """Reads only the status, which is cheaper than the record."""
    found: str = await redis.hget(keys.job(job_id), "status")  # type: ignore[misc]  # redis-py's two kinds of client
    return found


def _wrong_end(planned: Planned, record: JobRecord) -> list[str]:
    code = record.error.code if record.error is not None else None
    wanted = JobStatus.SUCCEEDED if planned.code is None else JobStatus.FAILED
    if (record.status, code) == (wanted, planned.code):
        return []
    return [f"{record.status} with {record.error} instead of {wanted} with {planned.code}"]


def _wrong_start(record: JobRecord, before: Sequence[JobRecord], attempts: int | None) -> list[str]:
    started_at = record.started_at
    if started_at is None:
        return []
    problems = [f"started before {other.id} had ended" for other in before if (other.finished_at or 0) > started_at]
    if record.at is not None and started_at < record.at:
        problems.append("started before it was due")
    if attempts is not None and record.attempt != attempts:
        problems.append(f"{record.attempt} attempts were spent on it")
    return problems


def _wrong_events(record: JobRecord, events: Sequence[Mapping[str, str]]) -> list[str]:
    announced = [event["status"] for event in events if event["type"] == "status"]
    finals = [name for name in announced if JobStatus(name).is_final]
    has_started = record.started_at is not None
    if finals == [record.status] and announced[-1] == record.status and has_started == ("running" in announced):
        return []
    return [f"{record.status}, started at {record.started_at}, but its events announce {', '.join(announced)}"]


def _wrong_attempts(record: JobRecord, listed: Sequence[Attempt]) -> list[str]:
    """Checks that every attempt but a successful one is listed."""
    failed = record.attempt - (1 if record.status is JobStatus.SUCCEEDED else 0)
    if [attempt.number for attempt in listed] == list(range(1, failed + 1)):
        return []
    return [f"{record.status} in attempt {record.attempt}, after {[(it.number, it.error.code) for it in listed]}"]
