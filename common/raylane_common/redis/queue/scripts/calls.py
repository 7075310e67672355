"""One typed function for each Lua script. Only this module knows the order of their arguments and answers.

Every function raises `QueueUnavailable` when Redis does not answer in time. See docs/decisions/0006.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NewType, cast

from raylane_common.redis.queue.scripts import DEAD_TTL_MS, Argument, Scripts
from raylane_common.wire.jobs import WIRE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from raylane_common.wire.jobs import NewJob

Verdict = Literal["succeeded", "failed", "dead", "cancelled", "retry", "return"]
LeaseState = Literal["held", "lost", "cancel"]
_FINISHING: Final = "write the outcomes of attempts"
# The script blocks the server for a few milliseconds while it writes this many.
_OUTCOMES_PER_RUN: Final = 200
_LEASE_STATES: Final[tuple[LeaseState, ...]] = ("lost", "held", "cancel")


@dataclass(frozen=True)
class Retention:
    """How long Redis keeps the records of ended jobs, and those of dead letters."""

    ended_ms: int
    dead_ms: int = DEAD_TTL_MS


@dataclass(frozen=True)
class JobGroup:
    """Neighbouring jobs that differ only in id, payload and body. `options` is JSON, or '' for none."""

    kind: str
    lane: str
    session_id: str
    options: str
    jobs: list[NewJob]


PackedJobs = NewType("PackedJobs", list[Argument])


class EnqueueReply(NamedTuple):
    """The answer for one job. `detail` names the other job or the option; `problem` says what is wrong with it."""

    verdict: Literal["written", "known", "taken", "missing", "unique", "option"]
    detail: str = ""
    problem: str = ""


_WRITTEN: Final = EnqueueReply("written")
_KNOWN: Final = EnqueueReply("known")


def pack_jobs(groups: Iterable[JobGroup]) -> PackedJobs:
    """Returns the arguments of `enqueue`. A separate step, so that a caller can pack jobs while Redis is busy."""
    packed: list[Argument] = [WIRE_VERSION]
    for group in groups:
        packed += (len(group.jobs), group.kind, group.lane, group.session_id, group.options)
        for job in group.jobs:
            packed += (job.id, job.request.model_dump_json(), job.body)
    return PackedJobs(packed)


async def enqueue(scripts: Scripts, batches: Sequence[PackedJobs]) -> list[EnqueueReply]:
    """Writes the jobs of all batches, each in one atomic step; returns an answer for each job.

    Raises `WriteNotConfirmed` if the server does not confirm them in time.
    """
    answers = await scripts.run_confirmed("enqueue", batches, doing="enqueue jobs", is_refusal=_refuses_all)
    return [_enqueue_reply(reply) for answer in answers for reply in cast("list[int | list[str]]", answer)]


def _refuses_all(answer: object) -> bool:
    # With the verdict 'unique' the caller gets another job, which must be kept as well.
    replies = cast("list[int | list[str]]", answer)
    return all(not isinstance(reply, int) and reply[0] != "unique" for reply in replies)


def _enqueue_reply(reply: int | list[str]) -> EnqueueReply:
    if isinstance(reply, int):
        return _WRITTEN if reply else _KNOWN
    verdict, *details = reply
    return EnqueueReply(cast("Literal['taken', 'missing', 'unique', 'option']", verdict), *details)


class ClaimReply(NamedTuple):
    """The claimed jobs, and the milliseconds until the next job is due (None if there is none).

    Each job is its id, its record, and how many milliseconds it has waited; None if it has started before. `server` is
    the server's run id, which changes with each start.
    """

    server: str
    next_due_ms: int | None
    jobs: list[tuple[str, dict[str, str], int | None]]


async def claim(
    scripts: Scripts,
    lane: str,
    *,
    worker: str,
    token: str,
    limit: int,
    lease_ms: int,
    per_session: int,
    retention: Retention,
    max_attempts: Mapping[str, int],
) -> ClaimReply:
    """Claims up to `limit` jobs under `token`. A repeated call with the same token gets the same jobs.

    `worker` is the name to record and `lease_ms` the length of the leases. `per_session` is how many jobs of one
    session may run at once (0 for no limit). `max_attempts`, by kind, applies to jobs that were enqueued without a
    number of their own.
    """
    kinds = [part for item in max_attempts.items() for part in item]
    arguments = [lane, worker, token, limit, lease_ms, per_session, retention.ended_ms, retention.dead_ms, *kinds]
    answer = await scripts.run("claim", arguments, doing="claim jobs")
    server, next_due_ms, *rows = cast("list[Any]", answer)
    due_ms = cast("int", next_due_ms)
    return ClaimReply(
        cast("str", server),
        None if due_ms < 0 else due_ms,
        [
            (job_id, _pairs(flat), waited[0] if waited else None)
            for job_id, flat, *waited in cast("list[tuple[str, list[str], int]]", rows)
        ],
    )


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


async def renew(
    scripts: Scripts, lane: str, lease_ms: int, leases: Iterable[tuple[str, str]]
) -> tuple[str, list[LeaseState]]:
    """Extends leases, given as job id and token; returns the server's run id and the state of each lease."""
    arguments: list[Argument] = [lane, lease_ms]
    for lease in leases:
        arguments += lease
    server, *replies = cast("list[str | int]", await scripts.run("renew", arguments, doing="renew leases"))
    return cast("str", server), [_LEASE_STATES[reply] for reply in cast("list[int]", replies)]


async def note(
    scripts: Scripts,
    job_id: str,
    token: str,
    *,
    field: tuple[str, str] = ("", ""),
    event: tuple[str, str, str] = ("", "", ""),
) -> bool:
    """Writes one `field` (name, value) and one `event` (type, field, value) of a running job.

    Returns False if the job has another owner or has ended.
    """
    answer = await scripts.run("note", [job_id, token, *field, *event], doing="write a running job's state")
    return bool(answer)


class RunSlot(NamedTuple):
    """Whether a job has a run slot; None if it has another owner or has ended.

    Jobs hold `taken` slots of the cluster, and `waiting` jobs wait for one. `is_in_the_way` says whether other jobs
    need this job's place in its lane: "yes" if jobs are queued there, "now" if one of them holds a slot.
    """

    is_held: bool | None
    taken: int
    waiting: int
    is_in_the_way: Literal["no", "yes", "now"] = "no"


_HELD: Final = (False, True, None)
_IN_THE_WAY: Final[tuple[Literal["no", "yes", "now"], ...]] = ("no", "yes", "now")


async def take_run_slot(scripts: Scripts, job_id: str, token: str, cluster: str, limit: int) -> RunSlot:
    """Gives a running job one of the `limit` run slots of the `cluster`, or a place in line for one."""
    answer = await scripts.run("take_run_slot", [job_id, token, cluster, limit], doing="take a run slot")
    state, taken, waiting, need = cast("list[int]", answer)
    return RunSlot(_HELD[state], taken, waiting, _IN_THE_WAY[need])


async def free_run_slot(scripts: Scripts, job_id: str, token: str) -> bool:
    """Frees the run slot of a running job, if it has one. Returns False if the job has another owner or has ended."""
    return bool(await scripts.run("free_run_slot", [job_id, token], doing="free a run slot"))


@dataclass(frozen=True)
class AttemptOutcome:
    """How one attempt ended. `value` is the result or error as JSON; `delay_ms` delays the next attempt."""

    job_id: str
    token: str
    verdict: Verdict
    value: str
    delay_ms: int = 0


async def finish(scripts: Scripts, lane: str, retention: Retention, outcomes: Iterable[AttemptOutcome]) -> list[bool]:
    """Writes outcomes of a lane, each in one atomic step. Returns False for each job that has another owner."""
    answer = await scripts.run("finish", _pack_outcomes(lane, retention, outcomes), doing=_FINISHING)
    return [bool(reply) for reply in cast("list[int]", answer)]


async def finish_confirmed(
    scripts: Scripts, lane: str, retention: Retention, outcomes: Sequence[AttemptOutcome]
) -> None:
    """Writes outcomes like `finish`, and waits until the server confirms them. Raises `WriteNotConfirmed`."""
    batches = [outcomes[start : start + _OUTCOMES_PER_RUN] for start in range(0, len(outcomes), _OUTCOMES_PER_RUN)]
    await scripts.run_confirmed(
        "finish", [_pack_outcomes(lane, retention, batch) for batch in batches], doing=_FINISHING
    )


def _pack_outcomes(lane: str, retention: Retention, outcomes: Iterable[AttemptOutcome]) -> list[Argument]:
    packed: list[Argument] = [lane, retention.ended_ms, retention.dead_ms]
    for outcome in outcomes:
        packed += (outcome.job_id, outcome.token, outcome.verdict, outcome.value, outcome.delay_ms)
    return packed


async def cancel(scripts: Scripts, job_id: str, error: str) -> str:
    """Cancels a job; returns its new status, or '' for an unknown job. `error` is the error to store, as JSON.

    Raises `WriteNotConfirmed` if the server does not confirm it in time.
    """
    [answer] = await scripts.run_confirmed(
        "cancel", [[job_id, error]], doing="cancel a job", is_refusal=lambda status: not status
    )
    return cast("str", answer)


class RequeueReply(NamedTuple):
    """Whether the job is back in its lane, or why not. `other` is the id of the job that prevents it."""

    verdict: Literal["ok", "missing", "changed", "body", "unique", "dependency"]
    other: str = ""


async def requeue(
    scripts: Scripts,
    job_id: str,
    *,
    finished_at: int,
    starts_over: bool,
    checkpoint: str | None,
    progress: str | None,
) -> RequeueReply:
    """Puts a failed or cancelled job back into its lane, unless `finished_at` (epoch ms) has changed in the record.

    If it `starts_over`, its runs get new ids. A `checkpoint` (JSON) replaces the one in the record; None keeps it.
    `progress` (JSON) replaces that of the record; None removes it.
    Raises `WriteNotConfirmed` if the server does not confirm it in time.
    """
    arguments: list[Argument] = [job_id, finished_at, int(starts_over), checkpoint or "", progress or ""]
    [answer] = await scripts.run_confirmed(
        "requeue", [arguments], doing="requeue a job", is_refusal=lambda reply: cast("list[str]", reply)[0] != "ok"
    )
    verdict, *other = cast("list[str]", answer)
    return RequeueReply(cast("Literal['ok']", verdict), *other)


async def sweep(
    scripts: Scripts,
    lane: str,
    *,
    worker: str,
    every_ms: int,
    per_session: int,
    retention: Retention,
    longest_list: int,
) -> int | None:
    """Repairs a bounded part of a lane; returns how many jobs were repaired, None if another worker has the sweep.

    `worker` has the sweep for `every_ms`. `per_session` is how many jobs of one session may run at once (0 for no
    limit). `longest_list` is the maximum length of the lane's list of ended jobs.
    """
    times: list[Argument] = [retention.ended_ms, retention.dead_ms]
    arguments: list[Argument] = [lane, worker, every_ms, per_session, *times, longest_list]
    repaired = cast("int", await scripts.run("sweep", arguments, doing="sweep the lane"))
    return None if repaired < 0 else repaired


async def mend(
    scripts: Scripts, lane: str, lease_ms: int, kinds: Sequence[str], jobs: Iterable[tuple[str, bool]]
) -> list[str]:
    """Restores jobs that are in no set of the lane, and deletes what has no job; returns the changed ids.

    A running job gets a lease of `lease_ms`. `kinds` are the kinds that run in the lane. `jobs` holds ids, each with
    True if a key of the job other than its record was seen.
    """
    arguments: list[Argument] = [lane, lease_ms, len(kinds), *kinds]
    for job_id, has_parts in jobs:
        arguments += (job_id, int(has_parts))
    return cast("list[str]", await scripts.run("mend", arguments, doing="restore stray jobs"))


async def beat(scripts: Scripts, lane: str, worker: str, ttl_ms: int, about: str = "") -> bool:
    """Records a worker's heartbeat, which is valid for `ttl_ms`; returns whether the worker was asked to drain.

    `about` is JSON that describes the worker.
    """
    return bool(await scripts.run("beat", [lane, worker, ttl_ms, about], doing="send a heartbeat"))


async def ask_to_drain(scripts: Scripts, worker: str, ttl_ms: int) -> None:
    """Asks a worker to drain and stop. The request lasts for `ttl_ms`."""
    await scripts.run("ask_to_drain", [worker, ttl_ms], doing="ask a worker to drain")


@dataclass(frozen=True)
class FileUpload:
    """One upload of a file of a session: the file, the upload's job and when that was enqueued, and its size."""

    filename: str
    job_id: str
    enqueued_ms: int
    size_bytes: int

    @property
    def field(self) -> str:
        """The field of its source. The type is part of it, because a file may have the name of a table."""
        return f"file:{self.filename}"


class PackedSource(NamedTuple):
    """A source to store: its field and its JSON, and its upload if it is a file."""

    field: str
    value: str
    upload: FileUpload | None


class SourcesReply(NamedTuple):
    """Whether sources were added, or may be.

    `details` holds for "ok" the epoch microsecond at which the upload was enqueued and whether the session has such a
    source, for "replaced" the id of the newer upload and the field, and for "full" the number of the session's sources
    and their bytes.
    """

    verdict: Literal["ok", "replaced", "full"]
    details: tuple[str, ...]


async def claim_upload(
    scripts: Scripts, session_id: str, upload: FileUpload, room: tuple[int, int], *, ttl_ms: int, writes: bool
) -> SourcesReply:
    """Makes the upload the newest one of its file, and removes the source of an earlier one.

    `room` is how many sources and bytes the session may have, each 0 for no limit. The claim is kept for `ttl_ms`. With
    `writes` False, nothing changes, and the answer says what would happen.
    """
    arguments: list[Argument] = [session_id, ttl_ms, upload.field, upload.job_id, upload.enqueued_ms, upload.size_bytes]
    answer = await scripts.run("claim_upload", [*arguments, *room, int(writes)], doing="store sources")
    return _sources_reply(answer)


async def put_sources(
    scripts: Scripts, session_id: str, sources: Sequence[PackedSource], room: tuple[int, int], *, ttl_ms: int
) -> SourcesReply:
    """Writes sources, all or none. The session's sources are then kept for `ttl_ms`. `room` is as in `claim_upload`."""
    fields: list[Argument] = []
    for field, value, upload in sources:
        of_upload = (upload.job_id, upload.enqueued_ms, upload.size_bytes) if upload else ("", 0, 0)
        fields += (field, value, *of_upload)
    return _sources_reply(await scripts.run("put_sources", [session_id, ttl_ms, *room, *fields], doing="store sources"))


def _sources_reply(answer: object) -> SourcesReply:
    verdict, *details = cast("list[str | int]", answer)
    return SourcesReply(cast("Literal['ok']", verdict), tuple(map(str, details)))


async def clear_sources(scripts: Scripts, session_id: str, snapshot: Mapping[str, str]) -> int:
    """Removes the session's fields that still hold the values of `snapshot`; returns how many were removed."""
    fields: Sequence[Argument] = [part for item in snapshot.items() for part in item]
    return cast("int", await scripts.run("clear_sources", [session_id, *fields], doing="clear sources"))


async def purge_sources(
    scripts: Scripts, session_id: str, job_id: str, enqueued_ms: int, *, tables: bool, ttl_ms: int
) -> tuple[int, int]:
    """Removes the session's files, but those that were uploaded since the purge was enqueued, and perhaps its tables.

    For `ttl_ms` no earlier file comes back. `job_id` is the job that deletes their bytes. Returns how many sources
    were removed, and when the job was enqueued, in epoch microseconds.
    """
    reply = await scripts.run(
        "purge_sources", [session_id, job_id, ttl_ms, enqueued_ms, "1" if tables else "0"], doing="purge sources"
    )
    removed, enqueued_us = cast("tuple[int, str]", reply)
    return removed, int(enqueued_us)


async def change_setting(scripts: Scripts, name: str, value: str | None) -> None:
    """Sets a setting, or unsets it if `value` is None, and announces it to all workers."""
    await scripts.run("change_setting", [name] if value is None else [name, value], doing="change a setting")


async def wake_reader(scripts: Scripts, reader: str, number: int, ttl_ms: int) -> None:
    """Ends the blocking read of a reader, whose own stream is kept for `ttl_ms`. The `number` grows with each call."""
    await scripts.run("wake_reader", [reader, number, ttl_ms], doing="wake a reader")
