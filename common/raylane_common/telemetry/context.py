"""The context of a trace as text: `traceparent` of W3C, which HTTP headers, records and environments carry."""

from __future__ import annotations

import re
from typing import Final

# Version 00 ends after the flags; later versions may say more, which is of no use here.
_LONGEST: Final = 256
_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.DOTALL,
)
_ENDS_HERE: Final = "00"


def valid(traceparent: object) -> str:
    """Returns the context in the form of version 00; '' for anything that is none, whoever wrote it."""
    if not isinstance(traceparent, str) or len(traceparent) > _LONGEST:
        return ""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found["more"] and found["version"] == _ENDS_HERE):
        return ""
    return f"00-{found['trace']}-{found['span']}-{found['flags']}"


def trace_id_of(traceparent: str) -> str:
    """Returns the id of the trace, 32 hexadecimal digits; '' for ''. The context must be `valid`."""
    return traceparent[3:35]


def span_id_of(traceparent: str) -> str:
    """Returns the id of the span, 16 hexadecimal digits; '' for ''. The context must be `valid`."""
    return traceparent[36:52]


def flags_of(traceparent: str) -> int:
    """Returns the flags; bit 0 says that the trace is recorded. The context must be `valid` and not ''."""
    return int(traceparent[53:55], 16)
