"""The variables of a run's environment."""

from __future__ import annotations

from typing import Final

from raylane_common.telemetry import tracing

OUTPUT: Final = "RAYLANE_OUTPUT_URI"
"""Where the run may write files."""
TRACE: Final = "TRACEPARENT"
"""The span of the run, so that its code can continue the trace. Other programs read this variable, too."""
# Otherwise Ray's own progress messages fill the end of the output. Its warnings and errors stay.
QUIET: Final = {"RAY_LOGGER_LEVEL": "warning", "RAY_DATA_LOG_LEVEL": "WARNING"}
# Ray's default shuffle starts actors, which takes 15 s for one block of data; this one takes 0.1 s.
SMALL_DATA: Final = {"RAY_DATA_DEFAULT_SHUFFLE_STRATEGY": "sort_shuffle_pull_based"}
# Since 2.56 Ray gives pandas code columns of Arrow. There `age > 30` is missing and not false where the age is missing,
# so its mean is another number, and many functions of numpy raise. Generated code is written for columns of numpy.
PLAIN_PANDAS: Final = {"RAY_DATA_ENABLE_ARROW_BACKED_PANDAS_CONVERSION": "0"}


def trace() -> dict[str, str]:
    """Returns `TRACEPARENT` and `TRACESTATE`, so that a run's code can continue the present trace; none without one."""
    return {name.upper(): text for name, text in tracing.carried().items()}
