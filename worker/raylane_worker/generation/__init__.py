"""What turns a prompt and sources into code: the generators, and the checks that code passes before it may run."""

from __future__ import annotations

import logging
import os
from typing import Final

_REDACT: Final = "gen_ai_unredacted_attributes="


def _keep_content_private() -> None:
    """Keeps prompts and code out of logs and traces, whatever level the root logger has.

    strands, the AWS client and HTTP clients log whole requests at DEBUG, strands also broken tool input at WARNING;
    what goes wrong in strands reaches the caller as an exception anyway. Its tracer reads the variable when made.
    """
    logging.getLogger("strands").setLevel(logging.CRITICAL)
    for name in ("anthropic", "botocore", "google_genai", "httpcore", "httpx", "openai", "writerai"):
        logging.getLogger(name).setLevel(logging.WARNING)
    tokens = os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", "")
    if _REDACT not in tokens:
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = ",".join(filter(None, (tokens, _REDACT)))


_keep_content_private()
