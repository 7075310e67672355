"""The faults of the private address, and the constants that both sides of the benchmark share."""

from __future__ import annotations

from typing import Final

HEALTHY: Final = "healthy"
REFUSED: Final = "refused"
BLACK_HOLE: Final = "black_hole"
NEVER_ANSWERS: Final = "never_answers"
HTTP_503: Final = "http_503"
CASES: Final = (HEALTHY, REFUSED, BLACK_HOLE, NEVER_ANSWERS, HTTP_503)

# Here a client without memory waits for its whole timeout at every call.
SLOW_CASES: Final = (BLACK_HOLE, NEVER_ANSWERS)

# No fault, and a server without any work, so that the cost of the client itself is visible.
INSTANT: Final = "instant"

# About the time that a Ray head needs for the status of a job.
ANSWER_S: Final = 0.003

# The usual timeout for each address in the clients that people write.
TIMEOUT_S: Final = 5.0

# A call that takes longer has waited for a dead address: it is the head start of the private one.
PAID_S: Final = 0.25

OURS: Final = "raylane"
AIOHTTP: Final = "aiohttp"
NAIVE: Final = "naive"
CLIENTS: Final = (OURS, AIOHTTP, NAIVE)

SDK: Final = "sdk"
SDK_CALLS: Final = ("status", "list", "version")
