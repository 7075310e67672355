"""The `Retry-After` header: when somebody else wants to be asked again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER_S: Final = 3600.0

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]*)?")


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """The seconds that an answer's `Retry-After` asks for, 0 to 3600; None if there are none to be read.

    A point in time is counted from the answer's own `Date`, since our clock may differ; without that it is not read.
    """
    value = (value or "").strip()
    if _SECONDS.fullmatch(value):
        seconds = float(value)
    else:
        until, since = _moment(value), _moment(date)
        if until is None or since is None:
            return None
        seconds = (until - since).total_seconds()
    return min(max(0.0, seconds), MAX_RETRY_AFTER_S)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
