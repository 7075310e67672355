"""Fixtures as version 1 wrote them. They are never edited: what is stored in somebody's Redis must stay readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from raylane_common.redis.queue import JobQueue
from raylane_common.wire.jobs import JobRecord, JobStatus, NewJob, parse_request
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

GOLDEN = Path(__file__).parent / "golden"
RECORDS = sorted(GOLDEN.glob("record-*.json"))


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield client
    await client.aclose()


def _fields(path: Path) -> dict[str, str]:
    """A golden record as Redis holds it: JSON fields as text."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()}


def test_every_kind_and_every_end_has_a_fixture() -> None:
    records = [JobRecord.from_hash(path.stem, _fields(path)) for path in RECORDS]
    assert {record.kind for record in records} == {"upload", "tables", "generate", "ray"}
    assert {record.status for record in records} >= {JobStatus.QUEUED, JobStatus.SUCCEEDED, JobStatus.FAILED}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_golden_record_reads_and_writes_back_unchanged(path: Path) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    record = JobRecord.from_hash(path.stem, _fields(path))
    request = parse_request(record)
    assert golden["payload"].items() <= request.model_dump(mode="json").items()
    for name in ("result", "error", "checkpoint", "progress"):
        if name in golden:
            written = getattr(record, name).model_dump(mode="json")
            assert written == golden[name], f"{name} of {path.stem} is not what version 1 wrote"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
async def test_enqueueing_the_request_again_writes_the_golden_fields(path: Path, redis: Redis) -> None:
    golden = _fields(path)
    old = JobRecord.from_hash("j1", golden)
    queue = JobQueue(redis)
    await queue.enqueue(NewJob(request=parse_request(old), session_id=old.session_id, id="j1"))
    written = await redis.hgetall(keys.job("j1"))  # type: ignore[misc]  # redis-py's sync/async union
    for name in ("v", "kind", "lane", "session_id"):
        assert written.get(name) == golden.get(name)
    assert json.loads(written["payload"]).items() >= json.loads(golden["payload"]).items()
    # Records from before there were looks have no such field, whatever their request is.
    assert (written.get("look") == "1") is parse_request(old).is_look
    assert golden.get("look") in (None, written.get("look"))
