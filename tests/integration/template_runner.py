"""Runs scripts one after another in one Ray, since starting it takes most of the time: JSON in, JSON out.

Reads a list of scripts from standard input; writes, as the last line, a list of `[output, error or null]`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import sys
import tempfile
import traceback

import ray


def main() -> None:
    codes = json.load(sys.stdin)
    results = []
    # Short, since Ray puts sockets below it.
    with tempfile.TemporaryDirectory(prefix="rl", dir="/tmp") as home:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=home,
            _node_ip_address="127.0.0.1",
        )
        # Ray runs already, and a second start would be an error.
        vars(ray)["init"] = lambda: None
        try:
            results = [_run(code) for code in codes]
        finally:
            ray.shutdown()
    print(json.dumps(results))


def _run(code: str) -> tuple[str, str | None]:
    context = ray.data.DataContext.get_current()
    ray.data.DataContext._set_current(copy.deepcopy(context))
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(code, "main.py", "exec"), {"__name__": "__main__"})
    except Exception:
        return output.getvalue(), traceback.format_exc()[-3000:]
    finally:
        ray.data.DataContext._set_current(context)
    return output.getvalue(), None


if __name__ == "__main__":
    main()
