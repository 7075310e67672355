"""Executes notebooks, and compares what they print with what is stored in them.

`python -m tests.helpers.notebooks` starts servers and a worker, and stores what the examples print.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nbformat
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTEBOOKS: Final = Path(__file__).parents[2] / "examples" / "notebook"
_CELL_S: Final = 300
# What differs from run to run: what Ray prints beside the answer, ids, moments and durations.
_VARYING: Final = (
    (re.compile(r"<summary>run [^<]*</summary><pre>.*?</pre>", re.DOTALL), "OUTPUT"),
    (re.compile(r"\brl-[\w-]+"), "RUN"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "MOMENT"),
    (re.compile(r"\b\d+\.\d s\b"), "SECONDS"),
)


def executed(path: Path, env: Mapping[str, str], directory: Path) -> Any:  # nbformat has no types
    """Returns the notebook after all its cells have run in the directory. Raises the error of a cell."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.pop("outputs", None)
    resources = {"metadata": {"path": str(directory)}}
    client = NotebookClient(notebook, timeout=_CELL_S, kernel_name="python3", resources=resources)
    own = {name: str(directory / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")}
    client.execute(env={**env, **own})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it began and ended
    return notebook


def printed(notebook: Any) -> list[tuple[str, list[dict[str, str]]]]:
    """Returns each cell of code with what it printed, by media type, without what varies."""
    return [
        (cell.source, [_shown(output) for output in cell.outputs])
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _shown(output: Any) -> dict[str, str]:
    data = output["data"] if "data" in output else {output.get("name", "error"): output.get("text", output)}
    # The repr of a model has every field of it.
    return {media: _steady(str(text)) for media, text in data.items() if media != "text/plain" or len(data) == 1}


def _steady(text: str) -> str:
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


def main() -> None:
    """Stores what the notebooks print."""
    from raylane_worker.testing.stack import running_stack

    with ExitStack() as opened:
        directory = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        stack = opened.enter_context(running_stack())
        opened.enter_context(stack.worker(directory / "worker.log"))
        for path in sorted(NOTEBOOKS.glob("*.ipynb")):
            notebook = executed(path, {**os.environ, **stack.env}, directory)
            nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
