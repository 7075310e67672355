"""Lanes, lists of jobs and attempts as text for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from raylane.cli.render import time_text
from raylane.history import HistoryEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane.cli.terminal import Terminal
    from raylane_common.wire.jobs import Attempt, JobRecord, LaneOverview


def show_lanes(lanes: Sequence[LaneOverview], to: Terminal) -> None:
    """Prints one line per lane. `queued` counts the parked jobs too; the rate is that of the last minute."""
    columns = ["lane", "waiting", "scheduled", "queued", "parked", "running", "dead", "oldest", "ended/s", "workers"]
    rows = [
        [
            lane.lane,
            *map(str, (lane.waiting, lane.scheduled, lane.queued, lane.parked, lane.running, lane.dead)),
            "" if lane.oldest_s is None else duration(lane.oldest_s),
            f"{lane.ended_per_s:.1f}",
            ", ".join(lane.workers) or "none",
        ]
        for lane in lanes
    ]
    to.table(columns, rows)


def show_jobs(records: Sequence[JobRecord], to: Terminal) -> None:
    """Prints one line per job."""
    if not records:
        to.say("no such jobs")
        return
    columns = ["enqueued", "job", "kind", "session", "status", "attempt", "what"]
    rows = [
        [
            time_text(record.enqueued_at),
            record.id,
            record.kind,
            record.session_id or "",
            record.status,
            str(record.attempt),
            HistoryEntry.from_record(record).what,
        ]
        for record in records
    ]
    to.table(columns, rows)


def show_dead(records: Sequence[JobRecord], to: Terminal) -> None:
    """Prints one line per dead letter."""
    if not records:
        to.say("no such jobs")
        return
    columns = ["failed", "job", "kind", "session", "attempts", "error"]
    rows = [
        [
            time_text(record.finished_at),
            record.id,
            record.kind,
            record.session_id or "",
            str(record.attempt),
            f"{record.error.message} [{record.error.code}]" if record.error else "",
        ]
        for record in records
    ]
    to.table(columns, rows)


def show_attempts(record: JobRecord, attempts: Sequence[Attempt], to: Terminal) -> None:
    """Prints a job's request and what became of each attempt."""
    to.text(f"\n--- request\n{json.dumps(record.payload, ensure_ascii=False, indent=2)}")
    if attempts:
        to.text("\n--- attempts that did not succeed")
    for attempt in attempts:
        took = (
            "" if attempt.started_at is None else f" after {duration((attempt.ended_at - attempt.started_at) / 1000)}"
        )
        to.text(f"{attempt.number}  {time_text(attempt.ended_at)}{took} on {attempt.worker or 'no worker'}")
        to.text(f"   {attempt.error.message} [{attempt.error.code}]")


def duration(seconds: float) -> str:
    """A time span in the unit that fits: 0.2 s, 34 s, 12 min, 5.5 h, 3.2 d."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"
