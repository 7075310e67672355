"""How much memory the bodies of all requests may take together."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse

from raylane.gateway.access import body_room
from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.body_room import BodyRoom
from raylane.gateway.access.caller import ANYONE, Caller
from raylane.gateway.access.middleware import guarded
from raylane_common.errors import GatewayBusy
from tests.helpers.gateways import gateway_settings, write_callers
from tests.helpers.waiting import until
from tests.unit.gateway.access.test_middleware import ADA as RIGHTS
from tests.unit.gateway.access.test_middleware import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

MIB = 1024 * 1024
ROOM = 4 * MIB
ADA = Caller("ada", frozenset(), ())
BOB = Caller("bob", frozenset(), ())


class Holding:
    """An app that keeps whole bodies until it may answer, and counts the bytes that it holds."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.held = self.most_held = self.begun = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0
        self.begun += 1
        try:
            while True:
                message = await receive()
                taken += len(message["body"])
                self.held += len(message["body"])
                self.most_held = max(self.most_held, self.held)
                if not message["more_body"]:
                    break
            await self.may_answer.wait()
            await PlainTextResponse("held")(scope, receive, send)
        finally:
            self.held -= taken


@pytest.fixture
def app() -> Holding:
    return Holding()


def guard(app: ASGIApp, callers: Path | None = None) -> ASGIApp:
    tokens = {} if callers is None else {"tokens_file": write_callers(callers / "c.json", ada=RIGHTS, bob=RIGHTS)}
    settings = gateway_settings(max_body_bytes=2 * MIB, max_bodies_bytes=ROOM, **tokens).gateway
    return guarded(app, settings, Authentication(settings))


def sent(guard: ASGIApp, size_bytes: int, *, token: str = "", announced: bool = True) -> Stream:
    """A request with a body of this size, in pieces of 64 KiB as they come from a connection."""
    whole, rest = divmod(size_bytes, 65_536)
    stream = Stream(guard, [b"x" * 65_536] * whole + [b"x" * rest])
    stream.method = "PUT"
    length = (b"content-length", b"%d" % size_bytes) if announced else (b"transfer-encoding", b"chunked")
    stream.headers = [(b"host", b"127.0.0.1"), length]
    if token:
        stream.headers.append((b"authorization", f"Bearer {token}-token".encode()))
    return stream


@pytest.mark.parametrize("announced", [True, False])
async def test_thirty_large_bodies_at_once_are_all_served_in_the_memory_of_a_few(app: Holding, announced: bool) -> None:
    guarded_app = guard(app)
    streams = [sent(guarded_app, 2 * MIB, announced=announced) for _ in range(30)]
    async with asyncio.TaskGroup() as tasks:
        for stream in streams:
            tasks.create_task(stream.run())
        await until(lambda: app.begun == 30)
        app.may_answer.set()
    assert {stream.status for stream in streams} == {200}
    # What comes without an announcement is noticed when it is larger than the buffer of its connection.
    assert app.most_held <= ROOM + (0 if announced else 30 * 2 * 65_536)
    assert app.held == 0


async def test_a_body_that_finds_no_room_is_refused_with_the_time_to_come_again(
    app: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_room, "WAIT_S", 0.05)
    guarded_app = guard(app)
    held = [sent(guarded_app, 2 * MIB) for _ in range(2)]
    refused, small = sent(guarded_app, 2 * MIB), sent(guarded_app, 60_000)
    async with asyncio.TaskGroup() as tasks:
        for stream in held:
            tasks.create_task(stream.run())
        await until(lambda: app.held == ROOM)
        await refused.run()
        assert (refused.status, json.loads(refused.body)["code"]) == (503, "gateway_busy")
        assert json.loads(refused.body)["retryable"] is True
        assert refused.answer_headers[b"retry-after"] == b"5"
        question = tasks.create_task(small.run())
        await until(lambda: app.held == ROOM + 60_000)
        app.may_answer.set()
        await question
    assert {stream.status for stream in (*held, small)} == {200}
    app.may_answer.set()
    again = sent(guarded_app, 2 * MIB)
    await again.run()
    assert again.status == 200, "what was held is given back"


async def test_one_caller_that_holds_all_it_may_leaves_room_for_others(app: Holding, tmp_path: Path) -> None:
    guarded_app = guard(app, tmp_path)
    of_ada = [sent(guarded_app, 2 * MIB, token="ada") for _ in range(3)]
    of_bob = sent(guarded_app, 2 * MIB, token="bob")
    async with asyncio.TaskGroup() as tasks:
        for stream in (*of_ada, of_bob):
            tasks.create_task(stream.run())
        await until(lambda: app.held == 4 * MIB)
        app.may_answer.set()
    assert {stream.status for stream in (*of_ada, of_bob)} == {200}


async def test_a_client_that_leaves_while_it_waits_gives_its_place_in_line_to_the_next() -> None:
    room = BodyRoom(100)
    with room.place_of(ANYONE) as first, room.place_of(ANYONE) as large, room.place_of(ANYONE) as next_one:
        await first.take(60)
        waiting = asyncio.create_task(large.take(80))
        behind = asyncio.create_task(next_one.take(40))
        await asyncio.sleep(0)
        assert not behind.done(), "small bodies never overtake a large one"
        waiting.cancel()
        await behind
        assert room.held_bytes == 100
    assert room.held_bytes == 0


async def test_what_is_larger_than_the_share_of_a_caller_is_taken_when_nothing_else_is_there() -> None:
    room = BodyRoom(100)
    with room.place_of(ADA) as place:
        await place.take(1000)
        assert room.held_bytes == 50
        await place.take(1000)
    with room.place_of(None) as place, room.place_of(BOB) as other:
        await place.take(50)
        await other.take(50)
        assert room.held_bytes == 100


async def test_refused_places_hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_room, "WAIT_S", 0)
    room = BodyRoom(10)
    with room.place_of(ANYONE) as place:
        await place.take(10)
        with room.place_of(ANYONE) as late, pytest.raises(GatewayBusy, match="MAX_BODIES_BYTES"):
            await late.take(1)
        assert room.held_bytes == 10
    assert room.held_bytes == 0
