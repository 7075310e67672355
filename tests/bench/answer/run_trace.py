"""Notes when a generated script started, read, answered and ended. Python imports it when a process starts.

The benchmark puts a copy of this file, as `sitecustomize.py`, on Ray's path of imports. Scripts write their moments
beside the copy, as `<submission id>.json`, in epoch seconds. All other processes are left alone.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_KIT = "raylane_run"
_ANSWERS = ("value", "table", "chart", "file", "note")


class _Trace:
    def __init__(self) -> None:
        self.moments: dict[str, float] = {"process": _process_began_s(), "python": time.time()}
        self.spans: dict[str, float] = {"read": 0.0, "answer": 0.0}
        self._depth = 0
        self._pid = os.getpid()
        self._exit = os._exit

    def heard(self, event: str, arguments: tuple[object, ...]) -> None:
        """Takes an audit event; the first execution of `main.py` ends the imports of the kit."""
        if event == "exec" and "main" not in self.moments:
            name: str = getattr(arguments[0], "co_filename", "")
            if name.endswith("main.py") and getattr(arguments[0], "co_name", "") == "<module>" and _KIT in sys.modules:
                self.moments["main"] = time.time()
                self._watch(sys.modules[_KIT])

    def _watch(self, kit: Any) -> None:
        if hasattr(kit, "read"):
            kit.read = self._timed("read", kit.read)
        answer = getattr(kit, "answer", None)
        for name in _ANSWERS:
            if hasattr(answer, name):
                setattr(answer, name, self._timed("answer", getattr(answer, name)))

    def _timed(self, span: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timed(*args: Any, **options: Any) -> Any:
            began_s = time.time()
            self.moments.setdefault("first_read" if span == "read" else "first_answer", began_s)
            self._depth += 1
            try:
                return call(*args, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.spans[span] += time.time() - began_s
                    self.moments[f"last_{span}"] = time.time()

        return timed

    def exit(self, status: int) -> NoReturn:
        """Ends the process at once, as the kit does after the answer."""
        self.write()
        self._exit(status)

    def write(self) -> None:
        """Writes the moments once everything else that runs at the end of the process is done."""
        if os.getpid() != self._pid:
            return
        self.moments["end"] = time.time()
        job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("metadata", {})
        path = Path(__file__).parent / f"{job.get('job_submission_id', 'unknown')}.json"
        path.write_text(json.dumps({"moments": self.moments, "spans": self.spans}))


def _process_began_s() -> float:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


if sys.platform == "linux" and {_KIT, f"{_KIT}.warm", "main.py"} & set(sys.orig_argv):
    _trace = _Trace()
    sys.addaudithook(_trace.heard)
    atexit.register(_trace.write)
    os._exit = _trace.exit
