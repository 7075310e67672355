"""Where downloads go: a file is replaced as a whole or not at all, and what cannot be written says why."""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from raylane.transfer import received as module
from raylane.transfer.received import NewFile, received
from raylane_common.errors import DiskFull, InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["nameless", "named", "refused"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With files without names, as on systems that have none, and as in directories that have none."""
    if request.param == "named":
        monkeypatch.setattr(module, "_OWN_FILES", "/there is no such directory")
    if request.param == "refused":
        real = os.open

        def refusing(path: Any, flags: int, *more: Any, **options: Any) -> int:
            if path == ".":
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            return real(path, flags, *more, **options)

        monkeypatch.setattr(os, "open", refusing)
    return str(request.param)


def open_files() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_a_file_appears_when_it_is_complete(tmp_path: Path, kind: str) -> None:
    before, path = open_files(), tmp_path / "x"
    for old in (None, b"old"):
        if old is not None:
            path.write_bytes(old)
            path.chmod(0o640)
        file = received(path, "a")
        file.reserve(10)
        file.write(b"1" * 5)
        file.write(b"2" * 5)
        assert path.exists() == (old is not None)
        assert len(list(tmp_path.glob(".*"))) == (kind != "nameless")
        file.publish()
        file.close()
        assert path.read_bytes() == b"1111122222"
        assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert open_files() == before


def test_a_file_that_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    before = open_files()
    (tmp_path / "old").write_bytes(b"old")
    for name in ("old", "new"):
        file = received(tmp_path / name, "a")
        file.write(b"half")
        file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"
    assert open_files() == before


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    file = received(tmp_path / "x", "a")
    file.publish()
    file.close()
    (tmp_path / "usual").write_bytes(b"")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for place in ("real", "dangling"):
        (tmp_path / place).symlink_to(tmp_path / "there" / place)
    (tmp_path / "there" / "real").write_bytes(b"old")
    for place in ("real", "dangling"):
        file = received(tmp_path / place, "a")
        file.write(b"new")
        file.publish()
        file.close()
        assert (tmp_path / place).is_symlink()
        assert (tmp_path / "there" / place).read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_is_replaced(tmp_path: Path) -> None:
    first, second = (received(tmp_path / "x", "a") for _ in range(2))
    for number, file in enumerate((first, second)):
        file.write(bytes([number]))
        file.publish()
        file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"\1"


def test_a_directory_gets_the_file_under_its_own_name(tmp_path: Path) -> None:
    assert received(tmp_path, "a.csv").path == tmp_path / "a.csv"
    for name in ("../out.csv", "/out.csv", "sub/out.csv", "..", ".", ""):
        with pytest.raises(InvalidRequest, match=r"^to: must be the path of a file"):
            received(tmp_path, name)


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    before = open_files()
    (tmp_path / "file").write_bytes(b"old")
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "text").open("w", encoding="utf-8") as text:
        places: list[tuple[Any, str]] = [
            (tmp_path / "missing" / "x", "No such file or directory"),
            (tmp_path / "file" / "x", "Not a directory"),
            (tmp_path / "pipe", "is not a regular file"),
            ("/dev/null", "is not a regular file"),
            ("/proc/x", "cannot be written"),
            ("x" * 300, "name too long"),
            ("a\0b", "null"),
            ("", "must not be empty"),
            (7, "must be a path or a file that is open for bytes, not int"),
            (b"bytes", "not bytes"),
            (None, "not NoneType"),
            (text, "open as text"),
            (io.StringIO(), "open as text"),
        ]
        for place, problem in places:
            with pytest.raises(InvalidRequest, match=rf"^to: .*{problem}"):
                received(place, "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "pipe", "text"]
    assert open_files() == before


def test_a_file_that_is_protected_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"old")
    # Root may write everything.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InvalidRequest, match=r"cannot be written: Permission denied"):
        received(tmp_path / "x", "a")


def test_too_little_space_is_told_before_and_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fstatvfs", lambda _: os.statvfs_result((1, 10, 9, 9, 9, 9, 9, 9, 9, 9)))
    file = received(tmp_path / "x", "a")
    file.reserve(90)
    with pytest.raises(DiskFull, match=r"needs 1,000 bytes, and 90 are free"):
        file.reserve(1000)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskFull, match=r"No space left on device; free some space"):
        file.write(b"x")
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_takes_only_a_part_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:3]))
    file = NewFile.opened(tmp_path / "x", "a")
    file.write(b"0123456789")
    file.publish()
    file.close()
    assert (tmp_path / "x").read_bytes() == b"0123456789"


class Odd:
    """A file whose `write` answers as it likes."""

    def __init__(self, *answers: object) -> None:
        self.written: list[bytes] = []
        self._answers = list(answers)

    def write(self, data: bytes) -> object:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.written.append(bytes(data[:answer] if isinstance(answer, int) else data))
        return answer


def test_a_pipe_that_does_not_block_is_an_error_when_it_is_full() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with os.fdopen(read, "rb"), os.fdopen(write, "wb", buffering=0) as pipe, pytest.raises(InvalidRequest):
        received(pipe, "a").write(bytes(10_000_000))


def test_open_files_of_all_kinds_get_all_bytes() -> None:
    part_by_part = Odd(2, 3)
    received(part_by_part, "a").write(b"12345")
    silent = Odd(None)
    received(silent, "a").write(b"12345")
    assert b"".join(part_by_part.written) == b"".join(silent.written) == b"12345"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (OSError(errno.EIO, "Input/output error"), InvalidRequest),
        (ValueError("I/O operation on closed file."), InvalidRequest),
        (TypeError("write() argument must be str, not bytes"), InvalidRequest),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), BrokenPipeError),
        (0, InvalidRequest),
    ],
)
def test_an_open_file_that_takes_nothing_more_is_an_error(answer: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        received(Odd(answer), "a").write(b"12345")
