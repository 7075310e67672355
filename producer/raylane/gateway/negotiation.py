"""Chooses the format of an answer: RFC 9110, 12.5.1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane_common.errors import NotAcceptable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

_QUALITY: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)", re.IGNORECASE)
# Servers and proxies allow headers of some KiB; more ranges than this say nothing.
_MOST_RANGES: Final = 50


def accepted_by(request: Request) -> str:
    """Returns the header `Accept` of a request, all lines of it; '' without one."""
    return ", ".join(request.headers.getlist("accept"))


def choose(accept: str, available: Sequence[str]) -> str:
    """Returns the one of the available media types that the header `Accept` prefers; the first one without a header.

    Raises `NotAcceptable`, with what is available, if it accepts none of them.
    """
    if not accept.strip():
        return available[0]
    ranges = [_range(each) for each in accept.split(",")[:_MOST_RANGES]]
    qualities = {offer: _quality(offer, ranges) for offer in available}
    best = max(available, key=lambda offer: qualities[offer])
    if qualities[best] == 0:
        listed = ", ".join(available)
        raise NotAcceptable(f"the answer is available as {listed}", details={"available": list(available)})
    return best


def _range(text: str) -> tuple[str, float]:
    """Returns a media range and its quality."""
    name, *parameters = (part.strip() for part in text.split(";"))
    found = next((match for part in parameters if (match := _QUALITY.fullmatch(part))), None)
    return name.lower(), min(1.0, float(found[1])) if found else 1.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Returns the quality of the most special range that covers the media type; 0 if none does."""
    names = (offer, f"{offer.partition('/')[0]}/*", "*/*")
    return next((quality for name in names for given, quality in ranges if given == name), 0.0)
