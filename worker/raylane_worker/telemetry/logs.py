"""Logs of a worker process: one line each on stderr, without the content of prompts, code and data."""

from __future__ import annotations

import logging
import os
from enum import StrEnum
from typing import Final

# Libraries that log whole requests at DEBUG: the clients of AWS and of the model providers, and what they build on.
_CLIENT_LOGGERS: Final = ("anthropic", "botocore", "google_genai", "httpcore", "httpx", "openai", "writerai")
_OTEL_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
# The token by which strands lists the attributes that its spans may carry as they are; an empty list redacts all.
_REDACT_ALL: Final = "gen_ai_unredacted_attributes="


class LogLevel(StrEnum):
    """Names of the standard levels, as the command line takes them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def log_to_stderr(level: LogLevel) -> None:
    """Logs Raylane's own lines at `level` and above, and other libraries' warnings."""
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("raylane").setLevel(level.upper())


def keep_content_private() -> None:
    """Keeps prompts, code and data out of logs and traces, whatever level the root logger has.

    Changes the levels of other libraries' loggers and one variable of the environment, which strands reads when it
    makes its tracer: call it once at the start of a process, before the first model is made.
    """
    # strands also logs broken tool input at WARNING; its real failures reach the caller as exceptions.
    logging.getLogger("strands").setLevel(logging.CRITICAL)
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    tokens = os.environ.get(_OTEL_OPT_IN, "")
    if _REDACT_ALL not in tokens:
        os.environ[_OTEL_OPT_IN] = ",".join(filter(None, (tokens, _REDACT_ALL)))
