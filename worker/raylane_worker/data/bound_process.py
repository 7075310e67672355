"""Ends a process with the one that started it, also if that one is killed: it holds a pipe, which the system closes."""

from __future__ import annotations

import os
from threading import Thread
from typing import Final, NoReturn

_READ_BYTES: Final = 4096


def end_with(descriptor: int) -> None:
    """Ends this process as soon as the other end of the pipe `descriptor` is closed."""
    Thread(target=_wait, args=(descriptor,), daemon=True).start()


def _wait(descriptor: int) -> NoReturn:
    while os.read(descriptor, _READ_BYTES):
        pass
    os._exit(1)
