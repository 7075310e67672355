"""The driver of `ray_scripts`: runs the scripts of `scripts.json` one after another.

Prints one line: RESULTS and a JSON list with the output of each script, its traceback or null, and its answer or null.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import tempfile
import traceback
from pathlib import Path

import ray
import ray.data
import raylane_run  # type: ignore[import-not-found]  # is shipped beside it

_ANSWER = raylane_run.answer


def main() -> None:
    """Runs all scripts and prints their results."""
    codes = json.loads(Path("scripts.json").read_text(encoding="utf-8"))
    ray.init()
    # Ray is started, and a script that starts it again would fail.
    vars(ray)["init"] = lambda: None
    results = [_run(code) for code in codes]
    type(_ANSWER).__init__(_ANSWER)
    print("RESULTS " + json.dumps(results))


def _run(code: str) -> tuple[str, str | None, str | None]:
    context = ray.data.DataContext.get_current()
    ray.data.DataContext._set_current(copy.deepcopy(context))
    output = io.StringIO()
    type(_ANSWER).__init__(_ANSWER)
    with tempfile.TemporaryDirectory() as prefix:
        os.environ["RAYLANE_OUTPUT_URI"] = prefix
        try:
            with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
                exec(compile(code, "main.py", "exec"), {"__name__": "__main__"})
            _ANSWER.finish()
        except Exception:  # a script's failure is its result
            return output.getvalue(), traceback.format_exc()[-3000:], None
        finally:
            del os.environ["RAYLANE_OUTPUT_URI"]
            ray.data.DataContext._set_current(context)
        return output.getvalue(), None, Path(prefix, "answer.json").read_text("utf-8")


if __name__ == "__main__":
    main()
