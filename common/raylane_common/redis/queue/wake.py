"""Messages to workers: one hears of new work, and of jobs to cancel, at once instead of at its next look."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.connection import queue_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

logger = logging.getLogger("raylane.queue")

_LISTEN_S: Final = 5.0
_PAUSE_S: Final = 1.0


async def listen(redis: Redis, channels: Mapping[str, Callable[[str], None]]) -> NoReturn:
    """Calls a channel's function with each message (a job id) that comes in, until cancelled.

    A lost connection is opened again, and each function then called once with '' for what may have been missed.
    """
    while True:
        try:
            with queue_errors("listen for work"):
                async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(*channels)
                    for hear in channels.values():
                        hear("")
                    while True:
                        message = await pubsub.get_message(timeout=_LISTEN_S)
                        if message is not None:
                            channels[message["channel"]](message["data"])
        except QueueUnavailable as error:
            logger.warning("%s; polling until it is back", error)
            await asyncio.sleep(_PAUSE_S)
