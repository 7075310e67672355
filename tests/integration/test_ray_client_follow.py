"""A job of the cluster over time: its output, its end, its loss."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylane.testing import Address, Break, FakeRay
from raylane_common.errors import (
    InvalidRequest,
    RayServerError,
    RayUnreachable,
    RunLost,
    RunNotFound,
    RunNotStarted,
    WaitTimeout,
)
from raylane_common.ray import lifecycle, tail, transport
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import RunStatus
from raylane_common.ray.observe import Happening
from raylane_common.ray.package import build_package
from raylane_common.ray.settings import RaySettings
from tests.helpers.profiles import by_profile
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

TAIL = "GET /api/jobs/a/logs/tail"
# How many characters a log may have to be read as a whole: so many that every log is, or too few even for an empty one.
WHOLE, WEBSOCKET = 256 * 1024, -1


@pytest.fixture
def by_websocket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_SHORT_CHARACTERS", WEBSOCKET)


@pytest.fixture(params=[WHOLE, WEBSOCKET], ids=["whole", "websocket"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_SHORT_CHARACTERS", request.param)


class Rig:
    """One cluster behind two addresses, a client, and what it was told of job `a`'s output."""

    def __init__(self, ray: FakeRay, private: Address, public: Address, client: RayClient) -> None:
        self.ray, self.private, self.public, self.client = ray, private, public, client
        self.heard: list[str] = []
        self.ends: list[int] = []

    @property
    def text(self) -> str:
        return "".join(self.heard)

    async def submit(self) -> None:
        await self.client.submit(submission_id="a", entrypoint="python main.py")
        self.ray.logs["a"] = ""

    async def follow(self, after: int = 0) -> None:
        async for piece in self.client.follow_logs("a", after=after):
            self.heard.append(piece.text)
            self.ends.append(piece.end)


@asynccontextmanager
async def rig(**changes: object) -> AsyncIterator[Rig]:
    ray = FakeRay()
    async with Address(ray) as private, Address(ray) as public:
        fields = {"poll_interval_s": 0.05, "failover_delay_s": 0.1, "reprobe_min_s": 60.0}
        urls = {"private_url": private.url, "public_url": public.url}
        async with RayClient(RaySettings.model_validate(fields | urls | changes)) as client:
            yield Rig(ray, private, public, client)


@pytest.mark.usefixtures("either_way")
async def test_output_is_followed_to_the_end() -> None:
    async with rig() as at:
        await at.submit()
        following = asyncio.create_task(at.follow())
        at.ray.write("a", "one\n")
        await until(lambda: at.text == "one\n")
        at.ray.write("a", "two\nthr")
        await until(lambda: at.text == "one\ntwo\nthr")
        at.ray.write("a", "ee\n")
        at.ray.end("a")
        await asyncio.wait_for(following, 10)
        assert at.text == "one\ntwo\nthree\n" == at.ray.logs["a"]
        assert at.ends[-1] == len(at.text)


@pytest.mark.usefixtures("by_websocket")
async def test_the_system_notices_a_dead_peer_of_a_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[aiohttp.ClientWebSocketResponse] = []
    receive = transport._receive

    async def receive_and_note(websocket: aiohttp.ClientWebSocketResponse, broken: asyncio.Event) -> aiohttp.WSMessage:
        followed.append(websocket)
        return await receive(websocket, broken)

    monkeypatch.setattr(transport, "_receive", receive_and_note)
    async with rig() as at:
        await at.submit()
        following = asyncio.create_task(at.follow())
        await until(lambda: bool(followed))
        connection = followed[0].get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        at.ray.end("a")
        await following


@pytest.mark.usefixtures("either_way")
async def test_following_continues_from_a_position() -> None:
    async with rig() as at:
        await at.submit()
        at.ray.write("a", "one\ntwo\n")
        at.ray.end("a")
        await asyncio.wait_for(at.follow(after=5), 10)
        assert at.text == "wo\n"
        at.heard.clear()
        await asyncio.wait_for(at.follow(after=8), 10)
        assert at.text == ""
        with pytest.raises(InvalidRequest, match="after: must not be negative"):
            at.client.follow_logs("a", after=-1)


@pytest.mark.usefixtures("either_way")
async def test_a_broken_path_loses_and_repeats_no_line() -> None:
    async with rig() as at:
        await at.submit()
        following = asyncio.create_task(at.follow())
        at.ray.write("a", "one\n")
        await until(lambda: at.text == "one\n")
        await at.private.close()
        at.ray.write("a", "two\n")
        await until(lambda: at.text == "one\ntwo\n")
        assert at.public.requests
        at.ray.end("a")
        await asyncio.wait_for(following, 10)
        assert at.text == "one\ntwo\n"


@pytest.mark.usefixtures("by_websocket")
async def test_without_websockets_the_whole_log_is_polled() -> None:
    async with rig(public_url=None) as at:
        await at.submit()
        at.private.break_with(Break.PAGE, only=TAIL)
        following = asyncio.create_task(at.follow())
        at.ray.write("a", "one\n")
        await until(lambda: at.text == "one\n", timeout_s=30)
        at.ray.write("a", "two\n")
        at.ray.end("a")
        await asyncio.wait_for(following, 30)
        assert at.text == "one\ntwo\n"


@settings(max_examples=by_profile(fast=5, ci=25, deep=250))  # each opens a cluster and a client
@given(
    steps=st.lists(st.sampled_from(["write", "cut", "leave"]), max_size=12),
    text=st.text("ab\nü€", max_size=9),
    # With 20, the way changes after the first lines.
    short=st.sampled_from([WHOLE, WEBSOCKET, 20]),
)
async def test_output_is_delivered_once_whatever_breaks(steps: list[str], text: str, short: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tail, "_SHORT_CHARACTERS", short)
        await follow_through(steps, text)


async def follow_through(steps: list[str], text: str) -> None:
    async with rig(public_url=None) as at:
        await at.submit()
        following = asyncio.create_task(at.follow())
        for number, step in enumerate(steps):
            if step == "write":
                at.ray.write("a", f"{number}{text}\n")
            elif step == "cut":
                at.private.cut()
            else:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                following = asyncio.create_task(at.follow(after=at.ends[-1] if at.ends else 0))
            await asyncio.sleep(0)
        at.ray.end("a")
        await asyncio.wait_for(following, 30)
        assert at.text == at.ray.logs["a"]


async def test_following_an_unknown_run_is_an_error() -> None:
    async with rig() as at:
        with pytest.raises(RunNotFound):
            await at.follow()


async def test_a_long_outage_ends_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raylane_common.ray.client.MAX_OUTAGE_S", 0.3)
    async with rig(request_timeout_s=0.5) as at:
        await at.submit()
        await at.private.close()
        await at.public.close()
        with pytest.raises(RayUnreachable):
            await asyncio.wait_for(at.follow(), 30)


async def test_wait_returns_when_the_run_has_ended() -> None:
    async with rig() as at:
        await at.submit()
        with pytest.raises(WaitTimeout, match="it continues"):
            await at.client.wait("a", timeout_s=0)
        waiting = asyncio.create_task(at.client.wait("a"))
        await until(lambda: at.private.count("GET /api/jobs/a") >= 3)
        at.ray.end("a", exit_code=3)
        job = await asyncio.wait_for(waiting, 10)
        assert (job.status, job.driver_exit_code) == (RunStatus.FAILED, 3)
        with pytest.raises(RunNotFound):
            await at.client.wait("b")


async def test_a_wait_ends_in_time_though_the_cluster_is_silent() -> None:
    async with rig(request_timeout_s=60) as at:
        await at.submit()
        for address in (at.private, at.public):
            address.break_with(Break.NEVER_ANSWERS)
        with pytest.raises(WaitTimeout, match=r"after 0\.2 s; it continues"):
            await asyncio.wait_for(at.client.wait("a", timeout_s=0.2), 30)


async def test_a_run_is_lost_when_its_head_is_restarted() -> None:
    async with rig() as at:
        await at.submit()
        waiting = asyncio.create_task(at.client.wait("a"))
        await until(lambda: at.private.count("GET /api/jobs/a") >= 2)
        at.ray.restart()
        with pytest.raises(RunLost, match="not run again automatically"):
            await asyncio.wait_for(waiting, 10)
        with pytest.raises(RunLost):
            await at.client.wait("a", accepted=True)
        assert at.ray.submissions == 1


async def test_wait_survives_a_short_outage_and_no_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig(public_url=None, reprobe_min_s=0.1, request_timeout_s=0.5) as at:
        await at.submit()
        waiting = asyncio.create_task(at.client.wait("a"))
        await at.private.close()
        await until(lambda: at.client.endpoints()[0].last_error is not None)
        await at.private.open()
        at.ray.end("a")
        assert (await asyncio.wait_for(waiting, 20)).status is RunStatus.SUCCEEDED
        monkeypatch.setattr(lifecycle, "MAX_OUTAGE_S", 0.0)
        await at.private.close()
        with pytest.raises(RayUnreachable):
            await asyncio.wait_for(at.client.wait("a"), 20)


async def test_a_run_that_never_starts_is_given_up() -> None:
    async with rig(pending_timeout_s=0.3) as at:
        await at.submit()
        at.ray.jobs["a"]["status"] = "PENDING"
        with pytest.raises(RunNotStarted, match="still pending"):
            await asyncio.wait_for(at.client.wait("a"), 20)


async def test_a_stop_is_confirmed() -> None:
    async with rig() as at:
        await at.submit()
        stop = await at.client.stop("a")
        assert (stop.stopped, stop.run.status) == (True, RunStatus.STOPPED)
        again = await at.client.stop("a")
        assert (again.stopped, again.run.status) == (False, RunStatus.STOPPED)
        with pytest.raises(RunNotFound):
            await at.client.stop("b")


async def test_jobs_are_filtered() -> None:
    async with rig() as at:
        for number in range(3):
            await at.client.submit(submission_id=f"j{number}", entrypoint="true", metadata={"odd": str(number % 2)})
        at.ray.end("j0")
        assert [job.submission_id for job in await at.client.jobs(metadata={"odd": "0"})] == ["j2", "j0"]
        assert [job.submission_id for job in await at.client.jobs(status=RunStatus.SUCCEEDED)] == ["j0"]
        assert [job.submission_id for job in await at.client.jobs(limit=1)] == ["j2"]


async def test_health_nodes_and_status_are_read() -> None:
    async with rig() as at:
        health = await at.client.health()
        assert (health.gcs_ok, health.said, health.endpoint) == (True, "success", "private")
        [head, *_] = await at.client.nodes()
        assert head.is_head_node
        assert head.resources_total
        assert "Resource" in (await at.client.cluster_status()).text
        at.ray.gcs_healthy = False
        assert (await at.client.health()).gcs_ok is False
        assert [report.state for report in at.client.endpoints()] == ["up", "unknown"], "Ray is ill, not the path"


async def test_an_uploaded_package_is_found() -> None:
    package = build_package({"main.py": "print(1)"})
    async with rig() as at:
        assert not await at.client.has_package(package)
        await at.client.upload_package(package)
        await at.client.upload_package(package)
        assert await at.client.has_package(package)
        large = build_package({"a.bin": bytes(3 * 1024 * 1024)})
        await at.client.upload_package(large)
        assert at.ray.packages[large.name] == large.data


async def test_a_path_that_breaks_in_use_is_left_long_before_the_deadline() -> None:
    async with rig(request_timeout_s=60) as at:
        await at.client.jobs()
        at.private.break_with(Break.NEVER_ANSWERS)
        assert await asyncio.wait_for(at.client.jobs(), 20) == []
        assert [report.state for report in at.client.endpoints()] == ["down", "up"]
        # A submission is told by the same doubt, and then looked for on the other address.
        at.private.break_with(None)
        await at.client.use(RaySettings(private_url=at.private.url, public_url=at.public.url, failover_delay_s=1.0))
        assert (await at.client.version()).endpoint == "private"
        at.private.break_with(Break.NEVER_ANSWERS)
        submission = await asyncio.wait_for(at.client.submit(submission_id="a", entrypoint="true"), 20)
        assert submission.endpoint == "public"
        assert at.ray.submissions == 1


async def test_what_happens_is_counted() -> None:
    async with rig() as at:
        await at.private.close()
        for _ in range(3):
            await at.client.version()
        counts = at.client.counters.counts
        assert counts[Happening("request", "public", "version", "ok")] == 3
        assert counts[Happening("down", "private")] == counts[Happening("up", "public")] == 1
        assert counts[Happening("probe", "private")] == counts[Happening("probe", "public")] == 1
        assert at.client.counters.seconds["public", "version"] > 0
        [_, public] = at.client.endpoints()
        assert public.latency_ms is not None


async def test_addresses_can_be_changed_while_calls_are_under_way() -> None:
    async with rig() as at:
        await at.client.version()
        at.private.break_with(Break.NEVER_ANSWERS)
        async with Address(FakeRay(session_name="another")) as other:
            calling = asyncio.create_task(at.client.jobs())
            await until(lambda: at.private.waiting == 1)
            await at.client.use(RaySettings(private_url=other.url, new_cluster="another"))
            assert [(report.url, report.state) for report in at.client.endpoints()] == [(other.url, "unknown")]
            assert (await at.client.version()).session_name == "another"
            assert await asyncio.wait_for(calling, 20) == [], "a call under way goes to the new address"
            with pytest.raises(InvalidRequest, match="must be https"):
                await at.client.use(RaySettings(private_url="http://8.8.8.8"))
            assert (await at.client.version()).endpoint == "private"


async def test_a_log_that_is_too_long_for_one_answer_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raylane_common.ray.transport.MAX_ANSWER_BYTES", 1000)
    async with rig() as at:
        await at.submit()
        for number in range(300):
            at.ray.write("a", f"line {number}\n")
        at.ray.end("a")
        await asyncio.wait_for(at.follow(), 20)
        assert at.text == at.ray.logs["a"]


async def test_output_that_is_not_utf8_is_an_error_and_not_an_empty_log() -> None:
    async with rig() as at:
        await at.submit()
        at.ray.write("a", "one\n")
        at.ray.write("a", b"\xff\n")
        at.ray.end("a")
        with pytest.raises(RayServerError, match="not UTF-8") as caught:
            await asyncio.wait_for(at.follow(), 20)
        assert not caught.value.retryable
