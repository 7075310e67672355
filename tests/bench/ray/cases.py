"""What can be wrong with the private address, and what both sides of the benchmark must agree on."""

from __future__ import annotations

from typing import Final

HEALTHY: Final = "healthy"
REFUSED: Final = "refused"
BLACK_HOLE: Final = "black_hole"
NEVER_ANSWERS: Final = "never_answers"
HTTP_503: Final = "http_503"
CASES: Final = (HEALTHY, REFUSED, BLACK_HOLE, NEVER_ANSWERS, HTTP_503)

# Where a client without a memory waits for its whole timeout, at every call.
SLOW_CASES: Final = (BLACK_HOLE, NEVER_ANSWERS)

# No fault, but a server that does nothing, so that nothing hides what the client itself costs.
INSTANT: Final = "instant"

# About what a Ray head takes for the status of a job.
ANSWER_S: Final = 0.003

# What the clients that people write give each address.
TIMEOUT_S: Final = 5.0

# A call that takes longer has waited for a dead address: it is the head start of the private one.
PAID_S: Final = 0.25

OURS: Final = "raylane"
AIOHTTP: Final = "aiohttp"
NAIVE: Final = "naive"
CLIENTS: Final = (OURS, AIOHTTP, NAIVE)

SDK: Final = "sdk"
SDK_CALLS: Final = ("status", "list", "version")
