"""Runs attempts of a job without a queue: each attempt gets the record of the one before, and can be cut anywhere."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING
from unittest.mock import patch

from aiohttp import web

from raylane.testing import Address, FakeRay
from raylane_common.ray.client import RayClient
from raylane_common.redis.queue.scripts.calls import RunSlot
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.answer import Answer
from raylane_common.wire.jobs import JobRecord, JobStatus, NewJob, Progress
from raylane_common.wire.sources import Column, ColumnType, FileSource
from raylane_worker.context import JobContext, Resources
from raylane_worker.handlers import HANDLERS
from raylane_worker.run_slots import RunSlots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from raylane_common.ray.models import Run
    from raylane_common.wire.generate import Checkpoint
    from raylane_common.wire.kinds import Request, Result


class Cut:
    """Cancels an attempt at its `at`-th step, if it gets that far. A step is each effect outside the process."""

    def __init__(self) -> None:
        self.at = 0
        self.passed = 0
        self.task: asyncio.Task[Result] | None = None

    def step(self) -> None:
        self.passed += 1
        if self.passed == self.at and self.task is not None:
            self.task.cancel()

    async def point(self) -> None:
        self.step()
        await asyncio.sleep(0)


class Store(SourceStore):
    """The real source store, with a step before and after each call."""

    def __init__(self, redis: Redis, cut: Cut) -> None:
        super().__init__(redis)
        self._cut = cut

    async def all(self, session_id: str) -> list[FileSource]:  # type: ignore[override]  # there are no tables here
        await self._cut.point()
        found = await super().all(session_id)
        await self._cut.point()
        return [source for source in found if isinstance(source, FileSource)]

    async def clear(self, session_id: str, snapshot: Sequence[object]) -> int:
        await self._cut.point()
        cleared = await super().clear(session_id, snapshot)  # type: ignore[arg-type]  # passed on as it came
        await self._cut.point()
        return cleared


@dataclass
class RealisticRay(FakeRay):
    """A fake cluster that handles each request to its end when the client has disconnected, as Ray does.

    A run ends when its job is polled for the `ends_at_poll`-th time. Stops are ignored `stops_to_ignore` times.
    Submissions have no effect before `submissions_released` is set, if there is such an event.
    """

    cut: Cut = field(default_factory=Cut)
    submissions_released: asyncio.Event | None = None
    ends_at_poll: int | None = None
    stops_to_ignore: int = 0
    exit_code: int = 0
    on_poll: Callable[[str], None] | None = None
    """Called with the submission id of a run before it is polled."""
    polls: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[web.StreamResponse]] = field(default_factory=set)

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(self._handle_to_its_end)
        return app

    @web.middleware
    async def _handle_to_its_end(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        await request.read()
        self.cut.step()
        task = asyncio.ensure_future(handler(request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        answer = await asyncio.shield(task)
        self.cut.step()
        return answer

    async def _submit(self, request: web.Request) -> web.Response:
        if self.submissions_released is not None:
            await self.submissions_released.wait()
        return await super()._submit(request)

    async def _job(self, submission_id: str) -> web.Response:
        self.polls[submission_id] = self.polls.get(submission_id, 0) + 1
        if self.on_poll is not None:
            self.on_poll(submission_id)
        if self.ends_at_poll is not None and self.polls[submission_id] >= self.ends_at_poll:
            self.finish(submission_id, exit_code=self.exit_code)
        return await super()._job(submission_id)

    async def _stop(self, submission_id: str) -> web.Response:
        if self.stops_to_ignore > 0:
            self.stops_to_ignore -= 1
            return web.json_response({"stopped": False})
        return await super()._stop(submission_id)

    def finish(self, submission_id: str, exit_code: int = 0) -> None:
        """Ends the run if it is still running."""
        self.end(submission_id, exit_code=exit_code)

    def statuses(self) -> dict[str, object]:
        """Returns the status of each run by its id."""
        return {submission_id: job["status"] for submission_id, job in self.jobs.items()}


class Job:
    """One job, with the parts of its record and events that the queue would keep."""

    def __init__(self, request: Request, resources: Resources, cut: Cut, *, round: int = 0) -> None:
        self.request = request
        self.round = round
        self.checkpoints: list[Checkpoint] = []
        self.progress_updates: list[Progress] = []
        self.texts: list[str] = []
        self.lines: list[str] = []
        self.log_position: str | None = None
        self.slots: list[str] = []
        """`taken` and `freed` for each call about a slot for a run."""
        self.events: list[str] = []
        """Stages, and `text` for each piece of text, in their order."""
        self._resources = resources
        self._cut = cut

    async def run(self) -> Result:
        """Runs one attempt."""
        return await HANDLERS[self.request.kind].run(self.request, self.context())

    async def clean_up(self) -> None:
        """Runs the kind's clean-up, as a lane does for a cancelled job."""
        clean_up = HANDLERS[self.request.kind].clean_up
        assert clean_up is not None
        await clean_up(self.request, self.context())

    async def run_cut(self, at: int) -> bool:
        """Runs one attempt and cuts it at its `at`-th step; returns False if it ended before that."""
        self._cut.at, self._cut.passed = at, 0
        self._cut.task = asyncio.create_task(self.run())
        try:
            await self._cut.task
            was_cut = False
        except asyncio.CancelledError:
            was_cut = True
        self._cut.task = None
        return was_cut

    @property
    def stage(self) -> str | None:
        """The last stage that was reported."""
        return self.progress_updates[-1].stage if self.progress_updates else None

    async def progress(self, progress: Progress) -> None:
        await self._cut.point()
        self.progress_updates.append(progress)
        self.events.append(progress.stage)
        await self._cut.point()

    async def log(self, lines: str, *, position: str = "") -> None:
        await self._cut.point()
        self.lines.append(lines)
        self.log_position = position or self.log_position
        await self._cut.point()

    async def text(self, piece: str) -> None:
        await self._cut.point()
        self.texts.append(piece)
        self.events.append("text")
        await self._cut.point()

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        await self._cut.point()
        self.checkpoints.append(checkpoint)
        await self._cut.point()

    async def body(self) -> bytes:
        raise AssertionError("nothing was staged")

    async def take_run_slot(self, cluster: str, limit: int) -> RunSlot:
        await self._cut.point()
        self.slots.append("taken")
        return RunSlot(is_held=True, taken=1, waiting=0)

    async def free_run_slot(self) -> None:
        await self._cut.point()
        self.slots.append("freed")

    def context(self) -> JobContext:
        """Returns the context of the next attempt."""
        new = NewJob(request=self.request, session_id="s1", id="job1")
        record = JobRecord(
            id=new.id,
            v=1,
            kind=new.kind,
            lane=new.lane,
            session_id=new.session_id,
            status=JobStatus.RUNNING,
            round=self.round,
            progress=self.progress_updates[-1] if self.progress_updates else None,
            checkpoint=self.checkpoints[-1] if self.checkpoints else None,
            log_position=self.log_position,
            enqueued_at=int(time.time() * 1000),
        )
        return JobContext(record, self, self._resources)


@dataclass
class Harness:
    """A cluster with one address, a session with sources, and jobs that use them."""

    ray: RealisticRay
    address: Address
    sources: Store
    resources: Resources
    cut: Cut

    def job(self, request: Request, *, round: int = 0) -> Job:
        return Job(request, self.resources, self.cut, round=round)

    async def source_job_ids(self) -> list[str]:
        """Returns the ids of the uploads whose sources are in the session."""
        return [source.job_id for source in await self.sources.all("s1")]


async def _an_answer(run: Run, ctx: JobContext) -> Answer:
    return Answer(notes=("the cluster is a double, which computes nothing",))


@asynccontextmanager
async def open_harness(redis: Redis, **ray: float) -> AsyncIterator[Harness]:
    """Opens a harness whose session `s1` has one source, of upload `up1`; `ray` changes `RaySettings`."""
    cut = Cut()
    cluster = RealisticRay(cut=cut)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(Address(cluster))
        settings = Settings.model_validate({"ray": {"private_url": address.url, "poll_interval_s": 0.01} | ray})
        client = await stack.enter_async_context(RayClient(settings.ray))
        sources = Store(redis, cut)
        await sources.put("s1", [a_source()])
        resources = Resources(settings=settings, ray=client, sources=sources, run_slots=RunSlots(client))
        stack.enter_context(
            patch.object(import_module("raylane_worker.handlers.generate"), "collect_answer", _an_answer)
        )
        yield Harness(cluster, address, sources, resources, cut)


def a_source(job_id: str = "up1") -> FileSource:
    """Returns a source of the same file, uploaded by this job."""
    return FileSource(
        filename="weather.csv",
        s3_uri="s3://bucket/sessions/s1/csv/weather.csv",
        size_bytes=1000,
        rows=10,
        columns=(
            Column(name="weather", type=ColumnType.STRING, native_type="string"),
            Column(name="temp_max", type=ColumnType.NUMBER, native_type="double"),
        ),
        job_id=job_id,
    )
