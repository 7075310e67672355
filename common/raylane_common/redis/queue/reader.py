"""Reads from Redis for all followers of a client: one command at a time asks about jobs, and one waits for events.

See docs/decisions/0016.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from redis.exceptions import ResponseError

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.connection import keys_of
from raylane_common.redis.queue.rounds import Rounds
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.redis.replies import WrongType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis
    from redis.typing import KeyT, StreamIdT

# An answer with this many events is parsed within some tens of milliseconds.
_MOST_ENTRIES: Final = 2000
_MOST_OF_ONE_STREAM: Final = 200
_FEWEST_OF_ONE_STREAM: Final = 10
# A question may be answered with a whole record.
_QUESTIONS_AT_ONCE: Final = 10
# Longer than any blocking read.
_WAKE_TTL_MS: Final = 60_000

Command = tuple[str | int, ...]
Entry = tuple[str, dict[str, str]]


class NewEntries(NamedTuple):
    """The entries of a stream after a position. `cut` says that there may be more of them."""

    entries: list[Entry]
    cut: bool


_NOTHING_NEW: Final = NewEntries([], cut=False)


class SharedReader:
    """Serves any number of followers over few connections.

    Cancelling one follower does not affect the others. An error of Redis reaches every follower whose read it affects.
    """

    def __init__(self, redis: Redis, block_s: float) -> None:
        """`block_s` is the longest single blocking read; it must stay below the connection's socket timeout."""
        self._redis = redis
        self._block_s = block_s
        # As in the pool, no connection and no future may cross from one event loop to another.
        self._by_loop: dict[asyncio.AbstractEventLoop, tuple[_Questions, _Streams]] = {}

    async def ask(self, *commands: Command) -> list[object]:
        """Executes the commands in one transaction. Returns their answers; None if a needed key does not exist.

        Raises the first other error among the answers.
        """
        questions, _ = self._of_this_loop()
        answers = await questions.request(commands)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, WrongType):
                # A pipeline that returns errors as answers does not say which command failed.
                answer.key = str(command[1])
            if isinstance(answer, Exception) and not _is_missing(answer):
                raise answer
        return [None if isinstance(answer, Exception) else answer for answer in answers]

    async def wait(self, stream: str, after: str) -> NewEntries:
        """Returns the next entries of the stream; none if nothing arrived for about the blocking time."""
        _, streams = self._of_this_loop()
        return await streams.wait(stream, after)

    def _of_this_loop(self) -> tuple[_Questions, _Streams]:
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            # The keys are copied first, because a loop in another thread may change the dictionary.
            for ended in [known for known in list(self._by_loop) if known.is_closed()]:
                self._by_loop.pop(ended, None)
            self._by_loop[loop] = _Questions(self._redis), _Streams(self._redis, self._block_s)
        return self._by_loop[loop]


class _Questions(Rounds[tuple[Command, ...], list[object]]):
    """Asks about jobs, several at once."""

    most_at_once = _QUESTIONS_AT_ONCE

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self._redis = redis

    async def serve_round(self, requests: Mapping[asyncio.Future[list[object]], tuple[Command, ...]]) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            for commands in requests.values():
                for command in commands:
                    pipe.execute_command(*command)
            answers = iter(await pipe.execute(raise_on_error=False))
        for request, commands in requests.items():
            self.answer(request, [next(answers) for _ in commands])


class _Wanted(NamedTuple):
    """A request for the entries of `stream` after `position`. It ends without entries at the loop time `until`."""

    stream: str
    position: tuple[int, int]
    until: float


class _Streams(Rounds[_Wanted, NewEntries]):
    """Waits for entries in all streams with one blocking read.

    A read that blocks cannot be extended. So every read includes a stream of the reader itself: a follower that joins
    adds an entry to it, which ends the read, and the next read includes the follower's stream.
    """

    def __init__(self, redis: Redis, block_s: float) -> None:
        super().__init__()
        self._redis = redis
        self._block_s = block_s
        self._scripts = Scripts(redis)
        self._use_new_wake_key()
        self._reading: dict[str, tuple[int, int]] = {}
        self._joined = asyncio.Event()

    async def wait(self, stream: str, after: str) -> NewEntries:
        """Returns the next entries of the stream; none if nothing arrived for about the blocking time."""
        position = order(after)
        if stream not in self._reading or self._reading[stream] > position:
            self._joined.set()
        return await self.request(_Wanted(stream, position, asyncio.get_running_loop().time() + self._block_s))

    async def serve_round(self, requests: Mapping[asyncio.Future[NewEntries], _Wanted]) -> None:
        positions: dict[str, tuple[int, int]] = {}
        for wanted in requests.values():
            lowest = positions.setdefault(wanted.stream, wanted.position)
            if wanted.position < lowest:
                positions[wanted.stream] = wanted.position
        count = min(_MOST_OF_ONE_STREAM, max(_FEWEST_OF_ONE_STREAM, _MOST_ENTRIES // len(positions)))
        self._joined.clear()
        self._reading = positions
        try:
            found = await self._read_until_joined(positions, count)
        finally:
            self._reading = {}
        now = asyncio.get_running_loop().time()
        for request, wanted in requests.items():
            entries = found.get(wanted.stream, [])
            if isinstance(entries, Exception):
                self.answer(request, entries)
            elif new := [entry for entry in entries if order(entry[0]) > wanted.position]:
                self.answer(request, NewEntries(new, cut=len(entries) >= count))
            elif not found or now >= wanted.until:
                self.answer(request, _NOTHING_NEW)

    async def _read_until_joined(
        self, positions: dict[str, tuple[int, int]], count: int
    ) -> dict[str, list[Entry] | Exception]:
        waking = asyncio.create_task(self._wake_when_joined())
        try:
            found = await self._read(positions, count)
            if self._joined.is_set():
                # Cancelling a command would cost its connection.
                await waking
            return found
        finally:
            waking.cancel()
            await asyncio.gather(waking, return_exceptions=True)

    async def _read(self, positions: dict[str, tuple[int, int]], count: int) -> dict[str, list[Entry] | Exception]:
        streams: dict[KeyT, StreamIdT] = {self._wake_key: f"{self._wakes}-0"}
        streams |= {stream: f"{position[0]}-{position[1]}" for stream, position in positions.items()}
        try:
            return dict(await self._redis.xread(streams, count=count, block=int(self._block_s * 1000)))
        except WrongType:
            # One key of another type is enough for Redis to refuse the whole read.
            async with self._redis.pipeline(transaction=False) as pipe:
                for stream in positions:
                    pipe.xread({stream: streams[stream]}, count=count)
                answers = await pipe.execute(raise_on_error=False)
            if not any(isinstance(answer, Exception) for answer in answers):
                # It is the reader's own stream.
                self._use_new_wake_key()
            found: dict[str, list[Entry] | Exception] = {}
            for stream, answer in zip(positions, answers, strict=True):
                found |= {stream: answer} if isinstance(answer, Exception) else dict(answer)
            return found

    def _use_new_wake_key(self) -> None:
        self._name = secrets.token_hex(8)
        self._wake_key = keys_of(self._redis).reader(self._name)
        self._wakes = 0

    async def _wake_when_joined(self) -> None:
        await self._joined.wait()
        self._wakes += 1
        # If this fails, the read ends after the blocking time, or fails for the same reason.
        with suppress(QueueUnavailable):
            await calls.wake_reader(self._scripts, self._name, self._wakes, _WAKE_TTL_MS)


def _is_missing(error: Exception) -> bool:
    return isinstance(error, ResponseError) and str(error).endswith("no such key")


def order(entry_id: str) -> tuple[int, int]:
    """Returns the id of an entry as two numbers that can be compared. Raises `ValueError` if it is not an id."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
