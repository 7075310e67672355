"""Where objects are in the bucket, of which type they are, and how they are divided into parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.limits import MAX_PARTS
from raylane_common.wire.names import Compression, FileFormat

if TYPE_CHECKING:
    from raylane_common.wire.reading import Reading

SESSIONS: Final = "sessions/"
"""How the keys of all sessions begin."""
TRANSFERS: Final = "transfers/"
"""How the keys of all transfers begin."""
WARM: Final = "warm/"
"""How the keys of all scripts begin that warm runs wait for."""

# For Ray, a '?' ends the name, and it may drop a ';'. With '%', no two names have the same key.
_FOR_RAY: Final = str.maketrans({character: f"%{ord(character):02X}" for character in "%?;"})
PARQUET: Final = "application/vnd.apache.parquet"
"""The media type of a prepared copy, and of uploads of this format."""
_MEDIA_TYPES: Final = {
    FileFormat.CSV: "text/csv",
    FileFormat.JSON: "application/json",
    FileFormat.JSON_LINES: "application/jsonl",
    FileFormat.PARQUET: PARQUET,
    FileFormat.ARROW: "application/vnd.apache.arrow.file",
}
_COMPRESSED: Final = {
    Compression.GZIP: "application/gzip",
    Compression.BZIP2: "application/x-bzip2",
    Compression.ZSTD: "application/zstd",
    Compression.ZIP: "application/zip",
}


def original_key(session_id: str, filename: str) -> str:
    """Returns the key of an upload. Every upload of the same filename to the same session has the same key."""
    return f"{session_prefix(session_id)}csv/{filename}"


def prepared_key(session_id: str, filename: str) -> str:
    """Returns the key of the prepared copy of an upload."""
    return f"{session_prefix(session_id)}data/{filename.translate(_FOR_RAY)}.parquet"


def run_prefix(session_id: str, run_id: str) -> str:
    """Returns how the keys of all files begin that a run of the session writes."""
    return f"{session_prefix(session_id)}runs/{run_id}/"


def session_prefix(session_id: str) -> str:
    """Returns how all keys of a session begin, and no key of another session."""
    return f"{SESSIONS}{session_id}/"


def warm_key(run_id: str) -> str:
    """Returns the key at which a warm run finds its script."""
    return f"{WARM}{run_id}.json"


def trial_key(name: str) -> str:
    """Returns the key of an object that is written to see whether that works: below the sessions, but in none."""
    return f"{SESSIONS}_trial/{name}"


def transfer_key(transfer_id: str) -> str:
    """Returns the key at which the parts of a transfer are put together, until the file has been checked."""
    return f"{TRANSFERS}{transfer_id}"


def media_type(reading: Reading) -> str:
    """Returns the media type of a file that was read like this."""
    if reading.compression is not None:
        return _COMPRESSED[reading.compression]
    return _MEDIA_TYPES.get(reading.format, "application/octet-stream")


def part_size(size_bytes: int, usual_bytes: int) -> int:
    """Returns the size of the parts of a file: the usual one, or more if the file would have too many parts."""
    needed = -(-size_bytes // MAX_PARTS)
    return usual_bytes * max(1, -(-needed // usual_bytes))
