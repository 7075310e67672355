"""A stream of events when things go wrong: silence, a queue that is away, hostile events, a server that stops."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.gateway import event_stream as module
from raylane.gateway.access.caller import ANYONE, Caller, Right
from raylane.gateway.access.reader import Reader
from raylane.gateway.event_stream import event_stream
from raylane_common.errors import (
    ClusterUnsupported,
    Forbidden,
    JobNotFound,
    QueueUnavailable,
    RaylaneError,
    Unauthenticated,
)
from raylane_common.wire.jobs import JobEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import HTTPConnection

    from raylane.gateway.access.authentication import Authentication
    from raylane.gateway.context import Gateway


class Queue:
    """Follows a script: events, errors to raise, or None to say nothing forever."""

    def __init__(self, *steps: JobEvent | RaylaneError | None) -> None:
        self.steps = list(steps)
        self.positions: list[str] = []
        self.open = 0
        self.stopping = asyncio.Event()

    @property
    def gateway(self) -> Gateway:
        return cast("Gateway", SimpleNamespace(producer=self, stopping=self.stopping, told=lambda error, _: error))

    async def follow(self, job_id: str, *, after: str) -> AsyncIterator[JobEvent]:
        self.positions.append(after)
        self.open += 1
        try:
            while self.steps:
                step = self.steps.pop(0)
                if step is None:
                    await asyncio.Event().wait()
                elif isinstance(step, RaylaneError):
                    raise step
                else:
                    yield step
        finally:
            self.open -= 1


class Tokens:
    """Authenticates `ANYONE` until `is_taken_back`, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_taken_back = False

    async def caller_now(self, _: object) -> Caller:
        self.asked += 1
        if self.is_taken_back:
            raise Unauthenticated("the gateway does not know this token")
        return ANYONE


def reader(tokens: Tokens | None = None, *, ask_s: float = 0.0, session_id: str | None = "ada") -> Reader:
    authentication = cast("Authentication", tokens or Tokens())
    return Reader(authentication, cast("HTTPConnection", None), ANYONE, session_id, ask_s=ask_s)


def event(number: int, type: str = "log", **fields: object) -> JobEvent:
    return JobEvent.model_validate({"id": f"{number}-0", "type": type, "at": number, **fields})


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.0)


async def sent(queue: Queue, keep_alive_s: float = 60) -> list[str]:
    """Returns what is sent until the stream ends, piece by piece."""
    stream = event_stream(queue.gateway, reader(), "j", "0-0", keep_alive_s=keep_alive_s)
    return [piece.decode() async for piece in stream]


async def test_a_queue_that_is_away_interrupts_a_stream_but_does_not_end_it() -> None:
    away = QueueUnavailable("Redis does not answer")
    queue = Queue(event(1), away, away, event(2), away, event(3))
    pieces = await sent(queue)
    assert [piece.splitlines()[0] for piece in pieces if piece.startswith("id")] == ["id: 1-0", "id: 2-0", "id: 3-0"]
    assert queue.positions == ["0-0", "1-0", "1-0", "2-0"]
    assert queue.open == 0


@pytest.mark.parametrize("error", [ClusterUnsupported("a cluster"), JobNotFound("no job j")])
async def test_an_error_that_stays_is_told_and_ends_the_stream(error: RaylaneError) -> None:
    *_, last = await sent(Queue(event(1), error, event(2)))
    name, data, *_ = last.splitlines()
    assert (name, json.loads(data.removeprefix("data: "))["code"]) == ("event: problem", error.code)


async def test_silence_is_broken_by_comments_until_the_client_leaves() -> None:
    queue = Queue(event(1), None)
    stream = event_stream(queue.gateway, reader(), "j", "0-0", keep_alive_s=0.001)
    first = [await anext(stream) for _ in range(5)]
    assert first[0].startswith(b"retry: ")
    assert first[1].startswith(b"id: 1-0\n")
    assert all(piece.startswith(b": ") for piece in first[2:])
    await stream.aclose()
    assert queue.open == 0


async def test_a_server_that_stops_ends_the_stream_also_while_the_queue_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 3600.0)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 3600.0)
    for steps in ([None], [QueueUnavailable("away"), None]):
        queue = Queue(*steps)
        sending = asyncio.create_task(sent(queue))
        queue.stopping.set()
        await sending
        assert queue.open == 0


@pytest.mark.parametrize("steps", [(event(1), None), (event(1), *[QueueUnavailable("away")] * 50)])
async def test_a_token_that_is_taken_back_ends_its_stream(steps: tuple[JobEvent | RaylaneError | None, ...]) -> None:
    queue, tokens = Queue(*steps), Tokens()
    stream = event_stream(queue.gateway, reader(tokens), "j", "0-0", keep_alive_s=0.001)
    pieces = [(await anext(stream)).decode() for _ in range(3)]
    assert pieces[1].startswith("id: 1-0\n")
    tokens.is_taken_back = True
    *_, last = [piece.decode() async for piece in stream]
    name, data, *_ = last.splitlines()
    assert (name, json.loads(data.removeprefix("data: "))["code"]) == ("event: problem", "unauthenticated")
    assert queue.open == 0


async def test_no_event_is_sent_after_the_token_was_taken_back() -> None:
    tokens = Tokens()
    stream = event_stream(Queue(event(1), event(2)).gateway, reader(tokens), "j", "0-0")
    assert [(await anext(stream))[:7] for _ in range(2)] == [b"retry: ", b"id: 1-0"]
    tokens.is_taken_back = True
    assert [piece[:14] async for piece in stream] == [b"event: problem"]


async def test_a_reader_that_loses_its_right_is_refused() -> None:
    tokens = Tokens()
    who = Reader(cast("Authentication", tokens), cast("HTTPConnection", None), ANYONE, "ada", ask_s=0.0)
    await who.check()
    eve = Caller("eve", frozenset({Right.READ}), ("eve-",))
    with patch.object(Tokens, "caller_now", return_value=eve), pytest.raises(Forbidden):
        await who.check()


async def test_authentication_is_not_asked_for_each_event() -> None:
    tokens = Tokens()
    queue = Queue(*(event(number) for number in range(1, 100)))
    stream = event_stream(queue.gateway, reader(tokens, ask_s=60), "j", "0-0")
    assert len([piece async for piece in stream]) == 100
    assert tokens.asked == 0


@given(
    st.text(max_size=20),
    st.one_of(st.none(), st.text(max_size=50)),
)
async def test_no_event_can_forge_another_one(type: str, line: str | None) -> None:
    _, written = await sent(Queue(event(1, type, line=line)))
    fields = [text.partition(": ") for text in written.removesuffix("\n\n").split("\n")]
    assert [name for name, _, _ in fields] == ["id", "event", "data"]
    assert not {"\r", "\n"}.intersection(written.removesuffix("\n\n").replace("\n", "", 2))
    assert json.loads(fields[2][2]).get("line") == line
