"""Files of the machine that the server and its client share: which of them a tool may upload."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from raylane.mcp.call import Call
    from raylane.transfer.progress import UploadProgress

_EVERY_S: Final = 1.0
_MIB: Final = 2**20


def directories(given: Sequence[Path]) -> tuple[Path, ...]:
    """Returns the directories from below which files may be uploaded: those given, or else the working directory.

    The root is nobody's working directory by choice: programs without one start there. Raises `InvalidRequest`.
    """
    try:
        found = tuple(path.expanduser().resolve(strict=True) for path in given)
        wrong = next((path for path in found if not path.is_dir()), None)
        if wrong is not None:
            raise InvalidRequest.field("files", f"{wrong} is not a directory")
        working = Path.cwd()
    except (OSError, RuntimeError) as error:
        raise InvalidRequest.field("files", f"is not a directory that can be read: {error}") from error
    return found or (() if working == Path(working.anchor) else (working.resolve(),))


def allowed(roots: Sequence[Path] | None, given: str) -> Path:
    """Returns the path of a file below one of the roots, without links. Raises `InvalidRequest` for any other path."""
    if not roots:
        raise InvalidRequest.field("path", "no file may be uploaded from here: start the server with --files DIRECTORY")
    try:
        path = roots[0].joinpath(Path(given).expanduser()).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidRequest.field("path", f"is not a path: {error}") from error
    if not any(path.is_relative_to(root) for root in roots):
        below = ", ".join(map(str, roots))
        raise InvalidRequest.field("path", f"must be below {below}; --files DIRECTORY of the server allows others")
    return path


@asynccontextmanager
async def sending(call: Call, name: str) -> AsyncIterator[Callable[[UploadProgress], None]]:
    """Yields the function to call with each progress of an upload. Tells it about once a second."""
    latest: UploadProgress | None = None

    def note(progress: UploadProgress) -> None:
        nonlocal latest
        latest = progress

    async def tell() -> None:
        told: UploadProgress | None = None
        while True:
            await asyncio.sleep(_EVERY_S)
            if latest is not None and latest != told:
                told = latest
                await call.tell(_text(name, latest))

    telling = asyncio.create_task(tell())
    try:
        yield note
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def _text(name: str, progress: UploadProgress) -> str:
    total = "" if progress.total_bytes is None else f" of {progress.total_bytes / _MIB:.1f}"
    return f"sending {name}: {progress.sent_bytes / _MIB:.1f}{total} MiB"
