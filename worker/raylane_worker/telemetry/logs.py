"""Sets up the logs of a worker process: on stderr, without the content of prompts, code and data."""

from __future__ import annotations

import logging
import os
from copy import copy
from enum import StrEnum
from textwrap import indent
from types import TracebackType
from typing import Final

from raylane_common.safe_text import safe_line, safe_text
from raylane_common.secrets import redact

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

# Libraries that log whole requests at DEBUG: clients of AWS and of model providers, and their HTTP libraries.
_CLIENT_LOGGERS: Final = ("anthropic", "botocore", "google_genai", "httpcore", "httpx", "openai", "writerai")
_OTEL_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
# strands reads from this token which span attributes not to redact. An empty list redacts all of them.
_REDACT_ALL: Final = "gen_ai_unredacted_attributes="


class LogLevel(StrEnum):
    """The standard levels, as the command line accepts them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class SafeFormatter(logging.Formatter):
    """Writes each message, of any library, on one line without credentials; the lines of a traceback are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the text of the record."""
        # Another handler may have stored its text of the traceback in the record.
        record = copy(record)
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # the name is logging's
        """Returns the line with time, level, logger and message."""
        return safe_line(redact(super().formatMessage(record).rstrip()))

    def formatException(self, ei: _ExceptionInfo) -> str:
        """Returns the traceback and its message."""
        return indent(safe_text(redact(super().formatException(ei))), "  ")

    def formatStack(self, stack_info: str) -> str:
        """Returns the stack."""
        return indent(safe_text(redact(super().formatStack(stack_info))), "  ")


def log_to_stderr(level: LogLevel) -> None:
    """Logs Raylane's messages at `level` and above, and other libraries' warnings, also those of `warnings`."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[handler])
    logging.captureWarnings(True)
    logging.getLogger("raylane").setLevel(level.upper())


def keep_content_private(*, except_traces: bool = False) -> None:
    """Keeps prompts, code and data out of logs and traces, even if the root logger is at DEBUG.

    With `except_traces`, the spans of agents hold them, as the setting `telemetry.trace_content` allows.

    Changes the levels of other libraries' loggers and an environment variable that strands reads when it makes its
    tracer. Call it once at the start of a process, before the first model is made.
    """
    # strands also logs broken tool input at WARNING; its real failures reach the caller as exceptions.
    logging.getLogger("strands").setLevel(logging.CRITICAL)
    for name in _CLIENT_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    tokens = os.environ.get(_OTEL_OPT_IN, "")
    if _REDACT_ALL not in tokens and not except_traces:
        os.environ[_OTEL_OPT_IN] = ",".join(filter(None, (tokens, _REDACT_ALL)))
