"""A model of one lane: what the queue promises, in memory, without Redis and without a clock.

It is written from the contracts and not from the scripts, so that the two can be compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from raylane_common.wire.jobs import JobStatus, Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from raylane_common.wire.jobs import NewJob

DEFAULT_ATTEMPTS: Final = 3
PER_SESSION: Final = 1
_RANK: Final = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}

Outcome = Literal["succeeded", "failed", "dead", "cancelled", "retry", "return"]


@dataclass(eq=False)
class Job:
    """`place` is when it became due, and its position in its batch; `token` proves its owner's right."""

    new: NewJob
    place: tuple[int, int]
    status: JobStatus = JobStatus.QUEUED
    waits_for: set[str] = field(default_factory=set)
    must_wait: bool = False
    has_not_been_due: bool = False
    start: Literal["any time", "in time", "too late"] = "any time"
    attempt: int = 0
    round: int = 0
    token: str | None = None
    wrote_last: str | None = None
    has_begun: bool = False
    lease_ran_out: bool = False
    cancel_requested: bool = False
    has_slot: bool = False
    is_parked: bool = False
    has_body: bool = False
    code: str | None = None
    is_at_fault: bool = True
    failures: list[tuple[int, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.new.id

    @property
    def is_look(self) -> bool:
        return self.new.request.is_look

    @property
    def is_dead(self) -> bool:
        return not self.is_at_fault and not self.is_look

    @property
    def is_live(self) -> bool:
        return not self.status.is_final

    @property
    def order(self) -> tuple[int, int, int, str]:
        return (_RANK[self.new.priority], *self.place, self.id)


class LaneModel:
    """One lane. Each method is one call of the real lane and returns the same."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.taken: dict[str, list[str]] = {}
        self.server_was_away = False
        # How many jobs were enqueued or requeued, how many of those that had not ended are gone, and how many ended.
        self.entered = self.vanished = 0
        self.ended: Counter[tuple[str, str, str]] = Counter()

    def those(self, fits: Callable[[Job], bool]) -> list[Job]:
        """The jobs that fit, in the order in which a lane serves them."""
        return sorted((job for job in self.jobs.values() if fits(job)), key=lambda job: job.order)

    def standing(self, status: JobStatus) -> list[Job]:
        return self.those(lambda job: job.status is status)

    def enqueue(self, new: NewJob, place: tuple[int, int]) -> tuple[str, str]:
        """Returns created, known, taken, unique or missing, and the id of the job that the caller gets."""
        known = self.jobs.get(new.id)
        if known is not None:
            same = (known.new.request, known.new.session_id) == (new.request, new.session_id)
            return "known" if same else "taken", new.id
        holder = self.holder_of(new)
        if holder is not None:
            return "unique", holder.id
        if any(other not in self.jobs for other in new.after):
            return "missing", new.id
        job = self.jobs[new.id] = Job(new, place, has_body=bool(new.body))
        job.must_wait = job.has_not_been_due = new.delay_s is not None
        job.start = "any time" if new.expires_s is None else "in time"
        self._enter(job)
        if any(self._failed(other) for other in new.after):
            self._end(job, JobStatus.FAILED, "dependency_failed")
        return "created", new.id

    def claim(self, token: str, limit: int) -> tuple[list[Job], list[Job]]:
        """The jobs that are the claim's, in their order: those that its lost answer held, and the new ones."""
        lost_answer = [self.jobs[job_id] for job_id in self.taken.get(token, []) if job_id in self.jobs]
        again = [job for job in lost_answer if job.token == token and job.status is JobStatus.RUNNING]
        for job in again:
            self._hold(job)
        self._note_contact()
        for job in self.those(lambda job: job.lease_ran_out):
            job.lease_ran_out = False
            self._queue(job)
        for job in self.standing(JobStatus.SCHEDULED):
            if not job.must_wait:
                self._queue(job)
        self.expire()
        new: list[Job] = []
        while len(again) + len(new) < limit:
            ready = self.those(lambda job: job.status is JobStatus.QUEUED and not job.is_parked)
            if not ready:
                break
            if self._start(ready[0], token):
                new.append(ready[0])
        self.taken[token] = [job.id for job in (*again, *new)]
        return again, new

    def _start(self, job: Job, token: str) -> bool:
        lost_its_worker = job.token is not None
        if lost_its_worker and job.attempt >= (job.new.max_attempts or DEFAULT_ATTEMPTS) and not job.cancel_requested:
            job.failures.append((job.attempt, "worker_lost"))
            job.token = None
            self._end(job, JobStatus.FAILED, "worker_lost", dead=True)
            return False
        if job.new.session_id is not None and not job.has_slot and not job.cancel_requested:
            if len(self.slots(job.new.session_id)) >= PER_SESSION:
                job.is_parked = True
                return False
            job.has_slot = True
        if lost_its_worker:
            job.failures.append((job.attempt, "worker_lost"))
        job.status, job.token, job.wrote_last = JobStatus.RUNNING, token, None
        job.attempt += 1
        job.has_begun = True
        return True

    def renew(self, job_id: str, token: str) -> str:
        self._note_contact()
        job = self.jobs.get(job_id)
        if job is None or job.token != token:
            return "lost"
        self._hold(job)
        return "cancel" if job.cancel_requested else "held"

    def may_write(self, job_id: str, token: str) -> bool:
        return job_id in self.jobs and self.jobs[job_id].token == token

    def finish(self, job_id: str, token: str, outcome: Outcome, code: str, *, is_later: bool = False) -> bool:
        job = self.jobs.get(job_id)
        if job is None or job.token != token:
            return job is not None and job.wrote_last == token
        job.token, job.wrote_last, job.lease_ran_out = None, token, False
        if outcome in ("failed", "dead", "retry"):
            job.failures.append((job.attempt, code))
        if outcome in ("retry", "return"):
            job.attempt -= outcome == "return"
            job.must_wait = is_later and not job.cancel_requested
            self._make_ready(job)
        elif outcome == "succeeded":
            self._end(job, JobStatus.SUCCEEDED)
        else:
            status = JobStatus.CANCELLED if outcome == "cancelled" else JobStatus.FAILED
            self._end(job, status, code, dead=outcome == "dead")
        return True

    def cancel(self, job_id: str) -> JobStatus:
        job = self.jobs[job_id]
        if job.is_live and job.has_begun:
            # A worker has to undo what an attempt may have left behind.
            job.cancel_requested = True
            job.must_wait = job.is_parked = False
            if job.status is not JobStatus.RUNNING:
                self._queue(job)
            return JobStatus.RUNNING
        if job.is_live:
            self._end(job, JobStatus.CANCELLED, "job_cancelled")
        return job.status

    def requeue(self, job_id: str, place: tuple[int, int]) -> bool:
        job = self.jobs[job_id]
        if job.status not in (JobStatus.FAILED, JobStatus.CANCELLED) or (job.new.body and not job.has_body):
            return False
        if self.holder_of(job.new) is not None or any(self._failed(other) for other in job.new.after):
            return False
        continues = not job.is_at_fault
        job.round += not continues
        job.has_begun = continues and job.has_begun
        job.attempt, job.place, job.code, job.is_at_fault = 0, place, None, True
        job.start, job.wrote_last, job.cancel_requested = "any time", None, False
        job.must_wait = job.has_not_been_due = False
        job.status = JobStatus.QUEUED
        self._enter(job)
        return True

    def expire(self) -> None:
        for job in sorted(self.those(lambda job: job.start == "too late"), key=lambda job: job.id):
            job.start = "any time"
            if job.is_live and not job.has_begun:
                self._end(job, JobStatus.FAILED, "expired")

    def vanish(self, job_id: str) -> None:
        """The record is gone, as after its time to live or by an operator's hand."""
        job = self.jobs.pop(job_id)
        if job.is_live:
            self.vanished += 1
            self._leave(job)
            self._fail(self._those_after(job))

    def find_again(self, job_id: str) -> None:
        """A job that stood nowhere is put back where its status says."""
        job = self.jobs[job_id]
        job.lease_ran_out = job.is_parked = False
        # Only the set held the time of the next attempt.
        job.must_wait = job.has_not_been_due
        if job.status is JobStatus.QUEUED:
            self._queue(job)

    def holder_of(self, new: NewJob) -> Job | None:
        """The live job that has the unique key."""
        if new.unique is None:
            return None
        key = (new.kind, new.unique)
        return next((job for job in self.jobs.values() if job.is_live and (job.new.kind, job.new.unique) == key), None)

    def slots(self, session_id: str) -> list[Job]:
        return self.those(lambda job: job.has_slot and job.new.session_id == session_id)

    def _note_contact(self) -> None:
        if self.server_was_away:
            for job in self.those(lambda job: job.lease_ran_out):
                job.lease_ran_out = False
        self.server_was_away = False

    def _hold(self, job: Job) -> None:
        job.status, job.lease_ran_out = JobStatus.RUNNING, False

    def _enter(self, job: Job) -> None:
        """Puts a job that is not running where it belongs."""
        self.entered += 1
        job.waits_for = {other for other in job.new.after if other in self.jobs and self._is_open(other)}
        if job.waits_for:
            job.status = JobStatus.WAITING
        elif job.must_wait:
            job.status = JobStatus.SCHEDULED

    def _make_ready(self, job: Job) -> None:
        if job.must_wait:
            job.status = JobStatus.SCHEDULED
        else:
            self._queue(job)

    def _queue(self, job: Job) -> None:
        """Back into the queue: at the head of those that came at the same moment."""
        job.status, job.place = JobStatus.QUEUED, (job.place[0], -1)

    def _end(self, job: Job, status: JobStatus, code: str | None = None, *, dead: bool = False) -> None:
        waiting = self._those_after(job)
        job.status, job.code, job.is_at_fault = status, code, not dead
        self.ended[job.new.kind, "dead" if job.is_dead and status is JobStatus.FAILED else status, code or ""] += 1
        job.has_body = job.has_body and dead
        self._leave(job)
        if status is not JobStatus.SUCCEEDED:
            self._fail(waiting, dead=dead)
            return
        for other in waiting:
            other.waits_for.remove(job.id)
            if not other.waits_for:
                self._make_ready(other)

    def _fail(self, jobs: Iterable[Job], *, dead: bool = False) -> None:
        """Those after a job that failed or is gone. One that comes after another one of them has failed with that."""
        for job in jobs:
            if job.is_live:
                self._end(job, JobStatus.FAILED, "dependency_failed", dead=dead)

    def _leave(self, job: Job) -> None:
        """What the job held goes to who waits for it."""
        job.is_parked = job.cancel_requested = job.lease_ran_out = False
        if job.has_slot:
            job.has_slot = False
            parked = self.those(lambda other: other.is_parked and other.new.session_id == job.new.session_id)
            for other in parked[:1]:
                other.is_parked, other.has_slot = False, True

    def _those_after(self, job: Job) -> list[Job]:
        return self.those(lambda other: other.status is JobStatus.WAITING and job.id in other.waits_for)

    def _is_open(self, job_id: str) -> bool:
        return self.jobs[job_id].is_live

    def _failed(self, job_id: str) -> bool:
        return job_id in self.jobs and self.jobs[job_id].status in (JobStatus.FAILED, JobStatus.CANCELLED)


def ids(jobs: Iterable[Job]) -> list[str]:
    return [job.id for job in jobs]
