"""The picture in the README is what a terminal shows."""

from __future__ import annotations

import os
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane_worker.embedded.samples import sample_file
from tests.acceptance.conftest import BIN

if TYPE_CHECKING:
    from tests.acceptance.conftest import System

PICTURE = Path(__file__).parents[2] / "docs" / "screen.svg"
# How long a run took, and the address that answered, are different each time; so is the length of their lines.
VARYING = re.compile(r"[\d.]+&#160;s&#160;on&#160;Ray|textLength=\"[\d.]+\"")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_recorded_screen_is_what_a_terminal_shows(system: System, tmp_path: Path) -> None:
    shutil.copy(sample_file(), tmp_path)
    screen = import_module("docs.screen")
    env = system.process_environment() | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    drawn = screen.draw(await screen.show(tmp_path, env))
    assert VARYING.sub("", drawn) == VARYING.sub("", PICTURE.read_text(encoding="utf-8"))
