"""Processes of the tests end with the test, even if it is killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from tests.helpers.bound import bound
from tests.helpers.waiting import until

CHILD = "import signal; print('ready', flush=True); signal.pause()"
PARENT = """
import subprocess, sys
from tests.helpers.bound import bound
child = subprocess.Popen(bound(sys.executable, "-c", sys.argv[1]), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
async def test_a_killed_test_leaves_no_process() -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, CHILD, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert is_alive(child)
    parent.kill()
    await parent.wait()
    await until(lambda: not is_alive(child))


def test_a_bound_process_runs_its_program_with_its_arguments() -> None:
    command = bound(sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "c")
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "['a b', 'c']\n"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
