"""Runs on Ray: scripts one after another in one driver. Reads `scripts.json`; prints one line of JSON after RESULTS.

Each script's result is what it printed, and its traceback or null.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import traceback
from pathlib import Path

import ray


def main() -> None:
    """Runs them all."""
    codes = json.loads(Path("scripts.json").read_text(encoding="utf-8"))
    ray.init()
    # Ray runs now, and a second start would be an error.
    vars(ray)["init"] = lambda: None
    print("RESULTS " + json.dumps([_run(code) for code in codes]))


def _run(code: str) -> tuple[str, str | None]:
    context = ray.data.DataContext.get_current()
    ray.data.DataContext._set_current(copy.deepcopy(context))
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(code, "main.py", "exec"), {"__name__": "__main__"})
    except Exception:  # a script's failure is its result
        return output.getvalue(), traceback.format_exc()[-3000:]
    finally:
        ray.data.DataContext._set_current(context)
    return output.getvalue(), None


if __name__ == "__main__":
    main()
