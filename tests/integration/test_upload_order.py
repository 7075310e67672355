"""Bytes, prepared copy and source of a file belong to the upload that was enqueued last, whichever is tried last."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import SessionFull, SourceReplaced, StorageUnavailable
from raylane_common.ray.client import RayClient
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import SessionsSettings, Settings, StorageSettings
from raylane_common.wire.jobs import JobRecord, JobStatus
from raylane_common.wire.reading import Reading
from raylane_common.wire.sources import FileSource
from raylane_common.wire.upload import PurgeRequest, UploadRequest
from raylane_worker.context import JobContext, Resources
from raylane_worker.data import prepare
from raylane_worker.data.file_content import FileContent
from raylane_worker.first_use import storage_of
from raylane_worker.handlers.upload import upload
from raylane_worker.run_slots import RunSlots
from tests.helpers.aws import aws_settings, share_session
from tests.helpers.queue_keys import keys
from tests.helpers.small_s3 import SmallS3, serving
from tests.helpers.staged_port import StagedPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_common.redis.queue.scripts.calls import FileUpload
    from raylane_common.wire.reading import ReadingOptions
    from raylane_common.wire.sources import AnySource
    from raylane_common.wire.upload import PurgeResult, UploadResult

OLDER, PURGE, NEWER = "z-older", "p", "a-newer"
BODIES = {"first": b"a\n0\n", OLDER: b"a\n1\n", NEWER: b"b\n2\n3\n"}
ENQUEUED_MS = {"first": 500, OLDER: 1000, PURGE: 1500, NEWER: 2000}


@pytest.fixture(autouse=True)
def _shared_session(monkeypatch: pytest.MonkeyPatch) -> None:
    share_session(monkeypatch)


class Steps:
    """Each effect outside the process is a step. At the `at`-th one, the attempt is cut, or held until `released`."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.released = asyncio.Event()
        self.reached = asyncio.Event()
        self._at = 0
        self._passed = 0
        self._holds = False

    def begin(self, at: int = 0, *, holds: bool = False) -> None:
        self._at, self._passed, self._holds, self.task = at, 0, holds, None
        self.released.clear()
        self.reached.clear()

    async def step(self, *_: object) -> None:
        self._passed += 1
        if self._passed == self._at and self.task is not None:
            self.reached.set()
            if self._holds:
                await self.released.wait()
            else:
                self.task.cancel()
        await asyncio.sleep(0)


class Store(SourceStore):
    """The real source store, with a step before and after each write."""

    def __init__(self, redis: Redis, steps: Steps) -> None:
        super().__init__(redis)
        self._steps = steps

    async def claim(self, session_id: str, upload: FileUpload, limits: SessionsSettings) -> None:
        await self._steps.step()
        await super().claim(session_id, upload, limits)
        await self._steps.step()

    async def put(self, session_id: str, sources: Sequence[AnySource], limits: SessionsSettings | None = None) -> None:
        await self._steps.step()
        await super().put(session_id, sources, limits or SessionsSettings())
        await self._steps.step()


class Rig:
    """Two uploads of one file, which can be cut and held."""

    def __init__(self, resources: Resources, server: SmallS3, steps: Steps) -> None:
        self.server = server
        self.steps = steps
        self.resources = resources

    async def upload(self, job_id: str, filename: str = "f.csv") -> UploadResult:
        """Runs one attempt of an upload."""
        body = BODIES.get(job_id, b"c\n1\n")
        request = UploadRequest(filename=filename, size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
        result = await upload(request, self._context(job_id, body))
        assert result.type == "upload"
        return result

    async def purge(self) -> PurgeResult:
        """Runs one attempt of the purge."""
        result = await upload(PurgeRequest(), self._context(PURGE))
        assert result.type == "purge"
        return result

    def _context(self, job_id: str, body: bytes = b"") -> JobContext:
        record = JobRecord(
            id=job_id,
            v=1,
            kind="upload",
            lane="upload",
            session_id="s",
            status=JobStatus.RUNNING,
            enqueued_at=ENQUEUED_MS.get(job_id, 3000),
        )
        return JobContext(record, StagedPort(body), self.resources)

    async def interrupted(self, job_id: str, at: int, *, holds: bool) -> asyncio.Task[Any] | None:
        """Cuts or holds an attempt at its `at`-th step; None if it ends before."""
        self.steps.begin(at, holds=holds)
        task = self.steps.task = asyncio.create_task(self.purge() if job_id == PURGE else self.upload(job_id))
        reached = asyncio.create_task(self.steps.reached.wait())
        await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        if not self.steps.reached.is_set():
            await task
            return None
        self.steps.task = None
        if not holds:
            await asyncio.wait({task})
        return task

    async def check(self) -> str | None:
        """Returns the upload whose source the session has, after checking that bytes and copy are its own."""
        sources = await self.resources.sources.all("s")
        if not sources:
            return None
        (source,) = sources
        assert isinstance(source, FileSource)
        assert source.prepared is not None
        found = [self.server.objects[uri.removeprefix("s3://")].data for uri in (source.s3_uri, source.prepared.s3_uri)]
        assert found == [BODIES[source.job_id], b"copy of " + BODIES[source.job_id]]
        assert source.size_bytes == len(BODIES[source.job_id])
        return source.job_id


def with_copy(path: Path, filename: str, options: ReadingOptions, *, copy_to: Path, share_samples: bool) -> FileContent:
    """Reads a file like `prepare.read_file`, and always writes a copy."""
    copy_to.write_bytes(b"copy of " + path.read_bytes())
    return FileContent(reading=Reading(), rows=1, columns=(), preview=(), reasons=("always",))


@pytest.fixture
async def rig(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(prepare, "read_file", with_copy)
    async with open_rig(redis) as opened:
        yield opened


@asynccontextmanager
async def open_rig(redis: Redis, limits: SessionsSettings | None = None) -> AsyncIterator[Rig]:
    steps, server = Steps(), SmallS3()
    server.before = server.after = steps.step
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(server.handle))
        settings = Settings(
            storage=StorageSettings(bucket="uploads"), aws=aws_settings(url), sessions=limits or SessionsSettings()
        )
        ray = await stack.enter_async_context(RayClient(settings.ray))
        storage = await stack.enter_async_context(storage_of(settings))
        yield Rig(Resources(settings, ray, Store(redis, steps), RunSlots(ray), storage), server, steps)


async def forget(rig: Rig, redis: Redis) -> None:
    rig.server.objects.clear()
    await redis.delete(keys.session_sources("s"), keys.session_newest("s"))


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaces"])
@pytest.mark.parametrize("holds", [False, True], ids=["cut", "held"])
@pytest.mark.parametrize("victim", [OLDER, NEWER])
async def test_wherever_an_attempt_is_interrupted_the_newer_upload_wins(
    rig: Rig, redis: Redis, victim: str, *, holds: bool, replaces: bool
) -> None:
    other, at = NEWER if victim == OLDER else OLDER, 0
    while True:
        at += 1
        await forget(rig, redis)
        if replaces:
            await rig.upload("first")
        task = await rig.interrupted(victim, at, holds=holds)
        if task is None:
            break
        if holds:
            await rig.upload(other)
            rig.steps.released.set()
            await task
        else:
            assert await rig.check() in (None, "first", victim)
            await rig.upload(other)
            await rig.check()
            await rig.upload(victim)
        assert await rig.check() == NEWER, f"step {at}"
    # Before and after: claim, file, three requests for the copy, source. What replaces is sent first, and looked at.
    assert at - 1 == (20 if replaces else 12)


async def test_the_earlier_source_stays_until_the_new_bytes_only_have_to_be_put_in_their_place(
    rig: Rig, redis: Redis
) -> None:
    """S3 goes down for good before any of the requests of the second upload."""
    left = []
    for answers in range(100):
        await forget(rig, redis)
        await rig.upload("first")
        rig.server.answers = answers
        try:
            await rig.upload(OLDER)
        except StorageUnavailable:
            left.append(await rig.check())
        else:
            break
        finally:
            rig.server.answers = None
    # Both objects are begun, sent, and what they replace is looked at; then each is put in its place.
    assert left == ["first"] * 6 + [None] * 2


async def test_an_upload_that_came_too_late_succeeds_and_says_so(rig: Rig) -> None:
    await rig.upload(NEWER)
    result = await rig.upload(OLDER)
    assert result.warnings == (f"a newer upload of f.csv (job {NEWER}) has replaced this one",)
    assert (await rig.upload(NEWER)).warnings == ()


async def test_a_session_does_not_get_back_a_source_whose_bytes_are_gone(rig: Rig) -> None:
    sources = rig.resources.sources
    await rig.upload(OLDER)
    snapshot = await sources.all("s")
    await rig.upload(NEWER)
    await sources.clear("s", await sources.all("s"))
    with pytest.raises(SourceReplaced, match=rf"f\.csv was uploaded again by job {NEWER}"):
        await sources.put("s", snapshot)
    assert await sources.all("s") == []


@pytest.mark.parametrize("replaces", [False, True], ids=["new", "replaces"])
@pytest.mark.parametrize("held", [PURGE, NEWER])
async def test_whenever_a_purge_runs_it_keeps_what_was_uploaded_after_it_was_enqueued(
    rig: Rig, redis: Redis, held: str, *, replaces: bool
) -> None:
    at = 0
    while True:
        at += 1
        await forget(rig, redis)
        if replaces:
            await rig.upload("first")
        task = await rig.interrupted(held, at, holds=True)
        if task is None:
            break
        await (rig.purge() if held == NEWER else rig.upload(NEWER))
        rig.steps.released.set()
        await task
        assert await rig.check() == NEWER, f"step {at}"
    # Before and after each request of the purge: its uploads, its objects, and those that it deletes.
    assert at - 1 == {PURGE: 6 if replaces else 4}.get(held, 20 if replaces else 12)
    rig.steps.begin()
    await rig.purge()
    assert await rig.check() == (NEWER if held == NEWER else None)


async def test_a_session_is_purged_though_another_program_has_overwritten_its_uploads(rig: Rig, redis: Redis) -> None:
    await rig.upload("first")
    await redis.set(keys.session_newest("s"), "overwritten", ex=60)
    assert (await rig.purge()).objects == 2
    assert (rig.server.objects, await rig.resources.sources.all("s")) == ({}, [])


async def test_a_session_does_not_get_back_a_source_that_was_purged(rig: Rig) -> None:
    sources = rig.resources.sources
    await rig.upload(OLDER)
    snapshot = await sources.all("s")
    assert (await rig.purge()).sources == 1
    assert await sources.all("s") == []
    with pytest.raises(SourceReplaced, match=r"f\.csv was purged by job p, so its bytes are gone; upload it again"):
        await sources.check_current("s", snapshot)
    with pytest.raises(SourceReplaced, match=r"f\.csv was purged by job p"):
        await sources.put("s", snapshot)
    # An upload that was enqueued before the purge and runs after it writes its bytes again.
    assert (await rig.upload(OLDER)).warnings == ()
    assert await rig.check() == OLDER


async def test_uploads_of_one_millisecond_have_the_order_in_which_they_were_enqueued(rig: Rig, redis: Redis) -> None:
    for score, job_id in enumerate((NEWER, OLDER)):
        await redis.zadd(keys.session_jobs("s"), {job_id: 5_000_000 + score})
    await redis.expire(keys.session_jobs("s"), 60)
    await rig.upload(OLDER)
    await rig.upload(NEWER)
    assert await rig.check() == OLDER


async def test_a_session_takes_no_more_sources_than_it_may_and_says_what_to_remove(redis: Redis) -> None:
    async with open_rig(redis, SessionsSettings(max_sources=2)) as rig:
        await rig.upload(OLDER, "a.csv")
        await rig.upload(NEWER, "b.csv")
        before = dict(rig.server.objects)
        with pytest.raises(SessionFull, match=r"has 2 sources .* may have 2 sources .*largest files are b\.csv"):
            await rig.upload("third", "c.csv")
        assert rig.server.objects == before
        await rig.upload("third", "a.csv")
        await rig.resources.sources.remove("s", "b.csv")
        await rig.upload("third", "c.csv")
        assert [source.name for source in await rig.resources.sources.all("s")] == ["a.csv", "c.csv"]


async def test_a_session_takes_no_more_bytes_than_it_may(redis: Redis) -> None:
    async with open_rig(redis, SessionsSettings(max_bytes=10)) as rig:
        await rig.upload(OLDER, "a.csv")
        await rig.upload(NEWER, "b.csv")
        with pytest.raises(
            SessionFull, match="has 2 sources with 10 bytes of files and may have 100 sources and 10 by"
        ):
            await rig.upload("third", "c.csv")
        await rig.upload("third", "b.csv")
        await rig.resources.sources.clear("s", await rig.resources.sources.all("s"))
        await rig.upload("third", "c.csv")


async def test_uploads_that_race_for_the_last_place_do_not_both_get_it(redis: Redis) -> None:
    async with open_rig(redis, SessionsSettings(max_sources=1)) as rig:
        outcomes = await asyncio.gather(
            *(rig.upload(str(number), f"{number}.csv") for number in range(8)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes].count(SessionFull) == 7
        assert len(await rig.resources.sources.all("s")) == 1
