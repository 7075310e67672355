"""Runs `make test` beside busy loops, as on a machine that others use too: `make test-busy`.

A test that depends on time fails here long before it fails for a user.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# It ends with its parent, so that nothing is left even if that is killed.
LOOP: Final = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass\n"


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keeps one core busy."""
    loop = subprocess.Popen([sys.executable, "-c", LOOP, str(os.getpid())])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


def _make(target: str) -> int:
    """Makes the target; when interrupted, interrupts all that make started and waits for its end."""
    with subprocess.Popen(["make", target], start_new_session=True) as making:
        try:
            return making.wait()
        except (KeyboardInterrupt, SystemExit):
            os.killpg(making.pid, signal.SIGINT)
            raise


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.busy", description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how often in a row the tests must pass")
    parser.add_argument("--loops", type=int, default=2, help="how many cores are kept busy")
    parser.add_argument("target", nargs="?", default="test", help="the target of make")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as loops:
        for _ in range(options.loops):
            loops.enter_context(busy_loop())
        for number in range(1, options.times + 1):
            print(f"make {options.target}, {number} of {options.times}, beside {options.loops} busy loops", flush=True)
            failed = _make(options.target)
            if failed:
                return failed
    return 0


if __name__ == "__main__":
    sys.exit(main())
