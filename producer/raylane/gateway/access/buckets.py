"""Counts requests by time: a bucket of tokens, and one bucket for each of many names."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_MINUTE_S: Final = 60.0


class Bucket:
    """Holds `per_minute` tokens, and fills in a minute. So a minute's requests may come at once, but no more."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._tokens = float(per_minute)
        self._filled_s = clock()

    def take(self) -> float:
        """Takes a token and returns 0; if there is none, returns the seconds until there is one."""
        missing_s = self.wait_s()
        if missing_s == 0:
            self._tokens -= 1
        return missing_s

    def wait_s(self) -> float:
        """Returns the seconds until there is a token; 0 if there is one."""
        now_s = self._clock()
        gained = (now_s - self._filled_s) * self._per_minute / _MINUTE_S
        self._tokens = min(float(self._per_minute), self._tokens + gained)
        self._filled_s = now_s
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) * _MINUTE_S / self._per_minute


class Buckets:
    """One bucket for each name. The names used last are kept, so that many names do not fill the memory."""

    def __init__(self, per_minute: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_minute` 0 is no limit. `most` is how many names are kept; a name that was dropped starts anew."""
        self._per_minute = per_minute
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, name: Hashable) -> float:
        """Takes a token of the name and returns 0; if there is none, returns the seconds until there is one."""
        if not self._per_minute:
            return 0.0
        bucket = self._buckets.get(name) or Bucket(self._per_minute, self._clock)
        self._buckets[name] = bucket
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return bucket.take()

    def wait_s(self, name: Hashable) -> float:
        """Returns the seconds until the name has a token; 0 if it has one."""
        bucket = self._buckets.get(name)
        return 0.0 if bucket is None else bucket.wait_s()
