"""Writes garbage to a server, in the ways in which other programs, other versions and faults do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.redis.keys import AFTER, ATTEMPTS, BODY, DEPENDENTS, EVENTS
from raylane_common.wire.base import Lane
from tests.helpers import queue_keys
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from redis.asyncio import Redis

Value = bytes | str | int | float
Command = tuple[Value, ...]

CLUSTER: Final = "a-cluster"
FIELDS: Final = [
    *("v", "kind", "lane", "session_id", "status", "attempt", "max_attempts", "round", "priority", "payload", "result"),
    *("error", "progress", "checkpoint", "enqueued_at", "started_at", "finished_at", "worker", "after", "at", "owner"),
    *("expires_at", "unique", "cancel_requested_at", "log_position", "traceparent", "slot", "dependents", "run_slot"),
    *("run_line", "cleared_events", "tracestate", "x"),
]
WORDS: Final[list[Value]] = [
    *("waiting", "scheduled", "queued", "running", "succeeded", "failed", "cancelled", "dancing", "none", "nowhere"),
    *("upload", "tables", "generate", "ray", "high", "low", "null", "true", "1", "-", "g0", "g1", "g2", "c0", "s0"),
    *("", " ", "\n", "\x00", "\x1b[2J", b"\xff\xfe\x00", b"caf\xe9", b"\xed\xa0\x80", "\u2028", "'", '"', "%s", "../x"),
]
NUMBERS: Final[list[Value]] = [
    *("-1", "0", "1", "2", "nan", "-nan", "inf", "-inf", "1e400", "1e308", "-1e308", "1e-308", "0x7fffffffffffffff"),
    *("9" * 20, "9" * 400, "9" * 5000, str(2**53), str(2**63 - 1), str(2**63), str(-(2**63)), "1.5", "1_000", "\u0663"),
]
JSON: Final[list[Value]] = [
    *("{}", "[]", "null", "7", '"text"', '{"a":', "[" * 1500, "[" * 100_000, '{"a":' * 400 + "1" + "}" * 400, "NaN"),
    *(
        '{"action":"databases"}',
        '{"action":1}',
        '{"action":"databases","x":NaN}',
        '["g0"]',
        '["g0","g1",7]',
        '{"a":"\\ud800"}',
    ),
    '{"type":"databases","databases":["a"]}',
    '{"type":"exported","rows":3}',
    '{"code":"storage_unavailable","message":"m","retryable":true,"details":{"retry_after_s":1e308}}',
    '{"code":1,"message":[]}',
    '{"sources_used":[{"type":"iceberg"}],"generator":"agent","versions":[{"number":1,"code":"x"}]}',
    '{"x":' + "9" * 5000 + "}",
]
SCORES: Final[list[Value]] = ["-inf", "+inf", 0, -1, 1, 2**53, 2**63, 1e300, -1e300, 5e-324, 1.5]
TYPES: Final = ["string", "list", "set", "hash", "zset", "stream"]


class Hostile:
    """Makes random writes, all of which a seed repeats. `ids` are the jobs that it may harm."""

    def __init__(self, chance: Random, ids: Sequence[str], sessions: Sequence[str], *, largest: int) -> None:
        """`largest` is the size in bytes of the largest value."""
        self._chance = chance
        self._ids: list[Value] = [*ids, "", "a b", b"\xff", "x:y", "x:events", "9" * 300]
        self._sessions = sessions
        self._largest = largest
        self._of_lanes = [
            of_lane(lane.value)
            for lane in Lane
            for of_lane in (
                keys.queue,
                keys.schedule,
                keys.waiting,
                keys.parked,
                keys.running,
                keys.ended,
                keys.looks,
                keys.dead,
            )
        ] + [queue_keys.expiring(lane.value) for lane in Lane]

    async def write(self, redis: Redis, count: int) -> None:
        """Makes `count` writes in one round trip. Some fail, because the key holds another type by now."""
        known = await self._records(redis)
        async with redis.pipeline(transaction=False) as pipe:
            for command in (self._command(known) for _ in range(count)):
                pipe.execute_command(*command)
            await pipe.execute(raise_on_error=False)

    def overwrite_a_lane(self) -> tuple[bytes, list[Command]]:
        """Returns the key of a lane and the commands that replace its value by one of another type."""
        key = _bytes(self._chance.choice(self._of_lanes))
        kind = self._chance.choice([kind for kind in TYPES if kind != "zset"])
        return key, [("DEL", key), self._filled(key, kind)]

    async def _records(self, redis: Redis) -> dict[str, dict[str, str]]:
        ids = [job_id for job_id in self._ids if isinstance(job_id, str)]
        async with redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hgetall(keys.job(job_id))
            found = await pipe.execute(raise_on_error=False)
        return {job_id: fields for job_id, fields in zip(ids, found, strict=True) if isinstance(fields, dict)}

    def _command(self, known: dict[str, dict[str, str]]) -> Command:
        chance = self._chance
        job_id: Value = chance.choice(self._ids)
        record = _bytes(keys.job("")) + _bytes(job_id)
        match chance.choices(range(9), [40, 8, 6, 10, 8, 8, 4, 4, 2])[0]:
            case 0:
                field = chance.choice(FIELDS)
                old = known.get(job_id, {}).get(field) if isinstance(job_id, str) else None
                return ("HSET", record, field, self._value(old))
            case 1:
                return ("HDEL", record, *chance.sample(FIELDS, chance.choice([1, 1, 1, 3, len(FIELDS)])))
            case 2:
                return (chance.choice(["DEL", "PERSIST"]), self._key())
            case 3:
                key = self._key()
                return chance.choice([self._replaced(key), ("DEL", key)])
            case 4:
                return ("ZADD", _bytes(chance.choice(self._of_lanes)), chance.choice(SCORES), job_id)
            case 5:
                return self._event(record)
            case 6:
                key = record + _bytes(chance.choice([AFTER, DEPENDENTS]))
                members: list[Value] = [*self._ids, self._value(None)]
                return (chance.choice(["SADD", "SADD", "SREM"]), key, chance.choice(members))
            case 7:
                key = _bytes(keys.session_sources(chance.choice(self._sessions)))
                fields: list[Value] = ["csv:a.csv", "iceberg:x", b"\xff", ""]
                return ("HSET", key, chance.choice(fields), self._value(None))
            case _:
                names: list[Value] = ["ray.private_url", "ray.public_url", "ray.max_runs", CLUSTER, b"\xff"]
                key = _bytes(chance.choice([keys.settings, keys.run_limits]))
                return ("HSET", key, chance.choice(names), self._value(None))

    def _key(self) -> bytes:
        """Returns a key that belongs to one job or session."""
        chance = self._chance
        job_id, session = _bytes(chance.choice(self._ids)), chance.choice(self._sessions)
        lane = chance.choice(list(Lane)).value
        parts = ["", "", EVENTS, BODY, ATTEMPTS, AFTER, DEPENDENTS]
        return chance.choice(
            [_bytes(keys.job("")) + job_id + _bytes(part) for part in parts]
            + [
                _bytes(queue_keys.arq_job("")) + job_id,
                _bytes(queue_keys.lease("")) + job_id,
                _bytes(queue_keys.unique("tables", chance.choice(["u0", "u1"]))),
                _bytes(queue_keys.session_slots(session, lane)),
                _bytes(queue_keys.session_parked(session, lane)),
                _bytes(keys.session_jobs(session)),
                _bytes(keys.session_sources(session)),
                _bytes(queue_keys.pulse(lane)),
                _bytes(keys.janitor(lane)),
                _bytes(keys.run_slots(CLUSTER)),
                _bytes(keys.run_line(CLUSTER)),
            ]
        )

    def _replaced(self, key: bytes) -> Command:
        """Returns a command that replaces the value of a key, whatever it holds."""
        filled = self._filled(key, self._chance.choice(TYPES))
        script = "redis.call('DEL', KEYS[1]) return redis.call(unpack(ARGV))"
        return ("EVAL", script, 1, key, *filled)

    def _filled(self, key: bytes, kind: str) -> Command:
        value = self._value(None)
        commands: dict[str, Command] = {
            "string": ("SET", key, value),
            "list": ("RPUSH", key, value),
            "set": ("SADD", key, value),
            "hash": ("HSET", key, self._chance.choice(FIELDS), value),
            "zset": ("ZADD", key, self._chance.choice(SCORES), value),
            "stream": ("XADD", key, "*", "type", value),
        }
        return commands[kind]

    def _event(self, record: bytes) -> Command:
        chance = self._chance
        event_id = chance.choice(["*", "*", "*", f"{2**64 - 1}-1", f"{2**64 - 1}-{2**64 - 1}", "99999999999999-0"])
        fields = [part for name in ("type", "at", "status") for part in (name, self._value(None))]
        names: list[Value] = ["progress", "error", "line", "text", "attempt", "id", b"\xff"]
        return ("XADD", record + _bytes(EVENTS), event_id, *fields, chance.choice(names), self._value(None))

    def _value(self, old: str | None) -> Value:
        chance = self._chance
        match chance.choices(range(6), [30, 25, 20, 20, 4, 1])[0]:
            case 0:
                return chance.choice(WORDS)
            case 1:
                return chance.choice(NUMBERS)
            case 2:
                return chance.choice(JSON)
            case 3:
                return self._damaged(_bytes(old or '{"action":"databases"}'))
            case 4:
                return chance.randbytes(chance.choice([1, 8, 64, 1000]))
            case _:
                return b"[" * chance.choice([10_000, 200_000, self._largest])

    def _damaged(self, value: bytes) -> bytes:
        """Returns the value with a few bytes changed, cut off or repeated."""
        chance = self._chance
        if not value:
            return value
        where = chance.randrange(len(value))
        match chance.randrange(4):
            case 0:
                return value[:where]
            case 1:
                return value[:where] + bytes([value[where] ^ (1 << chance.randrange(8))]) + value[where + 1 :]
            case 2:
                return value[:where] + value[where:] * 2
            case _:
                return value[:where] + chance.randbytes(3) + value[where:]


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
