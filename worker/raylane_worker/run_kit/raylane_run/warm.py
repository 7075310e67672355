"""Waits for one script, with everything imported that scripts use, and runs it: `python -m raylane_run.warm`.

A worker submits such a run ahead of time. The script comes as one object on S3: a line with a key, and JSON with
`variables` for the environment and `files`. Until then only that worker knows the key; others may know its hash. See
docs/decisions/0040.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import hmac
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from . import filesystem, sources
from .launcher import end, run_main
from .printing import show

UNUSED: Final = 75
"""The exit code of a run that got no script: nothing of a job has run."""
# S3 is asked this often, so that is what a script waits for at most.
_POLL_S: Final = 0.1


def main() -> None:
    """Runs the script that comes within `RAYLANE_WARM_S` seconds; exits with `UNUSED` if none comes."""
    _import()
    data = _wait(os.environ["RAYLANE_WARM_URI"], float(os.environ["RAYLANE_WARM_S"]))
    script = None if data is None else script_of(data, os.environ["RAYLANE_WARM_HASH"])
    if script is None:
        show("no script came" if data is None else "what came was not written by the worker of this run")
        sys.exit(UNUSED)
    os.environ.update(script["variables"])
    # The directory of the code is that of other runs, too. Ray removes it with all that is in it.
    directory = Path(tempfile.mkdtemp(dir=Path.cwd()))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    for name, text in script["files"].items():
        (directory / name).write_text(text, "utf-8")
    os.chdir(directory)
    sources.PATH = directory / sources.PATH.name
    try:
        run_main()
    except SystemExit as error:
        # It would look like a run that got no script. Systems keep one byte of the code, so 331 is 75.
        is_unused = isinstance(error.code, int) and error.code & 0xFF == UNUSED
        raise SystemExit(1 if is_unused else error.code) from None
    shutil.rmtree(directory, ignore_errors=True)
    end()


def script_of(data: bytes, key_hash: str) -> dict[str, Any] | None:
    """Returns the script that these bytes hold; None if whoever wrote them did not know the key."""
    key, _, text = data.partition(b"\n")
    if not hmac.compare_digest(hashlib.sha256(key).hexdigest(), key_hash):
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def _import() -> None:
    # As in `reading.py`.
    gc.disable()
    from . import answer_files, answer_frames, answer_rows, charts, file_rows, frames, table_rows  # noqa: F401

    gc.freeze()
    gc.enable()


def _wait(uri: str, idle_s: float) -> bytes | None:
    """Returns the bytes at the URI once there are some; None if that takes longer than `idle_s` seconds."""
    give_up_s = time.monotonic() + idle_s
    while True:
        is_last = time.monotonic() > give_up_s
        try:
            with filesystem.open_file(uri) as file:
                return bytes(file.read())
        except OSError as error:
            # S3 also answers "forbidden" about a missing object, to those who may not list the bucket.
            if is_last:
                show(f"{uri}: {error}")
                return None
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main()
