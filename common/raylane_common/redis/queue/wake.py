"""Listens for messages about new work and cancelled jobs, so that a worker need not wait for its next poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.backoff import Backoff
from raylane_common.errors import QueueUnavailable
from raylane_common.logs import get_logger
from raylane_common.redis.connection import queue_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

logger = get_logger("raylane.queue")

# redis-py checks a silent connection between two waits, so a dead one is noticed within this time.
_LISTEN_S: Final = 5.0
# When a subscription fails, it has already been retried for `redis.give_up_s`. Until it is back, the worker polls.
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 5.0


async def listen(redis: Redis, channels: Mapping[str, Callable[[str], None]]) -> NoReturn:
    """Calls a channel's function with each message that arrives on the channel, until cancelled.

    Each function is called with '' when its subscription begins, also after a lost connection was reopened, because
    messages may have been missed.
    """
    pauses = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, jitter=0.5)
    while True:
        try:
            with queue_errors("listen for work"):
                async with redis.pubsub() as pubsub:
                    await pubsub.subscribe(*channels)
                    while True:
                        message = await pubsub.get_message(timeout=_LISTEN_S)
                        if message is not None:
                            pauses.reset()
                            subscribed = message["type"] == "subscribe"
                            channels[message["channel"]]("" if subscribed else message["data"])
        except QueueUnavailable as error:
            logger.warning("%s; the worker polls until Redis is back", error)
            await asyncio.sleep(pauses.next_s())
