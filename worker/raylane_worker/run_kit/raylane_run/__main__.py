"""Runs `main.py` and writes its answer once it has ended well. See docs/decisions/0035."""

from __future__ import annotations

import gc
import runpy

from . import answer


def _run() -> None:
    """Runs the script. A script may end early with `SystemExit`, such as `require_text` raises."""
    try:
        runpy.run_path("main.py", run_name="__main__")
    except SystemExit as end:
        if end.code not in (None, 0):
            raise


if __name__ == "__main__":
    # Until the script reads; see `reading.py`.
    gc.disable()
    _run()
    answer.finish()
