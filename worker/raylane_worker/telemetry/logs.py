"""Logs of a worker process: one line each on stderr."""

from __future__ import annotations

import logging
from enum import StrEnum


class LogLevel(StrEnum):
    """Names of the standard levels, as the command line takes them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def log_to_stderr(level: LogLevel) -> None:
    """Raylane's own lines at `level`, other libraries' only where they warn."""
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("raylane").setLevel(level.upper())
