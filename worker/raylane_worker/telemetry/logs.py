"""Keeps the content of prompts, code and data out of a worker's logs and traces."""

from __future__ import annotations

import logging
import os
from typing import Final

# Libraries that log whole requests at DEBUG: clients of AWS and of model providers, and their HTTP libraries.
_CLIENT_LOGGERS: Final = ("anthropic", "botocore", "google_genai", "httpcore", "httpx", "openai", "writerai")
_OTEL_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
# strands reads from this token which span attributes not to redact. An empty list redacts all of them.
_REDACT_ALL: Final = "gen_ai_unredacted_attributes="


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
