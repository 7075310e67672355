"""Runs Ray's command line, with more patience: its `start` gives up after 30 s, and a busy machine takes longer.

It runs as a script, with the arguments of `ray`. The caller bounds the start.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Final

from ray._private import node
from ray.scripts.scripts import main

_TIMES_LONGER: Final = 20

if __name__ == "__main__":
    # The limit is a number in the middle of a method, so the clock of its module has to run slower.
    vars(node)["time"] = SimpleNamespace(**{**vars(time), "monotonic": lambda: time.monotonic() / _TIMES_LONGER})
    main()  # type: ignore[no-untyped-call]  # Ray gives it no types
