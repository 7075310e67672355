"""The queue's scripts on a real server, compared to a model in memory after every step of random histories."""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from raylane_common.errors import (
    InternalError,
    JobCancelled,
    JobNotFound,
    JobNotRequeued,
    LeaseLost,
    RaylaneError,
    StorageRejected,
    StorageUnavailable,
)
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue, QueueOverview
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.settings import RedisSettings
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import JobStatus, NewJob, Priority
from raylane_common.wire.tables import ListDatabasesRequest, ListTablesRequest
from raylane_common.wire.upload import UploadRequest
from tests.helpers import queue_keys
from tests.helpers.lanes import DONE, Work, lane_queue
from tests.helpers.profiles import by_profile
from tests.helpers.queue_keys import keys
from tests.integration.queue_model import DEFAULT_ATTEMPTS, PER_SESSION, Job, LaneModel, Outcome, ids
from tests.integration.queue_snapshot import LANE, SETS, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hypothesis.strategies import SearchStrategy

    from raylane_common.redis.queue import AttemptOutcome, Lease
    from raylane_worker.embedded import EmbeddedValkey

T = TypeVar("T")

EXAMPLES: Final = by_profile(fast=10, ci=40, deep=600)  # each takes 50 steps on a real server
WORKERS: Final = ("w1", "w2", "w3")
SESSIONS: Final = ("a", "b")
# Nothing happens by itself: rules do what time would do.
LEASE_S: Final = 1000.0
MONTH_S: Final = 30 * 24 * 3600.0
ERRORS: Final[dict[Outcome, tuple[type[RaylaneError], type[RaylaneError]]]] = {
    "failed": (StorageRejected, StorageRejected),
    "dead": (StorageUnavailable, InternalError),
    "cancelled": (JobCancelled, JobCancelled),
    "retry": (StorageUnavailable, StorageUnavailable),
    "return": (StorageUnavailable, StorageUnavailable),
    "succeeded": (StorageUnavailable, StorageUnavailable),
}


def one_of(choose: Callable[[QueueMachine], list[T]]) -> SearchStrategy[T]:
    """One of the values that the machine holds at this moment."""
    return st.runner().flatmap(lambda machine: st.sampled_from(choose(machine)))


def some(choose: Callable[[QueueMachine], list[str]]) -> Callable[[Any], bool]:
    """Whether there is a value to choose."""
    return lambda machine: bool(choose(machine))


def those(fits: Callable[[Job], bool]) -> Callable[[QueueMachine], list[str]]:
    """The ids of the model's jobs that fit."""
    return lambda machine: sorted(ids(machine.model.those(fits)))


def rarely(*values: T, one_in: int = 5) -> SearchStrategy[T | None]:
    """None most of the time."""
    return st.sampled_from([None] * (one_in - 1) * len(values) + [*values])


def described(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


running: Final = those(lambda job: job.status is JobStatus.RUNNING)
live: Final = those(lambda job: job.is_live)
ended: Final = those(lambda job: not job.is_live)
any_job: Final = those(lambda _: True)


def used(machine: QueueMachine) -> list[str]:
    """Every id that was ever enqueued."""
    return machine.used_ids


def leases(machine: QueueMachine) -> list[str]:
    """The names of all leases that were ever given."""
    return list(machine.leases)


def held(machine: QueueMachine) -> list[str]:
    """The names of the leases whose holders may write."""
    return [name for name, lease in machine.leases.items() if machine.model.may_write(lease.job_id, lease.token)]


workers = st.sampled_from(WORKERS)
limits = st.integers(1, 4)
outcomes = st.sampled_from(list(ERRORS))
ends = st.tuples(one_of(held), outcomes, st.booleans(), st.booleans())
options = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([JobKind.TABLES, JobKind.TABLES, JobKind.UPLOAD]),
        "is_look": st.sampled_from([None, None, True]),
        "session_id": st.sampled_from(["a", None, "a", "b"]),
        "priority": rarely(Priority.HIGH, Priority.LOW),
        "max_attempts": rarely(1, 2, one_in=2),
        "unique": rarely("u", one_in=10),
        "delay_s": rarely(MONTH_S),
        "expires_s": rarely(MONTH_S),
        # Counted back from the newest job, so that chains within a batch come about.
        "after": st.one_of(st.none(), st.none(), st.lists(st.integers(1, 6), min_size=1, max_size=3)),
    }
)
batches = st.lists(options, min_size=1, max_size=5)


class QueueMachine(RuleBasedStateMachine):
    """Histories of one lane with three workers. The test makes every step."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        # redis-py gives each method the type of both its clients, the one that waits and the other one.
        self.redis = cast("Any", connect(RedisSettings.model_validate({"url": self.url})))
        self.run(self.redis.flushall())
        self.queue = JobQueue(self.redis)
        self.overview = QueueOverview(self.redis)
        options: dict[str, Any] = {"per_session": PER_SESSION, "max_attempts": DEFAULT_ATTEMPTS, "lease_s": LEASE_S}
        self.lanes = {name: lane_queue(self.redis, name=name, **options) for name in WORKERS}
        self.model = LaneModel()
        self.used_ids: list[str] = []
        self.leases: dict[str, Lease] = {}
        self.ghosts: set[str] = set()
        self.step = 0

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(doing)

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self._runner.close()

    # What callers do.

    @initialize(batch=batches)
    def begin(self, batch: list[dict[str, Any]]) -> None:
        self.enqueue_new(batch)

    @rule(batch=batches)
    def enqueue(self, batch: list[dict[str, Any]]) -> None:
        self.enqueue_new(batch)

    def enqueue_new(self, batch: list[dict[str, Any]]) -> None:
        jobs: list[NewJob] = []
        for options in batch:
            fields = described(options)
            fields["after"] = [self.used_ids[-back] for back in fields.get("after", []) if back <= len(self.used_ids)]
            fields["id"] = f"j{len(self.used_ids):03}"
            is_look = fields.pop("is_look", False)
            if fields.pop("kind") is JobKind.UPLOAD and "session_id" in fields:
                fields["request"] = UploadRequest(filename="a.csv", size_bytes=4, sha256="0" * 64)
                fields["body"] = b"a,b\n"
            else:
                fields["request"] = ListDatabasesRequest() if is_look else Work()
            self.used_ids.append(fields["id"])
            jobs.append(NewJob(**fields))
        self._enqueue(jobs)

    @precondition(some(used))
    @rule(job_id=one_of(used), is_changed=st.booleans(), options=options)
    def enqueue_again(self, job_id: str, is_changed: bool, options: dict[str, Any]) -> None:
        if job_id in self.ghosts:
            return
        known = self.model.jobs.get(job_id)
        fields = described(options | {"kind": None, "is_look": None, "after": None, "id": job_id})
        fields["request"] = ListTablesRequest(database="d") if is_changed or known is None else known.new.request
        if known is not None:
            fields["session_id"] = known.new.session_id
        self._enqueue([NewJob(**fields)])

    def _enqueue(self, jobs: list[NewJob]) -> None:
        self._next_step()
        expected = [self.model.enqueue(job, (self.step, index)) for index, job in enumerate(jobs)]
        answers = self.run(self.queue.enqueue_many(jobs))
        codes = {"taken": "job_id_taken", "missing": "invalid_request"}
        assert [(answer.id, answer.created, answer.error and answer.error.code) for answer in answers] == [
            (job_id, outcome == "created", codes.get(outcome)) for outcome, job_id in expected
        ]

    @precondition(some(used))
    @rule(job_id=one_of(used))
    def cancel(self, job_id: str) -> None:
        if job_id in self.model.jobs:
            assert self.run(self.queue.cancel(job_id)) == self.model.cancel(job_id)
        else:
            with pytest.raises(JobNotFound):
                self.run(self.queue.cancel(job_id))

    @precondition(some(ended))
    @rule(job_id=st.one_of(one_of(ended), one_of(used)))
    def requeue(self, job_id: str) -> None:
        self._next_step()
        if job_id not in self.model.jobs:
            with pytest.raises(JobNotFound):
                self.run(self.queue.requeue(job_id))
        elif self.model.requeue(job_id, (self.step, 0)):
            self.run(self.queue.requeue(job_id))
        else:
            with pytest.raises(JobNotRequeued):
                self.run(self.queue.requeue(job_id))

    # What workers do.

    @rule(worker=workers, limit=limits, is_lost=rarely(True))
    def claim(self, worker: str, limit: int, is_lost: bool | None) -> None:
        self._claim(worker, limit, is_lost=bool(is_lost))

    @rule(worker=workers, limit=limits, outcomes=st.lists(outcomes, min_size=1, max_size=2))
    def claim_and_finish(self, worker: str, limit: int, outcomes: list[Outcome]) -> None:
        for name, outcome in zip(self._claim(worker, limit), cycle(outcomes), strict=False):
            self._finish([(name, outcome, False, False)])

    def _claim(self, worker: str, limit: int, *, is_lost: bool = False) -> list[str]:
        """The names of the leases; none if the answer is lost, after which the worker asks with the same token."""
        lane = self.lanes[worker]
        token = lane._token
        parked = self.model.those(lambda job: job.is_parked)
        claim = self.run(lane.claim(limit))
        again, new = self.model.claim(token, limit)
        found = [lease.job_id for lease in claim.leases]
        assert {lease.job_id: lease.record.attempt for lease in claim.leases} == {
            job.id: job.attempt for job in again + new
        }
        # A job whose session got a free slot by this claim may come behind jobs that the claim found before.
        ordered = [job_id for job_id in found if job_id not in ids(parked)]
        assert ordered == [job.id for job in again + new if job not in parked]
        assert [lease.record.status for lease in claim.leases] == [JobStatus.RUNNING] * len(again + new)
        assert {lease.token for lease in claim.leases} <= {token}
        left = self.model.those(lambda job: job.status is JobStatus.QUEUED and not job.is_parked)
        assert claim.next_due_s == 0 or not left
        if is_lost:
            lane._token = token
            return []
        names = [f"lease {len(self.leases) + nth} of {job_id}" for nth, job_id in enumerate(found)]
        self.leases |= zip(names, claim.leases, strict=True)
        return names

    @precondition(some(leases))
    @rule(chosen=st.lists(one_of(leases), min_size=1, max_size=4))
    def renew(self, chosen: list[str]) -> None:
        leases = [self.leases[name] for name in chosen]
        expected = [self.model.renew(lease.job_id, lease.token) for lease in leases]
        assert self.run(self.lanes["w1"].renew(leases)) == expected

    @precondition(some(held))
    @rule(chosen=st.lists(ends, min_size=1, max_size=3))
    def finish(self, chosen: list[tuple[str, Outcome, bool, bool]]) -> None:
        self._finish(chosen)

    @precondition(some(leases))
    @rule(name=one_of(leases), outcome=outcomes)
    def write_and_finish_by_whoever_had_it(self, name: str, outcome: Outcome) -> None:
        lease = self.leases[name]
        if self.model.may_write(lease.job_id, lease.token):
            self.run(lease.log("half way"))
        else:
            with pytest.raises(LeaseLost):
                self.run(lease.log("half way"))
        self._finish([(name, outcome, False, False)])

    def _finish(self, chosen: list[tuple[str, Outcome, bool, bool]]) -> None:
        ends: list[AttemptOutcome] = []
        expected: list[bool] = []
        for name, outcome, is_later, other_error in chosen:
            lease, delay_s = self.leases[name], 3600 if is_later else 0
            error = ERRORS[outcome][other_error]("it went wrong")
            match outcome:
                case "succeeded":
                    ends.append(lease.succeeded(DONE))
                case "failed" | "dead":
                    ends.append(lease.failed(error))
                case "cancelled":
                    ends.append(lease.cancelled(error))
                case "retry":
                    ends.append(lease.retried(error, delay_s))
                case "return":
                    ends.append(lease.returned(error if is_later else None, delay_s))
            expected.append(self.model.finish(lease.job_id, lease.token, outcome, error.code, is_later=is_later))
        assert self.run(self.lanes["w1"].finish(ends)) == expected

    @rule(worker=workers)
    def sweep(self, worker: str) -> None:
        """In a sound lane the janitor finds nothing but jobs that have expired."""
        is_sound = not self.model.those(lambda job: job.start == "too late")
        before = self._look()
        self.model.expire()
        self._sweep(worker)
        assert not is_sound or self._look().what_lasts() == before.what_lasts()

    # What time does.

    @precondition(some(any_job))
    @rule(job_id=one_of(lambda machine: running(machine) * 3 + any_job(machine)), expires=st.booleans())
    def a_time_comes(self, job_id: str, expires: bool) -> None:
        """The next point in time that matters to the job."""
        job = self.model.jobs[job_id]
        if not job.is_live:
            self._reach_the_records_end(job_id)
        elif job.start == "in time" and expires:
            self.run(self.redis.zadd(queue_keys.expiring(LANE), {job_id: 1}, xx=True))
            self._set(job_id, expires_at=1)
            job.start = "too late"
        elif job.must_wait:
            self._come_due(job)
        elif job.status is JobStatus.RUNNING:
            self._run_out(job_id)

    def _reach_the_records_end(self, job_id: str) -> None:
        """With all that does not live longer than it; the janitor drops it from the lists of the same age."""
        left_ms = self.run(self.redis.pttl(keys.job(job_id)))
        for key in self.run(self.redis.keys(f"*:{job_id}*")):
            if self.run(self.redis.pttl(key)) <= left_ms + 1000:
                self.run(self.redis.delete(key))
        for key in (keys.ended(LANE), keys.looks(LANE), keys.dead(LANE)):
            self.run(self.redis.zrem(key, job_id))
        self.model.vanish(job_id)

    def _come_due(self, job: Job) -> None:
        self._next_step()
        now_ms = self._now_ms()
        if job.has_not_been_due:
            self._set(job.id, at=now_ms)
            job.place = (self.step, -1)
        job.must_wait = job.has_not_been_due = False
        self.run(self.redis.zadd(keys.schedule(LANE), {job.id: now_ms}, xx=True))

    def _run_out(self, job_id: str) -> None:
        self.run(self.redis.zadd(keys.running(LANE), {job_id: 1}, xx=True))
        self.run(self.redis.delete(queue_keys.lease(job_id)))
        self.model.jobs[job_id].lease_ran_out = True

    @precondition(some(running))
    @rule()
    def nobody_is_heard_for_a_while(self) -> None:
        """As when the server was away: all leases have run out, and whoever comes back first takes nobody's job."""
        for job_id in running(self):
            self._run_out(job_id)
        pulse = queue_keys.pulse(LANE)
        _, of_server = self.run(self.redis.get(pulse)).split()
        self.run(self.redis.set(pulse, f"1 {of_server}", keepttl=True))
        self.model.server_was_away = True

    # What a crash or an operator may break, and the janitor repairs.

    @precondition(some(live))
    @rule(job_id=one_of(live))
    def a_record_vanishes(self, job_id: str) -> None:
        self.run(self.redis.delete(keys.job(job_id)))
        self.ghosts.add(job_id)
        # What has no record cannot expire any more.
        self.model.jobs[job_id].start = "any time"
        self.model.expire()
        self.model.vanish(job_id)
        self._sweep("w1")

    @precondition(some(live))
    @rule(job_id=one_of(live))
    def a_job_loses_its_place(self, job_id: str) -> None:
        job = self.model.jobs[job_id]
        if job.is_parked:
            self.run(self.redis.zrem(keys.parked(LANE), job_id))
            self.run(self.redis.zrem(queue_keys.session_parked(str(job.new.session_id), LANE), job_id))
        else:
            self.run(self.redis.zrem(SETS[job.status], job_id))
        self.model.expire()
        self.model.find_again(job_id)
        self._sweep("w1")

    @rule(session=st.sampled_from(SESSIONS), slot=st.booleans())
    def a_session_is_damaged(self, session: str, slot: bool) -> None:
        """It forgets whom it parked, or has a slot held by a job that is gone."""
        if slot:
            key = queue_keys.session_slots(session, LANE)
            self.run(self.redis.sadd(key, "gone"))
            self.run(self.redis.expire(key, 3600))
        else:
            self.run(self.redis.delete(queue_keys.session_parked(session, LANE)))
        self.model.expire()
        self._sweep("w1")

    def _sweep(self, worker: str) -> None:
        """A sweep that checks every job instead of the next few."""
        self.run(self.redis.delete(keys.janitor(LANE)))
        assert self.run(self.lanes[worker].janitor().sweep())
        checked = [(job_id, True) for job_id in self.used_ids]
        self.run(calls.mend(Scripts(self.redis), LANE, int(LEASE_S * 1000), ["tables", "upload"], checked))

    # What must hold after every step.

    @invariant()
    def the_lane_agrees_with_the_model(self) -> None:
        seen = self._look()
        seen.check_times_to_live()
        seen.check_records()
        seen.check_sets()
        seen.check_events()
        seen.check_sessions(SESSIONS)
        seen.check_unique_key("u")
        seen.check_ended(self.run(self.overview.ended_jobs()))
        if not self.ghosts:
            seen.check_overview(self.run(self.overview.lanes()))

    def _look(self) -> Snapshot:
        return self.run(Snapshot.take(self.redis, self.model, self.ghosts))

    def _next_step(self) -> None:
        """What comes later must be later by the server's clock too, which orders jobs by the millisecond."""
        self.step += 1
        before = self._now_ms()
        while self._now_ms() == before:
            pass

    def _now_ms(self) -> int:
        seconds, micros = self.run(self.redis.time())
        return int(seconds * 1000 + micros // 1000)

    def _set(self, job_id: str, **fields: int) -> None:
        self.run(self.redis.hset(keys.job(job_id), mapping=fields))


@pytest.mark.chaos
@pytest.mark.timeout(900)  # a failure is made as short as possible before it is shown
def test_every_history_agrees_with_the_model(valkey: EmbeddedValkey) -> None:
    class Histories(QueueMachine):
        url = valkey.url

    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=50,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
