"""What metrics, logs and spans of requests have in common."""

from __future__ import annotations

from typing import Final

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""The methods that are shown by their names. A request may have any text as its method."""
PROBES: Final = frozenset({"/livez", "/readyz", "/health", "/metrics"})
"""The paths that monitoring asks for every few seconds, and that are no step of anything."""
