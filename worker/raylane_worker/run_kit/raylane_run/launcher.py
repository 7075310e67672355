"""Runs `main.py`, writes its answer once it has ended well, and ends the process. See docs/decisions/0035."""

from __future__ import annotations

import gc
import os
import runpy
import sys
from typing import NoReturn

from . import answer


def run_main() -> None:
    """Runs the script in the working directory. Raises what the script raises, without writing an answer."""
    # Until the script reads; see `reading.py`.
    gc.disable()
    try:
        runpy.run_path("main.py", run_name="__main__")
    except SystemExit as end:
        # `require_text` ends a script early, and well.
        if end.code not in (None, 0):
            raise
    answer.finish()


def end() -> NoReturn:
    """Ends the process at once: otherwise Ray waits for half a second, and Python takes down each module and thread."""
    ray = sys.modules.get("ray")
    if ray is not None:
        ray.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
