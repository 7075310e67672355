"""Lists that a notebook shows as tables. They are lists in every other way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.showing import Shown

if TYPE_CHECKING:
    from raylane.history import HistoryEntry
    from raylane_common.wire.sources import AnySource


class SourceList(list["AnySource"], Shown):
    """The sources of a session."""


class HistoryList(list["HistoryEntry"], Shown):
    """The jobs of a session, newest first."""
