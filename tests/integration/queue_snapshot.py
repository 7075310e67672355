"""Everything that the server holds at one moment, compared to the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import Attempt, JobRecord, JobStatus
from tests.helpers import queue_keys
from tests.helpers.queue_keys import keys
from tests.integration.queue_model import PER_SESSION, ids

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from redis.asyncio import Redis

    from raylane_common.wire.jobs import EndedJobs, LaneOverview
    from tests.integration.queue_model import Job, LaneModel

LANE: Final = "upload"
SETS: Final = {
    JobStatus.WAITING: keys.waiting(LANE),
    JobStatus.SCHEDULED: keys.schedule(LANE),
    JobStatus.QUEUED: keys.queue(LANE),
    JobStatus.RUNNING: keys.running(LANE),
}
_READ_ALL: Final = """
local function value_of(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' then return redis.call('GET', key) end
  if kind == 'hash' then return redis.call('HGETALL', key) end
  if kind == 'set' then return redis.call('SMEMBERS', key) end
  if kind == 'list' then return redis.call('LRANGE', key, 0, -1) end
  if kind == 'zset' then return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end
  return redis.call('XRANGE', key, '-', '+')
end
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do found[#found + 1] = {key, redis.call('PTTL', key), value_of(key)} end
return found
"""


@dataclass(frozen=True)
class Snapshot:
    """`ghosts` are jobs whose record was deleted; their entries in the lane's sets do not count."""

    model: LaneModel
    ghosts: set[str]
    values: dict[str, Any]
    ttls_ms: dict[str, int]

    @classmethod
    async def take(cls, redis: Redis, model: LaneModel, ghosts: set[str]) -> Snapshot:
        found = await cast("Awaitable[Any]", redis.eval(_READ_ALL, 0))
        values = {key: value for key, _, value in found}
        return cls(model, ghosts, values, {key: left_ms for key, left_ms, _ in found})

    def what_lasts(self) -> dict[str, Any]:
        """Everything but the times of the janitor's last sweep and its last checks of waiting jobs."""
        passing = (keys.waiting(""), keys.janitor(LANE))
        # Members of a set have no order.
        return {
            key: sorted(map(str, value)) if isinstance(value, list) else value
            for key, value in self.values.items()
            if not key.startswith(passing)
        }

    def check_times_to_live(self) -> None:
        lasting = {key for key, left_ms in self.ttls_ms.items() if left_ms < 0 and not key.startswith(keys.immortal)}
        live = {job.id for job in self.model.jobs.values() if job.is_live}
        unique = {key for key in lasting if queue_keys.is_unique(key)}
        owners = {key: self.values[key] if key in unique else queue_keys.job_of(key) for key in lasting}
        # Nothing tells the unique key of a job whose record is gone. The next job that asks for the key gets it.
        held_by_ghosts = {key for key in unique if owners[key] in self.ghosts}
        assert {key for key in lasting if owners[key] not in live} == held_by_ghosts, "keys without a time to live"
        unfinished = {key for key in self.ttls_ms if queue_keys.job_of(key) in live}
        assert unfinished <= lasting, "keys of unfinished jobs that expire"

    def check_records(self) -> None:
        found = {job_id: self._record(job_id) for job_id in self.model.jobs}
        expected = {
            job.id: (job.status, job.attempt, job.round, job.code, job.cancel_requested)
            for job in self.model.jobs.values()
        }
        assert {job_id: self._summary(record) for job_id, record in found.items()} == expected
        for job_id in found:
            job = self.model.jobs[job_id]
            attempts = [Attempt.model_validate_json(line) for line in self.values.get(keys.job_attempts(job_id), [])]
            assert [(attempt.number, attempt.error.code) for attempt in attempts] == job.failures
            assert (keys.job_body(job_id) in self.values) == job.has_body
            assert (queue_keys.arq_job(job_id) in self.values) == job.is_live

    def _record(self, job_id: str) -> JobRecord:
        flat = self.values[keys.job(job_id)]
        return JobRecord.from_hash(job_id, dict(zip(flat[::2], flat[1::2], strict=True)))

    def _summary(self, record: JobRecord) -> tuple[object, ...]:
        code = record.error.code if record.error and record.status.is_final else None
        return (record.status, record.attempt, record.round, code, record.cancel_requested_at is not None)

    def check_sets(self) -> None:
        """Each unfinished job is in the set of its status, and in no other set."""
        jobs = self.model.jobs.values()
        for status, key in SETS.items():
            assert self._scored(key) == _sorted(job for job in jobs if job.status is status and not job.is_parked)
        assert self._scored(keys.parked(LANE)) == _sorted(job for job in jobs if job.is_parked)
        assert self._scored(keys.dead(LANE)) == _sorted(job for job in jobs if job.is_dead)
        assert self._scored(keys.ended(LANE)) == _sorted(job for job in jobs if not job.is_live and not job.is_look)
        assert self._scored(keys.looks(LANE)) == _sorted(job for job in jobs if not job.is_live and job.is_look)
        for job in jobs:
            assert self.values.get(queue_keys.lease(job.id), job.token) == job.token

    def check_events(self) -> None:
        """An ended job's stream ends with its end, and nothing else ends in a stream."""
        for job in self.model.jobs.values():
            entries = self.values.get(keys.job_events(job.id), [])
            events = [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in entries]
            statuses = [JobStatus(event["status"]) for event in events if event["type"] == "status"]
            assert not any(status.is_final for status in statuses[:-1])
            # A stream is created at the first change of the status.
            assert statuses[-1:] == [job.status] or (job.is_live and not events)
            assert job.is_live or events[-1]["type"] == "status"
            order = [tuple(map(int, entry.split("-"))) for entry, _ in entries]
            assert order == sorted(set(order))

    def check_sessions(self, sessions: Iterable[str]) -> None:
        for session in sessions:
            holders = _sorted(self.model.slots(session))
            assert (
                sorted(self.model.jobs.keys() & self.values.get(queue_keys.session_slots(session, LANE), [])) == holders
            )
            jobs = [job for job in self.model.jobs.values() if job.new.session_id == session]
            parked = _sorted(job for job in jobs if job.is_parked)
            assert self._scored(queue_keys.session_parked(session, LANE)) == parked
            assert not parked or len(holders) == PER_SESSION, "parked jobs, and a free slot"

    def check_unique_key(self, key: str) -> None:
        for kind in (JobKind.UPLOAD, JobKind.TABLES):
            holder = self.values.get(queue_keys.unique(kind, key))
            found = [] if holder is None or holder in self.ghosts else [holder]
            jobs = [job for job in self.model.jobs.values() if (job.new.kind, job.new.unique) == (kind, key)]
            assert found == _sorted(job for job in jobs if job.is_live)

    def check_overview(self, lanes: list[LaneOverview]) -> None:
        [lane] = [lane for lane in lanes if lane.lane == LANE]
        counted = {status: len(self.model.standing(status)) for status in SETS}
        assert (lane.waiting, lane.scheduled, lane.queued, lane.running) == tuple(counted.values())
        assert lane.parked == len(self.model.those(lambda job: job.is_parked))
        assert lane.dead == len(self.model.those(lambda job: job.is_dead))

    def check_ended(self, found: list[EndedJobs]) -> None:
        """Every end is counted once, and whatever was enqueued has ended or is still there."""
        counted = {(ended.kind, ended.outcome, ended.code): ended.count for ended in found if ended.lane == LANE}
        assert counted == dict(self.model.ended)
        live = sum(job.is_live for job in self.model.jobs.values())
        assert self.model.entered - self.model.vanished == sum(ended.count for ended in found) + live

    def _scored(self, key: str) -> list[str]:
        return sorted(set(self.values.get(key, [])[::2]) - self.ghosts)


def _sorted(jobs: Iterable[Job]) -> list[str]:
    return sorted(ids(jobs))
