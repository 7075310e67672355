"""Runs the Lua scripts: each is one atomic step. `calls` has one typed function for each of them.

See docs/decisions/0006.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, cast

from redis.exceptions import NoScriptError

from raylane_common.redis.connection import durability_of, keys_of, queue_errors
from raylane_common.redis.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

# Keeps a stream of small events at about 100 KiB. A follower that falls further behind misses events.
EVENTS_MAX: Final = 1000
# A week for a user to read a result; a month for an operator to look at what failed.
ENDED_TTL_MS: Final = 7 * 24 * 3600 * 1000
DEAD_TTL_MS: Final = 30 * 24 * 3600 * 1000
# A look is read at once by whoever asked; ten minutes are enough to come back after a broken connection.
LOOK_TTL_MS: Final = 10 * 60 * 1000
# Far more than a job's code, sources and result need. A worker would have to hold and parse a larger record.
RECORD_MAX_BYTES: Final = 16 * 1024 * 1024
# Of ends by lane, kind, outcome and code. Ours are fewer, even if every code occurs.
MOST_COUNTS: Final = 1000

Argument = str | bytes | int | float
Name = Literal[
    "enqueue",
    "claim",
    "renew",
    "note",
    "take_run_slot",
    "free_run_slot",
    "finish",
    "cancel",
    "requeue",
    "sweep",
    "mend",
    "beat",
    "ask_to_drain",
    "claim_upload",
    "put_sources",
    "clear_sources",
    "purge_sources",
    "change_setting",
    "wake_reader",
    "mark",
]

_NUMBERS: Final = {
    "EVENTS_MAX": EVENTS_MAX,
    "ENDED_MS": ENDED_TTL_MS,
    "DEAD_MS": DEAD_TTL_MS,
    "LOOK_MS": LOOK_TTL_MS,
    "RECORD_MAX": RECORD_MAX_BYTES,
    "COUNTS_MAX": MOST_COUNTS,
}
# What is prepended to a script, in this order. A script that changes no job's status needs only the first part, and
# the sources' part if it adds some.
_PARTS: Final = ("shared", "run_slots", "jobs")
_PARTS_OF_OTHERS: Final[dict[Name, tuple[str, ...]]] = {
    "note": ("shared",),
    "beat": ("shared",),
    "ask_to_drain": ("shared",),
    "claim_upload": ("shared", "sources"),
    "put_sources": ("shared", "sources"),
    "clear_sources": ("shared",),
    "purge_sources": ("shared", "sources"),
    "change_setting": ("shared",),
    "wake_reader": ("shared",),
    "mark": ("shared",),
}
_NAME_OF_CONSTANT: Final = re.compile(rf"\b({'|'.join((*Keys().in_scripts, *_NUMBERS))})\b")


@cache
def source(name: Name, prefix: str) -> str:
    """Returns the text of a script as the server runs it, for keys with this prefix.

    Its first comment says what it takes and returns.
    """
    here = files(__package__)
    lines = (here / f"{name}.lua").read_text().splitlines(keepends=True)
    # The comment at the head says what the script takes and returns.
    length = next(index for index, line in enumerate(lines) if not line.startswith("--"))
    contract, body = "".join(lines[:length]), "".join(lines[length:])
    parts = _PARTS_OF_OTHERS.get(name, _PARTS)
    shared = "\n".join((here / f"{part}.lua").read_text() for part in parts)
    return f"{contract}\n{_with_constants(shared, prefix)}\n{_with_constants(body, prefix)}"


def _with_constants(text: str, prefix: str) -> str:
    """Replaces names in capitals with their values. As Lua locals, every function would capture them on each call."""
    values = {name: f"'{value}'" for name, value in Keys(prefix).in_scripts.items()}
    values |= {name: str(value) for name, value in _NUMBERS.items()}
    return "".join(
        line if line.lstrip().startswith("--") else _NAME_OF_CONSTANT.sub(lambda name: values[name[0]], line)
        for line in text.splitlines(keepends=True)
    )


class Scripts:
    """Runs scripts by their digest, and loads them into a server that does not have them yet."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._durability = durability_of(redis)
        self._is_checked = False
        self._registered: dict[Name, AsyncScript] = {}

    @property
    def needs_confirmation(self) -> bool:
        """Whether the settings ask for a confirmation. If not, `run_confirmed` returns without one."""
        return self._durability.needs_confirmation

    async def run(self, name: Name, arguments: Sequence[Argument], *, doing: str) -> object:
        """Returns the script's answer.

        `arguments` are its ARGV. `doing` completes "Redis refused to …" in an error. Raises `QueueUnavailable`.
        """
        script = self._registered.get(name)
        if script is None:
            script = self._registered[name] = self._redis.register_script(source(name, self._keys.prefix))
        with queue_errors(doing):
            return await cast("Awaitable[object]", script(keys=[self._keys.route], args=arguments))

    async def run_confirmed(
        self,
        name: Name,
        runs: Sequence[Sequence[Argument]],
        *,
        doing: str,
        is_refusal: Callable[[object], bool] = lambda _: False,
    ) -> list[object]:
        """Runs the script once for each list of arguments in `runs`, and waits until the server confirms what it wrote.

        Returns the answers. `doing` is as in `run`. If `is_refusal` says of every answer that the script wrote nothing,
        a missing confirmation is no error. Raises `WriteNotConfirmed`, `QueueUnavailable`.
        """
        if not self.needs_confirmation:
            return [await self.run(name, arguments, doing=doing) for arguments in runs]
        texts = [source(each, self._keys.prefix) for each in (name, "mark")]
        digest, mark = [hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for text in texts]
        commands = [("EVALSHA", digest, 1, self._keys.route, *arguments) for arguments in runs]
        commands.append(("EVALSHA", mark, 1, self._keys.route))
        with queue_errors(doing):
            if not self._is_checked:
                await self._durability.check(self._redis)
                self._is_checked = True
            try:
                answers, problem = await self._durability.send(self._redis, commands)
            except NoScriptError:
                for text in texts:
                    await self._redis.script_load(text)
                answers, problem = await self._durability.send(self._redis, commands)
        *answers, _ = answers
        if problem is not None and not all(map(is_refusal, answers)):
            raise problem
        return answers
