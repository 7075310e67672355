"""Gives Raylane's loggers, which keep text from outside on the line of its message, whichever handler writes it."""

from __future__ import annotations

import logging

from raylane_common.safe_text import safe_line

# Without it, Python prints warnings to stderr in programs that have not set up logging.
logging.getLogger("raylane").addHandler(logging.NullHandler())


def get_logger(name: str) -> logging.Logger:
    """Returns the logger of this name, whose text arguments are made safe before any handler sees them."""
    logger = logging.getLogger(name)
    logger.addFilter(_with_safe_arguments)
    return logger


def _with_safe_arguments(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(safe_line(each) if isinstance(each, str) else each for each in record.args)
    return True
