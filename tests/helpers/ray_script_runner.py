"""The driver of `ray_scripts`: runs the scripts of `scripts.json` one after another.

Prints one line: RESULTS and a JSON list with the output of each script and its traceback or null.
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
    """Runs all scripts and prints their results."""
    codes = json.loads(Path("scripts.json").read_text(encoding="utf-8"))
    ray.init()
    # Ray is started, and the scripts would start it again, which is an error.
    vars(ray)["init"] = lambda: None
    print("RESULTS " + json.dumps([_run(code) for code in codes]))


def _run(code: str) -> tuple[str, str | None]:
    context = ray.data.DataContext.get_current()
    ray.data.DataContext._set_current(copy.deepcopy(context))
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(code, "main.py", "exec"), {"__name__": "__main__"})
    except SystemExit:  # the script has nothing more to say
        return output.getvalue(), None
    except Exception:  # a script's failure is its result
        return output.getvalue(), traceback.format_exc()[-3000:]
    finally:
        ray.data.DataContext._set_current(context)
    return output.getvalue(), None


if __name__ == "__main__":
    main()
