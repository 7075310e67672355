"""What a killed worker left on the disk is removed by the next one, however soon it starts."""

from __future__ import annotations

import fcntl
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import ScratchFull
from raylane_worker.data.scratch import remove_left, scratch

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_worker_that_starts_at_once_removes_what_the_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "raylane-scratch-left").mkdir()
    (tmp_path / "raylane-scratch-left" / "original").write_bytes(b"a")
    (tmp_path / "other").mkdir()
    async with scratch(tmp_path, 1) as used:
        (used / "original").write_bytes(b"a")
        assert remove_left(tmp_path) == 1
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "other", used])
        assert (used / "original").read_bytes() == b"a"
    assert list(tmp_path.iterdir()) == [tmp_path / "other"]


async def test_a_directory_that_is_removed_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker starts between the creation of the directory and its lock."""
    flock, removed = fcntl.flock, threading.Event()

    def late(lock: int, how: int) -> None:
        if not removed.is_set():
            removed.set()
            shutil.rmtree(next(tmp_path.iterdir()))
        flock(lock, how)

    monkeypatch.setattr(fcntl, "flock", late)
    async with scratch(tmp_path, 1) as used:
        assert removed.is_set()
        (used / "original").write_bytes(b"a")


async def test_a_directory_that_does_not_exist_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(ScratchFull, match="nowhere of the worker cannot be written: No such file or directory; create"):
        async with scratch(tmp_path / "nowhere", 1):
            pass
