from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import GenerationRefused, LeaseLost, QueueUnavailable
from raylane_worker.generation.agents import text_stream
from raylane_worker.generation.agents.team import write_code
from raylane_worker.generation.agents.text_stream import MAX_BYTES, PIECE_BYTES, TextStream
from raylane_worker.generation.template.model import TemplateModel
from tests.unit.generation.test_agents import LOOK, SUBMIT, ScriptedModel, task

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from strands.types.content import Messages
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolSpec

    from tests.unit.generation.test_agents import Turn


class Followers:
    """Keeps what they were told; refuses as often as told."""

    def __init__(self, *refusals: Exception) -> None:
        self.pieces: list[str] = []
        self.refusals = list(refusals)

    async def hear(self, piece: str) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.pieces.append(piece)

    @property
    def heard(self) -> str:
        return "".join(self.pieces)


class Talkative(ScriptedModel):
    """Says something before each of its turns."""

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


async def test_followers_hear_both_agents_turn_by_turn_while_the_code_is_written() -> None:
    followers = Followers()
    model = Talkative([LOOK, SUBMIT], ["I think", " …"])
    assert (await write_code(task(), model, say=followers.hear)).code == "print(1)"
    assert followers.heard == "I think …\nI think …\nI think …"


async def test_a_model_that_says_nothing_makes_no_events() -> None:
    followers = Followers()
    await write_code(task(), ScriptedModel([LOOK, SUBMIT]), say=followers.hear)
    await write_code(task(), TemplateModel(), say=followers.hear)
    assert followers.pieces == []


async def test_what_a_model_said_before_it_declined_is_heard_too() -> None:
    followers = Followers()
    with pytest.raises(GenerationRefused, match="no such column"):
        await write_code(task(), Talkative([[("cannot", {"reason": "no such column"})]], ["Hm."]), say=followers.hear)
    assert followers.heard == "Hm.\nHm."


async def test_thousands_of_words_make_few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_stream, "_FIRST_PAUSE_S", 60)
    followers = Followers()
    await write_code(task(), Talkative([LOOK, SUBMIT], ["word "] * 2000), say=followers.hear)
    assert followers.heard == "\n".join(["word " * 2000] * 3)
    assert len(followers.pieces) <= 3 * 2000 * 5 / PIECE_BYTES + 3


async def test_a_model_without_end_is_not_followed_without_end() -> None:
    followers = Followers()
    await write_code(task(), Talkative([LOOK, SUBMIT], ["€" * 30_000]), say=followers.hear)
    assert followers.heard == "€" * (MAX_BYTES // 3)


async def test_an_absent_redis_delays_the_words_and_loses_neither_them_nor_the_code() -> None:
    followers = Followers(QueueUnavailable("away"), QueueUnavailable("away"))
    model = Talkative([LOOK, SUBMIT], ["so", "on" * PIECE_BYTES])
    assert (await write_code(task(), model, say=followers.hear)).code == "print(1)"
    assert followers.heard == "\n".join(["so" + "on" * PIECE_BYTES] * 3)
    assert len(followers.pieces) == 1, "who waits for Redis keeps the model waiting, so it is not asked at every word"


async def test_a_lost_lease_ends_the_writing() -> None:
    model = Talkative([LOOK, SUBMIT], ["so", "on"])
    with pytest.raises(LeaseLost):
        await write_code(task(), model, say=Followers(LeaseLost("gone")).hear)
    assert model.asked("code") == []


@given(st.lists(st.text() | st.text("ab\n", min_size=PIECE_BYTES, max_size=3 * PIECE_BYTES), max_size=80))
async def test_the_pieces_together_are_the_text_up_to_the_limit(parts: list[str]) -> None:
    followers = Followers()
    words = TextStream(followers.hear)
    for part in parts:
        await words.add(part)
    await words.flush()
    whole = "".join(parts).encode(errors="replace")
    assert followers.heard.encode() == whole[:MAX_BYTES].decode(errors="ignore").encode()
    assert all(followers.pieces)
