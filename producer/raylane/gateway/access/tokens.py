"""Finds callers by their tokens, and reads the file of callers again when it changes."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from raylane.gateway.access.caller import Caller
from raylane.gateway.access.entries import CallerEntry, digest_of, read_callers
from raylane_common.errors import InvalidRequest, Unauthenticated
from raylane_common.logs import get_logger

_LOOK_S: Final = 1.0

_log: Final = get_logger(__name__)


class _Version(NamedTuple):
    """What tells one content of a file from the next. A file that replaces another has an inode of its own."""

    inode: int
    size: int
    written_ns: int
    changed_ns: int


class Tokens:
    """The callers of one file. A file that becomes wrong leaves the callers as they are, and is logged."""

    def __init__(self, path: Path, *, look_s: float = _LOOK_S) -> None:
        """Reads the file. It is looked at again once in `look_s` seconds. Raises `InvalidRequest` if it is wrong."""
        self._path = path
        self._look_s = look_s
        self._looked_s = time.monotonic()
        # With a key that nobody knows, the time that the dictionary takes tells nothing about the hashes in it.
        self._key = secrets.token_bytes(32)
        self._version = _version(path)
        self._entries = self._read()
        self._reading: asyncio.Task[None] | None = None

    async def caller_of(self, token: str) -> Caller | None:
        """Returns the holder of the token; None if the file lacks it. Raises `Unauthenticated` if it has expired."""
        await self._follow_file()
        digest = digest_of(token)
        entry = self._entries.get(self._index(digest))
        if entry is None or not hmac.compare_digest(entry.sha256, digest):
            return None
        if entry.expires is not None and entry.expires <= datetime.now(UTC):
            raise Unauthenticated(f"the token of {entry.name} has expired; ask the operator for a new one")
        return entry.caller

    async def _follow_file(self) -> None:
        now_s = time.monotonic()
        if self._reading is None and now_s - self._looked_s < self._look_s:
            return
        self._looked_s = now_s
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_if_changed())
        # A caller that leaves must not end the reading for the others.
        await asyncio.shield(self._reading)

    async def _read_if_changed(self) -> None:
        try:
            version = await asyncio.to_thread(_version, self._path)
            if version == self._version:
                return
            # Before reading: what is written meanwhile then has another version.
            self._version = version
            self._entries = await asyncio.to_thread(self._read)
            _log.info("read %d tokens from %s", len(self._entries), self._path)
        except InvalidRequest as error:
            _log.error("the callers stay as they were: %s", error.message)
        finally:
            self._reading = None

    def _read(self) -> dict[bytes, CallerEntry]:
        return {self._index(entry.sha256): entry for entry in read_callers(self._path).callers}

    def _index(self, digest: str) -> bytes:
        return hmac.digest(self._key, digest.encode(), "sha256")


def _version(path: Path) -> _Version | None:
    """Returns the version of the file; None if there is none, which `read_callers` explains."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _Version(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
