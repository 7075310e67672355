"""Errors of the embedded stack."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class EmbeddedError(RaylaneError):
    """A part of the embedded stack did not start. `details` holds `part` and, if there is one, `log_tail`.

    What to do: read the end of its log; free memory, disk or ports if they are the cause.
    """

    code = "embedded_failed"
