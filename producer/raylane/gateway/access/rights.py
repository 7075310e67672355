"""What a caller may do. This module imports nothing, so that `raylane --help` may import it."""

from __future__ import annotations

from enum import StrEnum


class Right(StrEnum):
    """What a caller may do. No right implies another."""

    ASK = "ask"
    """Enqueue and cancel jobs of its sessions, and change their sources."""
    READ = "read"
    """Read jobs, events, answers, sources and history of its sessions."""
    OPERATE = "operate"
    """See and change what belongs to no session: lanes, dead letters, settings, the cluster, jobs of all sessions."""
