"""Attempts of a job without a queue: what one attempt writes, the next one is given. They can be cut at every step."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from raylane.testing import Address, FakeRay
from raylane_common.ray.client import RayClient
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.jobs import JobRecord, JobStatus, NewJob, Progress
from raylane_common.wire.sources import Column, ColumnType, CsvSource
from raylane_worker.context import JobContext, Resources
from raylane_worker.handlers import HANDLERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from raylane_common.wire.generate import Checkpoint
    from raylane_common.wire.kinds import Request, Result


class Cut:
    """Cancels the attempt at its `at`-th step, if it comes that far. Steps are what it does to the world outside."""

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
    """The real store, with a step before and after each call."""

    def __init__(self, redis: Redis, cut: Cut) -> None:
        super().__init__(redis)
        self._cut = cut

    async def all(self, session_id: str) -> list[CsvSource]:  # type: ignore[override]  # there are no tables here
        await self._cut.point()
        found = await super().all(session_id)
        await self._cut.point()
        return [source for source in found if isinstance(source, CsvSource)]

    async def clear(self, session_id: str, snapshot: Sequence[object]) -> int:
        await self._cut.point()
        cleared = await super().clear(session_id, snapshot)  # type: ignore[arg-type]  # passed on as it came
        await self._cut.point()
        return cleared


@dataclass
class RealisticRay(FakeRay):
    """Goes on with what it was asked for when the client is gone, as Ray does.

    A run ends by itself when it is looked at for the `ends_at_look`-th time.
    """

    cut: Cut = field(default_factory=Cut)
    hold: asyncio.Event | None = None
    """While it is there and not set, submissions that have arrived have no effect yet."""
    ends_at_look: int | None = None
    deaf_to_stops: int = 0
    exit_code: int = 0
    looks: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[web.StreamResponse]] = field(default_factory=set)

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(self._go_on)
        return app

    @web.middleware
    async def _go_on(
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
        if self.hold is not None:
            await self.hold.wait()
        return await super()._submit(request)

    async def _job(self, submission_id: str) -> web.Response:
        self.looks[submission_id] = self.looks.get(submission_id, 0) + 1
        if self.ends_at_look is not None and self.looks[submission_id] >= self.ends_at_look:
            self.finish(submission_id, exit_code=self.exit_code)
        return await super()._job(submission_id)

    async def _stop(self, submission_id: str) -> web.Response:
        if self.deaf_to_stops > 0:
            self.deaf_to_stops -= 1
            return web.json_response({"stopped": False})
        return await super()._stop(submission_id)

    def finish(self, submission_id: str, exit_code: int = 0) -> None:
        """The run ends by itself, if it still runs."""
        self.end(submission_id, exit_code=exit_code)

    def statuses(self) -> dict[str, object]:
        """Each run's status by its id."""
        return {submission_id: job["status"] for submission_id, job in self.jobs.items()}


class Job:
    """One job, kept as the queue would keep it."""

    def __init__(self, request: Request, resources: Resources, cut: Cut, *, round: int = 0) -> None:
        self.request = request
        self.round = round
        self.checkpoints: list[Checkpoint] = []
        self.told: list[Progress] = []
        self.texts: list[str] = []
        self.lines: list[str] = []
        self.log_position: str | None = None
        self.events: list[str] = []
        """Stages and texts in their order; a text is just `text`."""
        self._resources = resources
        self._cut = cut

    async def run(self) -> Result:
        """One attempt."""
        return await HANDLERS[self.request.kind].run(self.request, self._context())

    async def clean_up(self) -> None:
        """What follows a cancelled job's last attempt."""
        clean_up = HANDLERS[self.request.kind].clean_up
        assert clean_up is not None
        await clean_up(self.request, self._context())

    async def run_cut(self, at: int) -> bool:
        """One attempt that is cut at its `at`-th step; False if it had ended before."""
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
        """What the last attempt was doing."""
        return self.told[-1].stage if self.told else None

    async def progress(self, progress: Progress) -> None:
        await self._cut.point()
        self.told.append(progress)
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

    def _context(self) -> JobContext:
        new = NewJob(request=self.request, session_id="s1", id="job1")
        record = JobRecord(
            id=new.id,
            v=1,
            kind=new.kind,
            lane=new.lane,
            session_id=new.session_id,
            status=JobStatus.RUNNING,
            round=self.round,
            progress=self.told[-1] if self.told else None,
            checkpoint=self.checkpoints[-1] if self.checkpoints else None,
            log_position=self.log_position,
            enqueued_at=int(time.time() * 1000),
        )
        return JobContext(record, self, self._resources)


@dataclass
class Bench:
    """A cluster with one address, a session's sources, and jobs that use them."""

    ray: RealisticRay
    address: Address
    sources: Store
    resources: Resources
    cut: Cut

    def job(self, request: Request, *, round: int = 0) -> Job:
        return Job(request, self.resources, self.cut, round=round)

    async def names(self) -> list[str]:
        """The uploads whose sources the session holds."""
        return [source.job_id for source in await self.sources.all("s1")]


@asynccontextmanager
async def bench(redis: Redis, **ray: float) -> AsyncIterator[Bench]:
    """Session `s1` has one source, of upload `up1`; `ray` changes `RaySettings`."""
    cut = Cut()
    cluster = RealisticRay(cut=cut)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(Address(cluster))
        settings = Settings.model_validate({"ray": {"private_url": address.url, "poll_interval_s": 0.05} | ray})
        client = await stack.enter_async_context(RayClient(settings.ray))
        sources = Store(redis, cut)
        await sources.put("s1", [a_source()])
        yield Bench(cluster, address, sources, Resources(settings=settings, ray=client, sources=sources), cut)


def a_source(job_id: str = "up1") -> CsvSource:
    """One upload of the same file."""
    return CsvSource(
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
