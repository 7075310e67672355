"""What `raylane top` shows: the lanes, jobs, runs and workers of one moment."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane.cli.columns import fact, key, text
from raylane.cli.terminal import progress_line
from raylane.cli.times import duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from raylane.cli.columns import Column
    from raylane.producer import Producer
    from raylane_common.wire.jobs import ClusterRuns, JobSummary, LaneOverview

# More than a screen has lines.
_JOBS: Final = 100


class Table(NamedTuple):
    """One part of what is shown."""

    title: str
    columns: list[Column]
    rows: list[list[str]]


@dataclass(frozen=True)
class Snapshot:
    """One moment. The jobs that run come first, then the newest of the others."""

    at_ms: int
    lanes: Sequence[LaneOverview]
    runs: Sequence[ClusterRuns]
    jobs: Sequence[JobSummary]

    @classmethod
    async def take(cls, producer: Producer) -> Snapshot:
        """Reads everything from Redis. Raises `QueueUnavailable`."""
        operator = producer.operator
        lanes, runs, running, newest = await asyncio.gather(
            operator.lanes(),
            operator.cluster_runs(),
            operator.jobs(status="running", limit=_JOBS),
            operator.jobs(limit=_JOBS),
        )
        jobs = {job.id: job for job in (*running, *newest)}
        return cls(int(time.time() * 1000), lanes, runs, list(jobs.values())[:_JOBS])

    @property
    def workers(self) -> dict[str, list[str]]:
        """The living workers, each with its lanes."""
        found: dict[str, list[str]] = {}
        for lane in self.lanes:
            for worker in lane.workers:
                found.setdefault(worker, []).append(lane.lane)
        return dict(sorted(found.items()))

    def as_json(self) -> dict[str, JsonValue]:
        """Returns everything for programs."""
        workers: list[JsonValue] = [{"worker": name, "lanes": list(lanes)} for name, lanes in self.workers.items()]
        return {
            "at": self.at_ms,
            "lanes": [{**asdict(lane), "workers": list(lane.workers)} for lane in self.lanes],
            "runs": [asdict(runs) for runs in self.runs],
            "workers": workers,
            "jobs": [job.model_dump(mode="json") for job in self.jobs],
        }

    def tables(self) -> list[Table]:
        """Returns everything for people. A part that is empty is left out, except the lanes."""
        found = [lanes_table(self.lanes), self._runs(), self._workers(), self._jobs()]
        return [table for table in found if table.rows]

    def _runs(self) -> Table:
        columns = [key("cluster"), fact("taken", 1), fact("of", 2), fact("waiting", 3)]
        rows = [[runs.cluster, str(runs.taken), str(runs.limit), str(runs.waiting)] for runs in self.runs]
        return Table("runs", columns, rows)

    def _workers(self) -> Table:
        rows = [[name, ", ".join(lanes)] for name, lanes in self.workers.items()]
        return Table("workers", [key("worker"), text("lanes", 1)], rows)

    def _jobs(self) -> Table:
        columns = [
            *(key("job"), key("status"), fact("for", 1), fact("kind", 2), fact("session", 4)),
            text("what", 3),
        ]
        rows = [[job.id, job.status, self._since(job), job.kind, job.session_id or "", _what(job)] for job in self.jobs]
        return Table("jobs", columns, rows)

    def _since(self, job: JobSummary) -> str:
        """Returns how long the job has been in its state, or how long ago it ended."""
        if job.status.is_final:
            since = job.finished_at
        else:
            since = job.started_at if job.status == "running" else job.enqueued_at
        return "" if since is None else duration_text(max(0, self.at_ms - since) / 1000)


def _what(job: JobSummary) -> str:
    if job.error is not None and job.status.is_final:
        return f"{job.error.code}: {job.error.message}"
    return progress_line(job.progress) if job.progress is not None and job.status == "running" else job.what


def lanes_table(lanes: Sequence[LaneOverview]) -> Table:
    """Returns one line per lane. `queued` includes `parked`; `ended/s` is the rate of the last minute."""
    columns = [
        *(key("lane"), fact("waiting", 5), fact("scheduled", 6), fact("queued", 1), fact("parked", 8)),
        *(fact("running", 2), fact("dead", 4), fact("oldest", 3), fact("ended/s", 7), text("workers", 2)),
    ]
    rows = [
        [
            lane.lane,
            *map(str, (lane.waiting, lane.scheduled, lane.queued, lane.parked, lane.running, lane.dead)),
            "" if lane.oldest_s is None else duration_text(lane.oldest_s),
            f"{lane.ended_per_s:.1f}",
            ", ".join(lane.workers) or "none",
        ]
        for lane in lanes
    ]
    return Table("lanes", columns, rows)
