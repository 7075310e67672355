"""The driver of test_prompt_on_ray: runs each piece of `pieces.json` after a common beginning.

Prints one line: RESULTS and a JSON list with the output of each piece and the type and text of its exception, or null.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import io
import json
import sys
from pathlib import Path
from typing import NoReturn


class Missing(importlib.abc.MetaPathFinder):
    """Hides a package that the tests need and a cluster does not have."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Refuses jinja2 and says nothing of others."""
        if fullname.partition(".")[0] == "jinja2":
            _refuse(fullname)


def _refuse(name: str) -> NoReturn:
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main() -> None:
    """Runs all pieces and prints their results."""
    sys.meta_path.insert(0, Missing())
    beginning, pieces = json.loads(Path("pieces.json").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    exec(compile(beginning, "main.py", "exec"), names)
    print("RESULTS " + json.dumps([_run(piece, dict(names)) for piece in pieces]))


def _run(piece: str, names: dict[str, object]) -> tuple[str, str | None]:
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(piece, "main.py", "exec"), names)
    except Exception as error:  # the failure of a piece is its result
        return output.getvalue(), f"{type(error).__name__}: {error}"
    return output.getvalue(), None


if __name__ == "__main__":
    main()
