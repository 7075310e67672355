"""What a forked child inherits from its parent and must never finalize.

The finalizers of asyncio's transports, tasks and loops act on what parent and child share, such as the list of watched
sockets, and warn about things that the child has never opened.
"""

from __future__ import annotations

import sys
from typing import Final

_kept: Final[list[object]] = []


def keep_forever(thing: object) -> None:
    """Keeps the object, and all that it refers to, from ever being finalized, also when the interpreter ends."""
    _kept.append(thing)
    if sys.implementation.name == "cpython":
        import ctypes  # only forked children need it

        # The interpreter finalizes at its end what only modules refer to.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
