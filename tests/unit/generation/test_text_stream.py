"""Text of a model becomes few events, in order, up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import GenerationRefused, LeaseLost, QueueUnavailable
from raylane_worker.generation.agents import text_stream
from raylane_worker.generation.agents.text_stream import MAX_BYTES, PIECE_BYTES, TextStream
from tests.unit.generation.scripted_model import LOOK, SUBMIT, ScriptedModel, task, write

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from strands.types.content import Messages
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolSpec

    from tests.unit.generation.scripted_model import Turn


class Followers:
    """Keep the pieces they receive. Raise the given exceptions first, one per piece."""

    def __init__(self, *failures: Exception) -> None:
        self.pieces: list[str] = []
        self.failures = list(failures)

    async def receive(self, piece: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.pieces.append(piece)

    @property
    def received(self) -> str:
        return "".join(self.pieces)


class Talkative(ScriptedModel):
    """Says something before each turn."""

    def __init__(self, code_agent: Sequence[Turn], says: Sequence[str]) -> None:
        super().__init__(code_agent)
        self.says = says

    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        **kwargs: object,
    ) -> AsyncGenerator[StreamEvent, None]:
        async for event in super().stream(messages, tool_specs, system_prompt, **kwargs):
            yield event
            if "messageStart" in event:
                yield {"contentBlockStart": {"start": {}}}
                for part in self.says:
                    yield {"contentBlockDelta": {"delta": {"text": part}}}
                yield {"contentBlockStop": {}}


async def test_followers_receive_the_text_of_both_agents_one_line_per_turn() -> None:
    followers = Followers()
    model = Talkative([LOOK, SUBMIT], ["I think", " …"])
    assert (await write(task(), model, followers.receive)).code == "print(1)"
    assert followers.received == "I think …\nI think …\nI think …"


async def test_a_model_without_text_makes_no_events() -> None:
    followers = Followers()
    await write(task(), ScriptedModel([LOOK, SUBMIT]), followers.receive)
    assert followers.pieces == []


async def test_followers_receive_the_text_of_a_model_that_declines() -> None:
    followers = Followers()
    with pytest.raises(GenerationRefused, match="no such column"):
        await write(task(), Talkative([[("cannot", {"reason": "no such column"})]], ["Hm."]), followers.receive)
    assert followers.received == "Hm.\nHm."


async def test_thousands_of_words_make_few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_stream, "_FIRST_PAUSE_S", 60)
    followers = Followers()
    await write(task(), Talkative([LOOK, SUBMIT], ["word "] * 2000), followers.receive)
    assert followers.received == "\n".join(["word " * 2000] * 3)
    assert len(followers.pieces) <= 3 * 2000 * 5 / PIECE_BYTES + 3


async def test_the_text_of_an_endless_model_is_limited() -> None:
    followers = Followers()
    await write(task(), Talkative([LOOK, SUBMIT], ["€" * 30_000]), followers.receive)
    assert followers.received == "€" * (MAX_BYTES // 3)


async def test_without_redis_the_text_is_late_and_neither_text_nor_code_is_lost() -> None:
    followers = Followers(QueueUnavailable("away"), QueueUnavailable("away"))
    model = Talkative([LOOK, SUBMIT], ["so", "on" * PIECE_BYTES])
    assert (await write(task(), model, followers.receive)).code == "print(1)"
    assert followers.received == "\n".join(["so" + "on" * PIECE_BYTES] * 3)
    assert len(followers.pieces) == 1, "a failed send delays the model, so it is not repeated for every word"


async def test_a_lost_lease_ends_the_writing() -> None:
    model = Talkative([LOOK, SUBMIT], ["so", "on"])
    with pytest.raises(LeaseLost):
        await write(task(), model, Followers(LeaseLost("gone")).receive)
    assert model.asked("code") == []


@given(st.lists(st.text() | st.text("ab\n", min_size=PIECE_BYTES, max_size=3 * PIECE_BYTES), max_size=80))
async def test_the_pieces_together_are_the_text_up_to_the_limit(parts: list[str]) -> None:
    followers = Followers()
    stream = TextStream(followers.receive)
    for part in parts:
        await stream.add(part)
    await stream.flush()
    whole = "".join(parts).encode(errors="replace")
    assert followers.received.encode() == whole[:MAX_BYTES].decode(errors="ignore").encode()
    assert all(followers.pieces)
