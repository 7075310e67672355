"""Runs attacks with verification switched off, each in a process of its own, and says what each did.

`python -m tests.fuzz.attack_runs NAME…` runs those of the corpus, or all. Ray is a stand-in that reads a small frame,
so that only what a script does in its own process is seen. A process has a directory that is removed afterwards, no
environment but one variable, and little time.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import select
import sys
import tempfile
import time
import types
from enum import StrEnum
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import ray.data.aggregate
import ray.data.expressions
from ray.data._internal.object_extensions.arrow import ArrowPythonObjectArray

_CPU_S: Final = 3
_FILE_BYTES: Final = 1 << 20
_WAIT_S: Final = 10.0


class Effect(StrEnum):
    """What a script did when verification did not stop it."""

    EXECUTED = "executed"
    """It printed PWNED, as it reached what it was after, or it wrote a file."""
    WEAK = "weak"
    """It printed PWNED?: it reached a step on the way."""
    RAISED = "raised"
    UNPROVEN = "unproven"
    """It ended without either."""


class _Dataset:
    """A stand-in for `ray.data.Dataset` that holds a frame."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def to_pandas(self) -> pd.DataFrame:
        return self._frame

    def limit(self, count: int) -> _Dataset:
        return _Dataset(self._frame.head(count))

    def count(self) -> int:
        return len(self._frame)

    def take(self, count: int = 20) -> list[Any]:
        return list(self._frame.head(count).to_dict("records"))

    def take_batch(self, count: int, *, batch_format: str) -> pa.Table:
        # As Ray does it with objects that Arrow has no type for.
        assert batch_format == "pyarrow"
        objects = {name: ArrowPythonObjectArray.from_objects(list(values)) for name, values in self._frame.items()}
        return pa.table(objects).slice(0, count)

    def iter_rows(self) -> Any:
        yield from self.take()


def _stand_in_for_ray() -> dict[str, types.ModuleType]:
    frame = pd.DataFrame({"date": ["2024-01-01"] * 3, "wind": [1.0, 2.0, 3.0], "weather": ["rain", "sun", "sun"]})
    module, data = types.ModuleType("ray"), types.ModuleType("ray.data")
    vars(data).update(from_items=lambda items: _Dataset(pd.DataFrame(items)))
    # An attack on names may be after a reader of Ray.
    vars(data).update(read_csv=lambda *args, **options: _Dataset(frame))
    vars(data).update(aggregate=ray.data.aggregate, expressions=ray.data.expressions)
    vars(module).update(init=lambda **_: None, data=data)
    answer = types.SimpleNamespace(**{name: lambda *_, **__: None for name in ("value", "table", "note")})
    kit = types.ModuleType("raylane_run")
    vars(kit).update(read=lambda *_, **__: _Dataset(frame), answer=answer)
    return {"ray": module, "ray.data": data, "raylane_run": kit}


def run(code: str) -> tuple[Effect, str]:
    """Returns what the script did, and what it printed or raised."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        _run_in_child(code, writer)
    os.close(writer)
    deadline = time.monotonic() + _WAIT_S
    output = b""
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if not (part := os.read(reader, 65536)):
            break
        output += part
    else:
        os.kill(child, 9)
    os.close(reader)
    os.waitpid(child, 0)
    text = output.decode(errors="replace")
    return _effect_of(text), text


def _effect_of(text: str) -> Effect:
    if "PWNED" in text.replace("PWNED?", ""):
        return Effect.EXECUTED
    if "PWNED?" in text:
        return Effect.WEAK
    return Effect.RAISED if text.rpartition("\n")[2].startswith("raised ") else Effect.UNPROVEN


def _run_in_child(code: str, writer: int) -> None:
    text = io.StringIO()
    with contextlib.suppress(BaseException), tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        os.environ.clear()
        os.environ["MARK"] = "not a secret"
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
        sys.modules.update(_stand_in_for_ray())
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
            try:
                exec(compile(code, "attack.py", "exec"), {"__name__": "__main__"})
            except BaseException as error:
                text.write(f"\nraised {type(error).__name__}: {str(error)[:200]}".replace("PWNED", ""))
        if written := os.listdir():
            text.write(f"\nPWNED wrote {written}")
        os.write(writer, text.getvalue()[:4000].encode(errors="replace"))
    os._exit(0)


def main(names: list[str]) -> None:
    """Prints the effect of each attack, its name, and what it printed, with tabs between them."""
    from tests.unit.generation.attack_corpus import ATTACKS

    for attack in ATTACKS:
        if not names or attack.name in names:
            effect, text = run(attack.code)
            print(effect, attack.name, repr(text.strip()[:100]), sep="\t", flush=True)


if __name__ == "__main__":
    # Loaded before the fork, so that a script does not wait for them.
    assert all((np, pa, pyarrow.compute, pyarrow.csv))
    main(sys.argv[1:])
