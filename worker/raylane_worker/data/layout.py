"""Where the objects of a session are in the bucket."""

from __future__ import annotations


def original_key(session_id: str, filename: str) -> str:
    """Returns the key of an upload. Every upload of the same filename to the same session has the same key."""
    return f"sessions/{session_id}/csv/{filename}"


def prepared_key(session_id: str, filename: str) -> str:
    """Returns the key of the prepared copy of an upload."""
    return f"sessions/{session_id}/data/{filename}.parquet"
