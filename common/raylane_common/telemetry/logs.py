"""Logs of a process to stderr: as text for people, or one JSON object a line, for every library in the same way.

A line cannot break its format or show a credential, whatever a library logs: every text on it is redacted and made safe
to print. See docs/decisions/0021 and 0048.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from contextlib import suppress
from copy import copy
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from textwrap import indent
from typing import TYPE_CHECKING, Any, Final, Literal

from raylane_common.logs import get_logger
from raylane_common.safe_text import safe_line, safe_text
from raylane_common.secrets import names_credential, redact
from raylane_common.telemetry.context import span_id_of, trace_id_of
from raylane_common.telemetry.ids import bound_ids
from raylane_common.telemetry.tracing import current

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

    _ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

LogFormat = Literal["auto", "text", "json"]

FIELDS: Final = "raylane_fields"
"""The name in `extra` under which a log call passes further fields of its line: a mapping of plain values."""

# Container runtimes cut longer lines at 16 KiB, and half an object is no JSON.
LONGEST_LINE: Final = 15 * 1024
# Shorter texts are of no use, so there are fewer of them instead.
_SHORTEST_CUT: Final = 64
# Time, level, logger and message.
_ALWAYS_THERE: Final = 4
_CACHED_CHARACTERS: Final = 128
# The ids that we make ourselves. No credential is only that.
_ID: Final = re.compile("[0-9a-f]{1,32}")
# The id of the process is the same on each line, so people do without it.
_NOT_IN_TEXT: Final = "worker"


class LogLevel(StrEnum):
    """The standard levels, as the command line accepts them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class SafeFormatter(logging.Formatter):
    """Writes each message, of any library, on one line without credentials; the lines of a traceback are indented.

    The line ends with the ids of the running task that the message does not name.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the text of the record."""
        # Another handler may have stored its text of the traceback in the record.
        record = copy(record)
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # the name is logging's
        """Returns the line with time, level, logger, message and ids."""
        line = safe_line(redact(super().formatMessage(record).rstrip()))
        added = [
            f"{name}={value}"
            for name, value in _added(record).items()
            if name != _NOT_IN_TEXT and str(value) not in record.message
        ]
        return f"{line}  {' '.join(added)}" if added else line

    def formatException(self, ei: _ExceptionInfo) -> str:
        """Returns the traceback and its message."""
        return indent(safe_text(redact(super().formatException(ei))), "  ")

    def formatStack(self, stack_info: str) -> str:
        """Returns the stack."""
        return indent(safe_text(redact(super().formatStack(stack_info))), "  ")


class JsonFormatter(SafeFormatter):
    """Writes each message as one JSON object on one line of ASCII: time, level, logger, message, ids, and more."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line of the record."""
        line: dict[str, object] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": _safe_short(record.name),
            "message": safe_line(redact(record.getMessage())),
        }
        # Their order is that in which they are given up if the line is too long.
        line |= {name: value for name, value in _added(record).items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return _bounded(line)


class SafeHandler(logging.StreamHandler[Any]):
    """Writes to stderr. A log call with wrong arguments gets a line that says so, instead of a raw traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # the name is logging's
        """Writes a line about the line that could not be written, if that is possible."""
        kind = type(error).__name__ if (error := sys.exception()) else "unknown error"
        problem = f"{record.pathname}:{record.lineno} logged a line that cannot be written: {kind}"
        stand_in = logging.LogRecord(record.name, record.levelno, record.pathname, record.lineno, problem, None, None)
        # Nobody reads the stream any more, or the disk is full.
        with suppress(OSError, ValueError):
            self.stream.write(self.format(stand_in) + self.terminator)
            self.flush()


def log_to_stderr(level: LogLevel, log_format: LogFormat = "auto") -> None:
    """Logs Raylane's messages at `level` and above, and other libraries' warnings, also those of `warnings`.

    `auto` is text on a terminal, and JSON elsewhere. Uncaught exceptions and what structlog logs become lines, too.
    """
    logging.captureWarnings(True)
    logging.getLogger("raylane").setLevel(level.upper())
    _log_uncaught()
    _bridge_structlog()
    if sys.stderr is None:
        # It was closed before the start.
        logging.basicConfig(handlers=[logging.NullHandler()])
        return
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    handler = SafeHandler()
    handler.setFormatter(
        JsonFormatter()
        if as_json
        else SafeFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S")
    )
    logging.basicConfig(handlers=[handler])


def _added(record: logging.LogRecord) -> dict[str, object]:
    """Returns what is on the line beside the message: ids, and the fields of the log call."""
    fields = getattr(record, FIELDS, None)
    given: dict[str, object] = {**bound_ids(), **_trace_ids()}
    if isinstance(fields, dict):
        # Nobody's field takes the place of an id.
        given |= {str(name): value for name, value in fields.items() if name not in given}
    return {_safe_short(name): "***" if _is_secret(name) else _safe_value(value) for name, value in given.items()}


def _trace_ids() -> dict[str, str]:
    """Returns the ids of the present trace and span, if there are any."""
    present = current()
    return {"trace_id": trace_id_of(present), "span_id": span_id_of(present)} if present else {}


_is_secret: Final = lru_cache(maxsize=256)(names_credential)


@lru_cache(maxsize=1024)
def _cached(text: str) -> str:
    return safe_line(redact(text))


def _safe_short(text: str) -> str:
    """Returns the text as it may be printed. The same short texts come back on line after line."""
    if _ID.fullmatch(text):
        return text
    return _cached(text) if len(text) <= _CACHED_CHARACTERS else safe_line(redact(text))


def _safe_value(value: object) -> str | int | float | bool | None:
    """Returns the value as JSON has it; other objects, and numbers that JSON lacks, as text."""
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if isinstance(value, float) and abs(value) < float("inf"):
        return value
    return _safe_short(str(value))


def _bounded(line: dict[str, object]) -> str:
    """Returns the line as JSON. If it is too long, its longest texts lose their middle, and then its last fields go."""
    written = json.dumps(line, allow_nan=False)
    longest = LONGEST_LINE
    while len(written) > LONGEST_LINE:
        if longest > _SHORTEST_CUT:
            longest //= 2
        else:
            line = dict(islice(line.items(), max(_ALWAYS_THERE, len(line) // 2)))
        line = {name: _cut(value, longest) for name, value in line.items()}
        written = json.dumps(line, allow_nan=False)
    return written


def _cut(value: object, most: int) -> object:
    if not isinstance(value, str) or len(value) <= most:
        return value
    half = most // 2
    return f"{value[:half]} ... {value[-half:]}"


def _log_uncaught() -> None:
    """Logs what Python itself would print to stderr: exceptions that nobody catches."""
    logger = get_logger("raylane.process")

    def uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, traceback)
        else:
            logger.critical("uncaught exception", exc_info=(kind, error, traceback))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "unknown"
            logger.critical(
                "uncaught exception in thread %s", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
            )

    def ignored(args: sys.UnraisableHookArgs) -> None:
        error = args.exc_value
        shown = None if error is None else (type(error), error, args.exc_traceback)
        logger.error("%s", args.err_msg or "exception ignored", exc_info=shown)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, in_thread, ignored


def _bridge_structlog() -> None:
    """Lets structlog, where it is installed, write through the handlers of `logging`."""
    try:
        import structlog
    except ModuleNotFoundError:
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            _to_logging,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _to_logging(_: object, __: str, event: MutableMapping[str, Any]) -> tuple[tuple[str], dict[str, Any]]:
    """Returns the arguments of the log call for an event of structlog."""
    known = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
    message = str(event.pop("event", ""))
    return (message,), {**known, "extra": {FIELDS: dict(event)}}
