"""Reads one file in a process of its own: a task as one line of JSON on stdin, its outcome as JSON on stdout.

The process ends when its stdin is closed, so it does not outlive the worker that started it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from raylane_common.errors import InternalError, RaylaneError
from raylane_common.logs import get_logger
from raylane_worker.data.bound_process import end_with
from raylane_worker.data.preparing import Outcome, Task, read_here
from raylane_worker.data.scratch import NO_SPACE, filled_up

logger = get_logger("raylane.worker")


def main() -> None:
    """Reads the file and writes the outcome."""
    # It gives memory back earlier than Arrow's default: the peak is a sixth lower. Arrow looks when it is imported.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    task = Task.model_validate_json(sys.stdin.buffer.readline())
    end_with(sys.stdin.fileno())
    # Temporary files are as large as the file, so they belong where there is room for it, and are removed with it.
    tempfile.tempdir = str(Path(task.copy_to).parent)
    sys.stdout.buffer.write(_outcome(task).model_dump_json().encode())
    sys.stdout.buffer.flush()
    # Another thread is reading stdin, so an orderly end would wait for it.
    os._exit(0)


def _outcome(task: Task) -> Outcome:
    try:
        return Outcome(content=read_here(task))
    except RaylaneError as error:
        return Outcome(error=error.info())
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return Outcome(error=filled_up(Path(task.copy_to).parent).info())
        # A bug: the worker gets a sentence that says where, and the log the traceback.
        logger.exception("reading %s failed", task.filename)
        return Outcome(error=InternalError(f"reading the file failed: {type(error).__name__}: {error}").info())


if __name__ == "__main__":
    main()
