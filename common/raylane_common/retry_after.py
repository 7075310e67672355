"""Parses the `Retry-After` header of an HTTP response."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_RETRY_AFTER_S: Final = 3600.0

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]*)?")


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Returns the seconds that a `Retry-After` header asks for, 0 to 3600, or None if it cannot be read.

    `value` is the header: a number of seconds or a date. A date is compared with `date`, the response's own `Date`
    header, because our clock may differ; without that header it cannot be read.
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
