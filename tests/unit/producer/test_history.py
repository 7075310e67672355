"""The history of a session, made from the records of its jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raylane.history import HistoryEntry
from raylane_common.errors import NotUnderstood, RunFailed
from raylane_common.wire.base import OpaqueResult
from raylane_common.wire.jobs import JobRecord, JobStatus
from raylane_common.wire.ray import RaySubmitResult
from tests.unit.producer.samples import CHECKPOINT, CSV_BYTES, FAILED_RUN, GENERATED, RUN, UPLOADED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raylane.producer import Producer
    from tests.unit.producer.claiming import ClaimedJob

    Claim = Callable[[str], Awaitable[ClaimedJob]]

GOLDEN = Path(__file__).parents[2] / "wire" / "golden"


async def test_history_shows_uploads_selections_and_runs_newest_first(producer: Producer, claim: Claim) -> None:
    await producer.upload_bytes(CSV_BYTES, filename="temps.csv", session_id="s1", job_id="up")
    await (await claim("upload")).succeed(UPLOADED)
    await producer.tables.select("s1", [("shop", "orders"), ("shop", "items")], job_id="sel")
    await producer.generate("mean of temp", session_id="s1", execute=True, job_id="gen")
    await (await claim("generate")).succeed(GENERATED)
    await producer.generate("other", session_id="s2", job_id="elsewhere")

    generated, selected, uploaded = await producer.history("s1")
    assert (uploaded.kind, uploaded.action, uploaded.what) == ("upload", "upload", "temps.csv")
    assert uploaded.status is JobStatus.SUCCEEDED
    assert uploaded.finished_at is not None
    assert uploaded.finished_at >= uploaded.at
    assert (uploaded.code, uploaded.run, uploaded.error) == (None, None, None)
    assert (selected.kind, selected.action, selected.what) == ("tables", "select", "shop.orders, shop.items")
    assert (selected.status, selected.finished_at) == (JobStatus.QUEUED, None)
    assert (generated.job_id, generated.what, generated.code) == ("gen", "mean of temp", GENERATED.code)
    assert generated.run == RUN
    assert (generated.endpoint, generated.exit_code, generated.output_tail) == ("public", 0, "mean 3.0\n")
    assert (uploaded.endpoint, uploaded.exit_code, uploaded.output_tail) == (None, None, None)

    assert [entry.job_id for entry in await producer.history("s1", limit=1)] == ["gen"]


async def test_a_failed_generate_shows_its_last_code_and_the_run_that_failed(producer: Producer, claim: Claim) -> None:
    await producer.generate("mean of tmp", session_id="s1", execute=True)
    claimed = await claim("generate")
    await claimed.lease.checkpoint(CHECKPOINT)
    [running] = await producer.history("s1")
    assert (running.status, running.code, running.run) == (JobStatus.RUNNING, "second", FAILED_RUN)

    last = FAILED_RUN.model_copy(update={"output_tail": "newer"})
    await claimed.fail(RunFailed("run failed", details={"run": last.model_dump(mode="json")}))
    [failed] = await producer.history("s1")
    assert (failed.status, failed.code, failed.run) == (JobStatus.FAILED, "second", last)
    assert failed.error is not None
    assert failed.error.code == "run_failed"


async def test_a_generate_that_wrote_no_code_shows_its_error(producer: Producer, claim: Claim) -> None:
    await producer.generate("make coffee", session_id="s1")
    await (await claim("generate")).fail(NotUnderstood("what is coffee?"))
    [entry] = await producer.history("s1")
    assert (entry.code, entry.run) == (None, None)
    assert entry.error is not None
    assert entry.error.code == "not_understood"


async def test_a_submitted_script_has_its_code_and_its_submission_id(producer: Producer, claim: Claim) -> None:
    await producer.cluster.submit("print(1)", session_id="s1")
    [queued] = await producer.history("s1")
    assert (queued.action, queued.what, queued.code) == ("submit", "", "print(1)")
    await (await claim("ray")).succeed(RaySubmitResult(run=RUN))
    [ended] = await producer.history("s1")
    assert (ended.what, ended.code, ended.run) == (RUN.submission_id, "print(1)", RUN)


def test_a_run_that_a_newer_version_wrote_stays_in_the_error() -> None:
    record = _golden("record-generate-failed")
    assert record.error is not None
    foreign = record.error.model_copy(update={"details": {"run": {"state": "blown up"}}})
    entry = HistoryEntry.from_record(record.model_copy(update={"error": foreign}))
    assert entry.run is None
    assert entry.error == foreign


@pytest.mark.parametrize("payload", [{}, {"tables": "x"}, {"tables": ["x"]}, {"prompt": 1}, {"action": []}])
def test_a_malformed_payload_does_not_break_the_history(payload: dict[str, Any]) -> None:
    record = _golden("record-upload-succeeded").model_copy(update={"payload": payload})
    assert HistoryEntry.from_record(record).action == "upload"


def test_a_kind_and_a_result_of_a_newer_version_have_an_entry() -> None:
    newer = {"kind": "forecast", "payload": {"action": "weekly", "prompt": "next week"}}
    record = _golden("record-upload-succeeded").model_copy(update={**newer, "result": OpaqueResult(type="forecast")})
    entry = HistoryEntry.from_record(record)
    assert (entry.kind, entry.action, entry.status) == ("forecast", "weekly", JobStatus.SUCCEEDED)
    assert (entry.what, entry.code, entry.run, entry.error) == ("", None, None, None)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("record-*.json")), ids=lambda path: path.stem)
def test_every_golden_record_has_an_entry(path: Path) -> None:
    record = _golden(path.stem)
    entry = HistoryEntry.from_record(record)
    assert (entry.job_id, entry.kind, entry.status) == (record.id, record.kind, record.status)
    assert HistoryEntry.model_validate_json(entry.model_dump_json()) == entry


def _golden(name: str) -> JobRecord:
    data: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    fields = {key: value if isinstance(value, str) else json.dumps(value) for key, value in data.items()}
    return JobRecord.from_hash(name, fields)
