"""How soon a line and the end of a run are noticed, and with how many requests. Time is virtual: pauses are counted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

import pytest

from raylane_common.errors import RayServerError, RayUnreachable
from raylane_common.ray import tail
from raylane_common.ray.answers import Answer
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import RunStatus
from raylane_common.ray.settings import RaySettings
from tests.helpers import virtual_time
from tests.helpers.virtual_time import now_s

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from raylane_common.ray.calls import Calls, Deadline
    from raylane_common.ray.transport import Request

# What Ray's agent takes, and what it waits between two looks at a log that does not grow.
ANSWER_S: Final = 0.004
RAY_PAUSE_S: Final = 1.0


@dataclass
class Script:
    """A run of the cluster: when it starts, prints and ends, in seconds. `away`: Ray does not answer in between."""

    starts_at_s: float = 5.0
    prints: Mapping[float, str] = field(default_factory=dict)
    ends_at_s: float = 10.0
    away: tuple[float, float] = (0.0, 0.0)

    @property
    def status(self) -> RunStatus:
        if now_s() >= self.ends_at_s:
            return RunStatus.SUCCEEDED
        return RunStatus.RUNNING if now_s() >= self.starts_at_s else RunStatus.PENDING

    @property
    def log(self) -> str:
        return "".join(text for at_s, text in self.prints.items() if at_s <= now_s())


class Cluster:
    """What the client asks, and when. A run that was not scripted is unknown."""

    def __init__(self, **scripts: Script) -> None:
        self.scripts = scripts
        self.asked: list[tuple[float, str]] = []
        self.unreadable: RayServerError | None = None

    async def exchange(self, request: Request, _: Deadline) -> Answer:
        submission_id = request.path.split("/")[3]
        script = self.scripts[submission_id]
        self.asked.append((now_s(), request.operation))
        await asyncio.sleep(ANSWER_S)
        if script.away[0] <= now_s() < script.away[1]:
            raise RayUnreachable("no endpoint answered")
        if request.operation == "logs":
            if self.unreadable is not None:
                raise self.unreadable
            return Answer("private", 200, b"", {"logs": script.log})
        return Answer("private", 200, b"", {"submission_id": submission_id, "status": script.status})

    async def frames(self, path: str, _: Deadline) -> AsyncGenerator[str, None]:
        """As Ray: lines are sent a second after they were read, and the socket is closed late."""
        script = self.scripts[path.split("/")[3]]
        self.asked.append((now_s(), "tail"))
        sent = 0
        has_ended = False
        while True:
            text = script.log[sent:]
            await asyncio.sleep(RAY_PAUSE_S)
            if text:
                sent += len(text)
                yield text
            elif has_ended:
                return
            else:
                has_ended = script.status.is_final
                await asyncio.sleep(RAY_PAUSE_S)

    async def aclose(self) -> None: ...

    def count(self, operation: str) -> int:
        return [asked for _, asked in self.asked].count(operation)


@asynccontextmanager
async def client_of(cluster: Cluster) -> AsyncIterator[RayClient]:
    async with RayClient(RaySettings()) as client:
        await client._calls.aclose()
        client._calls = cast("Calls", cluster)
        yield client


async def heard(client: RayClient, submission_id: str = "a") -> dict[str, float]:
    """Follows a run. Returns when each line arrived, and when the following ended."""
    lines: dict[str, float] = {}
    text = ""
    async for piece in client.follow_logs(submission_id):
        text += piece.text
        for line in text.splitlines():
            lines.setdefault(line, now_s())
    return lines | {"end": now_s()}


async def ended(client: RayClient, submission_id: str = "a") -> float:
    assert (await client.wait(submission_id)).status is RunStatus.SUCCEEDED
    return now_s()


def test_lines_reach_their_follower_soon_after_they_were_printed_and_the_end_soon_after_rays() -> None:
    prints = {5.31: "first\n", 6.87: "second\n", 33.33: "third\n", 299.9: "last\n"}
    cluster = Cluster(a=Script(5.0, prints, ends_at_s=300.07))

    async def follow() -> tuple[dict[str, float], float]:
        async with client_of(cluster) as client:
            return await asyncio.gather(heard(client), ended(client))

    lines, end_s = virtual_time.run(follow())
    for at_s, line in prints.items():
        assert lines[line.strip()] - at_s < 0.5, line
    assert lines["end"] - 300.07 < 0.25
    assert end_s - 300.07 < 0.25


def test_who_waits_and_who_follows_share_each_look_at_a_run() -> None:
    cluster = Cluster(a=Script(ends_at_s=60.0))

    async def follow() -> None:
        async with client_of(cluster) as client:
            await asyncio.gather(heard(client), ended(client), ended(client))

    virtual_time.run(follow())
    assert cluster.count("job") <= 60 / 0.2 + 1
    assert cluster.count("logs") <= 55 / 0.4 + 1
    assert cluster.count("tail") == 0


def test_many_runs_share_a_bounded_number_of_looks() -> None:
    cluster = Cluster(**{f"r{number}": Script(ends_at_s=100.0) for number in range(30)})

    async def follow() -> None:
        async with client_of(cluster) as client:
            await asyncio.gather(*(heard(client, name) for name in cluster.scripts))

    virtual_time.run(follow())
    looks = [at_s for at_s, operation in cluster.asked if operation == "job" and 10 <= at_s < 90]
    assert len(looks) <= 80 * 20
    requests = [at_s for at_s, _ in cluster.asked if 10 <= at_s < 90]
    assert len(requests) <= 80 * 40


def test_a_long_log_comes_over_the_websocket_until_the_run_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_SHORT_CHARACTERS", 10)
    prints = {6.0 + number: f"this is line {number}\n" for number in range(30)}
    cluster = Cluster(a=Script(prints=prints, ends_at_s=36.0))

    async def follow() -> dict[str, float]:
        async with client_of(cluster) as client:
            return await heard(client)

    lines = virtual_time.run(follow())
    assert list(lines) == [*(text.strip() for text in prints.values()), "end"]
    assert cluster.count("tail") == 1
    assert lines["end"] - 36.0 < 0.25, "waited for Ray to close the websocket"
    assert cluster.asked[-1][1] == "logs", "Ray does not send the last lines over the websocket"


def test_a_large_log_is_read_less_often_than_a_small_one() -> None:
    cluster = Cluster(a=Script(prints={5.0: "x" * 250 * 1024}, ends_at_s=25.0))

    async def follow() -> None:
        async with client_of(cluster) as client:
            await heard(client)

    virtual_time.run(follow())
    assert cluster.count("logs") <= 20 / 0.4


def test_looks_that_fail_become_rarer_and_the_first_that_succeeds_finds_the_end() -> None:
    cluster = Cluster(a=Script(ends_at_s=40.0, away=(10.0, 50.0)))

    async def follow() -> tuple[dict[str, float], float]:
        async with client_of(cluster) as client:
            return await asyncio.gather(heard(client), ended(client))

    lines, end_s = virtual_time.run(follow())
    failed = [at_s for at_s, _ in cluster.asked if 10 <= at_s < 50]
    assert len(failed) < 30
    assert end_s < 52.1
    assert lines["end"] < 52.1


def test_an_outage_of_more_than_a_minute_ends_waiting_and_following() -> None:
    cluster = Cluster(a=Script(away=(7.0, 1000.0)))

    async def follow() -> None:
        async with client_of(cluster) as client:
            outcomes = await asyncio.gather(heard(client), ended(client), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [RayUnreachable, RayUnreachable]

    virtual_time.run(follow())


def test_a_log_that_ends_within_a_character_is_read_again() -> None:
    # Ray reads logs as text, and fails on the half of a character that a run has printed so far.
    cluster = Cluster(a=Script(prints={6.0: "grün\n"}))
    cluster.unreadable = RayServerError("the output is not UTF-8", retryable=False)

    async def mend() -> None:
        await asyncio.sleep(8.0)
        cluster.unreadable = None

    async def follow() -> dict[str, float]:
        async with client_of(cluster) as client:
            lines, _ = await asyncio.gather(heard(client), mend())
            return lines

    assert "grün" in virtual_time.run(follow())


@pytest.mark.parametrize("retryable", [False, True])
def test_a_log_that_cannot_be_read_after_the_end_is_an_error(retryable: bool) -> None:
    cluster = Cluster(a=Script())
    cluster.unreadable = RayServerError("the agent failed", retryable=retryable)

    async def follow() -> None:
        async with client_of(cluster) as client:
            async with asyncio.timeout(200):
                await heard(client)

    with pytest.raises(RayServerError, match="the agent failed"):
        virtual_time.run(follow())


def test_a_log_that_cannot_be_read_for_a_moment_after_a_long_run_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_SHORT_CHARACTERS", 0)
    cluster = Cluster(a=Script(prints={6.0: "first\n", 300.0: "last\n"}, ends_at_s=300.1))

    async def fail_for_a_moment() -> None:
        await asyncio.sleep(200.0)
        cluster.unreadable = RayServerError("the agent failed")
        await asyncio.sleep(105.0)
        cluster.unreadable = None

    async def follow() -> dict[str, float]:
        async with client_of(cluster) as client:
            lines, _ = await asyncio.gather(heard(client), fail_for_a_moment())
            return lines

    assert list(virtual_time.run(follow())) == ["first", "last", "end"]
