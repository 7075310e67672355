"""Errors of the embedded stack."""

from __future__ import annotations

from raylane_common.errors.base import RaylaneError


class EmbeddedError(RaylaneError):
    """A part of the embedded stack did not start. `details` has `part` and, where there is one, `log_tail`."""

    code = "embedded_failed"
