"""Runs scripts with the kit in this process, with the local engine: objects of S3 are files in a directory."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import json
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest import mock

from raylane_common.wire.answer import Answer
from raylane_common.wire.names import Engine
from raylane_worker.run_kit import LAUNCHER, source_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from raylane_common.wire.sources import Partition, Source

_PACKAGE = f"raylane_worker.run_kit.{LAUNCHER}"
_OF_TESTS = "file://"


@dataclass(frozen=True)
class Ran:
    """What a script printed, its answer, and its traceback or None. The answer is None if the script failed."""

    output: str
    answer: Answer | None
    error: str | None
    files: Mapping[str, bytes]


def place(directory: Path, objects: Mapping[str, bytes]) -> None:
    """Writes objects, by their S3 URIs without encoding, to where `described` says that they are."""
    for uri, body in objects.items():
        path = directory / uri.removeprefix("s3://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def described(
    directory: Path,
    sources: Sequence[Source],
    partitions: Mapping[str, Sequence[Partition]] | None = None,
    *,
    engine: Engine = Engine.LOCAL,
    small: bool = True,
) -> str:
    """Returns the text of `sources.json` for sources whose objects are in the directory."""
    [text] = source_file(sources, partitions or {}, engine, small=small).values()
    found = json.loads(text)
    for source in found["sources"]:
        source["location"] = _moved(directory, source["location"])
        for partition in source.get("partitions", ()):
            partition[1] = _moved(directory, partition[1])
    return json.dumps(found)


def _moved(directory: Path, uri: str) -> str:
    return f"{_OF_TESTS}{directory}/{uri.removeprefix('s3://')}" if uri.startswith("s3://") else uri


@contextlib.contextmanager
def kit(
    objects: Mapping[str, bytes],
    sources: Sequence[Source],
    partitions: Mapping[str, Sequence[Partition]] | None = None,
) -> Iterator[Any]:
    """Yields the package `raylane_run`, which reads these sources, and is importable by that name."""
    package = importlib.import_module(_PACKAGE)
    of_sources, of_types = (importlib.import_module(f"{_PACKAGE}.{name}") for name in ("sources", "held_types"))
    with TemporaryDirectory() as made:
        directory = Path(made)
        place(directory, objects)
        path = directory / "sources.json"
        path.write_text(described(directory, sources, partitions), "utf-8")
        # `patch.dict` would also forget what is imported meanwhile, and pandas cannot be imported twice.
        sys.modules[LAUNCHER] = package
        try:
            with mock.patch.object(of_sources, "PATH", path):
                yield package
        finally:
            of_types.forget()
            del sys.modules[LAUNCHER]


def run_script(code: str, package: Any) -> Ran:
    """Runs a script as the launcher does. `package` is what `kit` yields."""
    answer, output = package.answer, io.StringIO()
    type(answer).__init__(answer)
    with TemporaryDirectory() as prefix, mock.patch.dict("os.environ", {"RAYLANE_OUTPUT_URI": prefix}):
        try:
            with contextlib.redirect_stdout(output):
                exec(compile(code, "main.py", "exec"), {"__name__": "__main__"})
        except SystemExit as end:
            assert end.code in (None, 0), f"the script ended with {end.code}"
        except Exception:  # a script's failure is its result
            return Ran(output.getvalue(), None, traceback.format_exc(), {})
        finally:
            atexit.unregister(answer._finish_at_exit)
        answer.finish()
        files = {path.name: path.read_bytes() for path in Path(prefix).iterdir()}
    return Ran(output.getvalue(), Answer.model_validate_json(files.pop("answer.json")), None, files)
