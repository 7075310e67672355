"""Runs a Python script with clocks that are wrong: `python skewed.py SECONDS SCRIPT ARGUMENTS...`."""

from __future__ import annotations

import datetime
import runpy
import sys
import time
from typing import Any

_Real = datetime.datetime


class _LikeReal(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Real)


def skew(by_s: float) -> None:
    """Shifts `time` and `datetime` of this process by `by_s`; clocks that measure durations stay right."""
    real_time, real_time_ns, real_clock_gettime = time.time, time.time_ns, time.clock_gettime
    shift = datetime.timedelta(seconds=by_s)

    class Skewed(_Real, metaclass=_LikeReal):
        __slots__ = ()

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _Real.now(tz) + shift

        @classmethod
        def utcnow(cls) -> Any:
            return _Real.now(datetime.UTC).replace(tzinfo=None) + shift

        @classmethod
        def today(cls) -> Any:
            return _Real.now() + shift

    def clock_gettime(clock: int) -> float:
        return real_clock_gettime(clock) + (by_s if clock == time.CLOCK_REALTIME else 0)

    time.time = lambda: real_time() + by_s
    time.time_ns = lambda: real_time_ns() + int(by_s * 1e9)
    time.clock_gettime = clock_gettime
    datetime.datetime = Skewed  # type: ignore[misc]  # every later import gets this class


if __name__ == "__main__":
    skew(float(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
