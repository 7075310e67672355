"""Logs a recurring problem only once a minute, so that an outage does not fill the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import logging

# Short enough for the problem to be near the end of the log.
_AGAIN_AFTER_S: Final = 60.0


class Recurring:
    """Logs warnings, and remembers which problems it has logged lately."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._logged: dict[str, tuple[str, float]] = {}

    def warning(self, what: str, problem: object) -> None:
        """Logs "what: problem", unless it logged the same problem in the last minute. `what` names what failed."""
        text, now_s = str(problem), time.monotonic()
        known, at_s = self._logged.get(what, ("", 0.0))
        if text != known or now_s - at_s >= _AGAIN_AFTER_S:
            self._logged[what] = text, now_s
            self._logger.warning("%s: %s", what, text)
