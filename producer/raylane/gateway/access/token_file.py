"""Makes tokens, and adds them to the file of callers in one step."""

from __future__ import annotations

import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from raylane.gateway.access.caller import ALL_SESSIONS
from raylane.gateway.access.entries import CallerEntry, CallersFile, digest_of, read_callers
from raylane.gateway.access.rights import Right
from raylane_common.errors import InvalidRequest, invalid_requests

# Programs that search for secrets know a token by its beginning.
_START: Final = "raylane_tk_"
_RANDOM_BYTES: Final = 32
# Only the gateway's user needs to read it.
_MODE: Final = 0o600
_IN_SESSIONS: Final = (Right.ASK, Right.READ)


class NewToken(NamedTuple):
    """A token, which is shown once, and the entry for the file, which does not hold it."""

    token: str
    entry: CallerEntry


def new_token(name: str, rights: Sequence[Right], sessions: Sequence[str], expires: datetime | None = None) -> NewToken:
    """Returns a new token for a caller. Raises `InvalidRequest` that names what is wrong."""
    if not rights:
        raise InvalidRequest.field("right", "missing; give --right ask, read or operate")
    needed = [right for right in _IN_SESSIONS if right in rights]
    if needed and not sessions:
        hint = f"--session ada- for all ids that begin so, or --session '{ALL_SESSIONS}' for all sessions"
        raise InvalidRequest.field("session", f"missing; the right {needed[0]} needs {hint}")
    if expires is not None and expires <= datetime.now(UTC):
        raise InvalidRequest.field("expires", f"{expires.isoformat()} is past")
    token = _START + secrets.token_urlsafe(_RANDOM_BYTES)
    with invalid_requests():
        entry = CallerEntry(
            name=name,
            sha256=digest_of(token),
            rights=tuple(dict.fromkeys(rights)),
            sessions=tuple(dict.fromkeys(sessions)),
            expires=expires,
        )
    return NewToken(token, entry)


def as_json(entry: CallerEntry) -> str:
    """Returns the entry as the file holds it, on one line."""
    return entry.model_dump_json(exclude_none=True)


def add_entry(path: Path, entry: CallerEntry) -> None:
    """Adds the entry to the file, which is made if it is missing. Readers see the old file or the new one.

    The file keeps its owner and its mode. Raises `InvalidRequest` if it is wrong or cannot be written.
    """
    # A link keeps leading to the file.
    path = path.resolve()
    try:
        with _locked(path.parent):
            exists = path.exists()
            known = read_callers(path).callers if exists else ()
            content = CallersFile(callers=(*known, entry)).model_dump_json(indent=2, exclude_none=True)
            _replace(path, content + "\n", path.stat() if exists else None)
    except OSError as error:
        raise InvalidRequest.field("file", f"{path} cannot be written: {error.strerror or error}") from error


def _replace(path: Path, content: str, before: os.stat_result | None) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _MODE if before is None else stat.S_IMODE(before.st_mode))
        if before is not None and (before.st_uid, before.st_gid) != (os.stat(name).st_uid, os.stat(name).st_gid):
            os.chown(name, before.st_uid, before.st_gid)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keeps others from adding to a file of the directory at the same time, so that no entry is lost."""
    if sys.platform == "win32":  # it has no such locks
        yield
        return
    import fcntl

    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
