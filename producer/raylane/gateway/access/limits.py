"""How many requests a caller may make: in a minute, at once, and as streams that stay open."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from raylane.gateway.access.buckets import Buckets
from raylane.gateway.access.caller import ANYONE
from raylane_common.errors import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raylane.gateway.access.caller import Caller
    from raylane_common.settings import GatewaySettings

_MOST_CALLERS: Final = 100_000
# When a request or a stream of the caller ends is not known; a second is soon enough to ask again.
_AGAIN_S: Final = 1.0


class Limits:
    """The limits of each caller, by its name. Programs on this machine that need no token have none."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._minute = Buckets(settings.requests_per_minute, _MOST_CALLERS, clock)
        self._requests: Counter[str] = Counter()
        self._streams: Counter[str] = Counter()

    @contextmanager
    def serving(self, caller: Caller | None) -> Iterator[Callable[[], None]]:
        """Counts a request while it is served. None: a request that needs no caller.

        Yields what counts it as a stream from then on, which raises `TooManyRequests` if the caller has too many.
        Raises `TooManyRequests` if the caller may not make the request now.
        """
        if caller is None or caller is ANYONE:
            yield _no_limit
            return
        name = caller.name
        self._check_open(name, self._requests, self._settings.requests_at_once, "requests")
        wait_s = self._minute.take(name)
        if wait_s:
            raise TooManyRequests(
                f"{name} may make {self._settings.requests_per_minute} requests in a minute "
                "(RAYLANE_GATEWAY__REQUESTS_PER_MINUTE)",
                retry_after_s=wait_s,
            )
        counted = self._requests
        counted[name] += 1

        def is_stream() -> None:
            nonlocal counted
            if counted is self._streams:
                return
            self._check_open(name, self._streams, self._settings.streams_at_once, "streams")
            _uncount(counted, name)
            counted = self._streams
            counted[name] += 1

        try:
            yield is_stream
        finally:
            _uncount(counted, name)

    def _check_open(self, name: str, counted: Counter[str], most: int, what: str) -> None:
        if most and counted[name] >= most:
            raise TooManyRequests(
                f"{name} has {most} {what} open, and may have no more (RAYLANE_GATEWAY__{what.upper()}_AT_ONCE)",
                retry_after_s=_AGAIN_S,
            )


def _no_limit() -> None:
    """Counts nothing."""


def _uncount(counted: Counter[str], name: str) -> None:
    counted[name] -= 1
    if not counted[name]:
        del counted[name]
