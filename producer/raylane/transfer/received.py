"""Where a download goes: a new file that replaces an old one only when it is complete, or an open file."""

from __future__ import annotations

import errno
import io
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Protocol, cast

from raylane import arguments
from raylane_common import checks
from raylane_common.errors import DiskFull, InvalidRequest

# Beside the file, so that a rename puts it in its place. Short, because the file may have the longest possible name.
_UNFINISHED: Final = ".raylane-{}.part"
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# What systems say that have no files without names, or not in this directory.
_NO_NAMELESS_FILES: Final = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})
_OWN_FILES: Final = "/proc/self/fd"


class Received(Protocol):
    """What takes the bytes of a download, in order. Every method may block."""

    @property
    def path(self) -> Path | None:
        """The file; None if the caller has opened it."""

    def reserve(self, size_bytes: int) -> None:
        """Raises `DiskFull` if there is no room for this many bytes."""

    def write(self, data: bytes) -> None:
        """Writes all of the bytes. Raises `DiskFull`, and `InvalidRequest` if that is not possible."""

    def publish(self) -> None:
        """Puts the complete file in its place. Raises what `write` raises."""

    def close(self) -> None:
        """Closes what was opened here. Nothing is left of a file that was not published."""


def received(to: object, name: str) -> Received:
    """Opens the place for the file `name`: the argument `to` of `Producer.download`.

    Raises `InvalidRequest` if it is neither the path of a file that can be written, nor an open file.
    """
    if to == "":
        # As a path, it would be the working directory.
        raise InvalidRequest.field("to", "must not be empty")
    if isinstance(to, str | os.PathLike):
        return NewFile.opened(arguments.path(to, "to"), name)
    if isinstance(to, io.TextIOBase) or not hasattr(to, "write"):
        what = "a file that is open as text" if hasattr(to, "write") else checks.type_name(to)
        raise InvalidRequest.field("to", f"must be a path or a file that is open for bytes, not {what}")
    return _OpenFile(cast("IO[bytes]", to))


class NewFile:
    """A file without a name, where the system has that: if the process is killed, nothing is left of it."""

    def __init__(self, path: Path, directory: int) -> None:
        """`directory` is the open directory of the file. It is closed with the file."""
        self.path: Path = path
        self._final = path.name
        self._directory = directory
        self._unfinished: str | None = None
        self._descriptor = -1

    @classmethod
    def opened(cls, path: Path, name: str) -> NewFile:
        """Opens the file `path`, or the file `name` in the directory `path`. A link leads to the file that is replaced.

        Raises `InvalidRequest` if it cannot be written.
        """
        try:
            found = Path(os.path.realpath(path / _bare(name) if path.is_dir() else path))
            before = found.stat() if found.exists() else None
            if before is not None and not stat.S_ISREG(before.st_mode):
                problem = f"{str(found)!r} is not a regular file; open it and pass the open file"
                raise InvalidRequest.field("to", problem)
            if before is not None and not os.access(found, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            file = cls(found, os.open(found.parent, os.O_RDONLY | os.O_DIRECTORY))
            try:
                file._open(before)
            except BaseException:
                file.close()
                raise
        except (OSError, ValueError) as error:
            raise _cannot_write(path, error) from error
        return file

    def _open(self, before: os.stat_result | None) -> None:
        nameless = getattr(os, "O_TMPFILE", None) if Path(_OWN_FILES).exists() else None
        if nameless is not None:
            try:
                self._descriptor = os.open(".", nameless | os.O_RDWR, 0o666, dir_fd=self._directory)
            except OSError as error:
                if error.errno not in _NO_NAMELESS_FILES:
                    raise
        if self._descriptor < 0:
            unfinished, new = _unfinished_name(), os.O_CREAT | os.O_EXCL | os.O_RDWR
            self._descriptor = os.open(unfinished, new, 0o666, dir_fd=self._directory)
            self._unfinished = unfinished
        if before is not None:
            os.fchmod(self._descriptor, stat.S_IMODE(before.st_mode))

    def reserve(self, size_bytes: int) -> None:
        """See `Received`."""
        found = os.fstatvfs(self._descriptor)
        free_bytes = found.f_bavail * found.f_frsize
        if free_bytes < size_bytes:
            raise DiskFull(f"{str(self.path)!r} needs {size_bytes:,} bytes, and {free_bytes:,} are free")

    def write(self, data: bytes) -> None:
        """See `Received`."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def publish(self) -> None:
        """See `Received`."""
        try:
            os.fsync(self._descriptor)
            if self._unfinished is None and not self._give_name(self._final):
                unfinished = _unfinished_name()
                self._give_name(unfinished)
                self._unfinished = unfinished
            if self._unfinished is not None:
                os.replace(self._unfinished, self._final, src_dir_fd=self._directory, dst_dir_fd=self._directory)
                self._unfinished = None
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def _give_name(self, name: str) -> bool:
        """Returns whether the file without a name has this one now; False if another file has it."""
        try:
            # With the number of a directory, `link` follows the link in /proc to the file itself.
            os.link(f"{_OWN_FILES}/{self._descriptor}", name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except FileExistsError:
            return False
        return True

    def close(self) -> None:
        """See `Received`."""
        if self._unfinished is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._unfinished, dir_fd=self._directory)
            self._unfinished = None
        for descriptor in (self._descriptor, self._directory):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._directory = -1


class _OpenFile:
    """A file that belongs to the caller. What arrived before an error stays in it."""

    path: None = None

    def __init__(self, opened: IO[bytes]) -> None:
        self._opened = opened

    def reserve(self, size_bytes: int) -> None:
        """Where the bytes go is not known."""

    def write(self, data: bytes) -> None:
        """See `Received`. A broken pipe is raised as it is."""
        rest = data
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except BrokenPipeError:
            raise
        except (OSError, ValueError, TypeError) as error:
            raise _cannot_write(None, error) from error

    def _write_some(self, data: bytes) -> int:
        """Returns how many bytes the file has taken. Anything else than a file may say nothing, and has taken all."""
        taken = cast("int | None", self._opened.write(data))
        if taken is None and not isinstance(self._opened, io.RawIOBase):
            return len(data)
        if not taken:
            raise ValueError("it takes no more bytes")
        return taken

    def publish(self) -> None:
        """The caller closes the file."""

    def close(self) -> None:
        """See `publish`."""


def _bare(name: str) -> str:
    # A script has chosen it, and a directory protects nothing from a name with folders.
    if "/" in name or name in ("", ".", ".."):
        raise InvalidRequest.field("to", f"must be the path of a file, because {name!r} is no name for one")
    return name


def _unfinished_name() -> str:
    return _UNFINISHED.format(secrets.token_hex(8))


def _cannot_write(path: Path | None, error: OSError | ValueError | TypeError) -> DiskFull | InvalidRequest:
    # Quoted, because a name may contain bytes that are not text and cannot be printed.
    name = "the open file" if path is None else repr(str(path))
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return DiskFull(f"{name} cannot be written: {reason}; free some space, or choose another place")
    return InvalidRequest.field("to", f"{name} cannot be written: {reason}")
