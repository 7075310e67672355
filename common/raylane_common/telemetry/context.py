"""The context of a trace as text: `traceparent` and `tracestate` of W3C, which headers, records and variables carry."""

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

# What others must at least pass on of a tracestate, and what goes first if it is longer.
_LONGEST_STATE: Final = 512
_LONG_MEMBER: Final = 128
_MOST_MEMBERS: Final = 32
# Nobody has to read more to find out that it is too much.
_LONGEST_READ: Final = 8192
_MEMBER: Final = re.compile(r"(?P<key>[a-z0-9][a-z0-9_*/@-]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~]")


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


def valid_state(tracestate: object) -> str:
    """Returns what vendors have added to a context, at most 512 characters; '' for anything that is none.

    Of a longer one, long members go first, and then the last ones, as W3C says.
    """
    if not isinstance(tracestate, str) or len(tracestate) > _LONGEST_READ:
        return ""
    members = [member for each in tracestate.split(",") if (member := each.strip(" \t"))]
    found = [_MEMBER.fullmatch(member) for member in members]
    keys = {match["key"] for match in found if match is not None}
    # One that is wrong, or there twice, makes all of them unreadable.
    if len(members) > _MOST_MEMBERS or len(keys) < len(members):
        return ""
    if len(",".join(members)) > _LONGEST_STATE:
        members = [member for member in members if len(member) <= _LONG_MEMBER]
    while len(",".join(members)) > _LONGEST_STATE:
        members.pop()
    return ",".join(members)
