"""Wake-up messages: a worker hears of new work at once instead of at its next poll."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common import keys
from raylane_common.connection import queue_errors
from raylane_common.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

logger = logging.getLogger("raylane.queue")

_LISTEN_S: Final = 5.0
_PAUSE_S: Final = 1.0


async def listen(redis: Redis, lanes: Mapping[str, Callable[[], None]]) -> NoReturn:
    """Calls a lane's function whenever work came into it, until cancelled.

    A lost connection is opened again; the lanes' own polling covers the time between.
    """
    on_wake = {keys.wake(lane): wake for lane, wake in lanes.items()}
    while True:
        try:
            with queue_errors("listen for work"):
                async with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(*on_wake)
                    while True:
                        message = await pubsub.get_message(timeout=_LISTEN_S)
                        if message is not None:
                            on_wake[message["channel"]]()
        except QueueUnavailable as error:
            logger.warning("%s; polling until it is back", error)
            await asyncio.sleep(_PAUSE_S)
