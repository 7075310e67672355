"""The output of a command: results on stdout, notes on stderr; as plain lines, or with rich on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TextIO

import typer

from raylane.cli.columns import aligned
from raylane_common.safe_text import safe_json, safe_line, safe_lines, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pydantic import BaseModel, JsonValue
    from rich.status import Status

    from raylane.cli.columns import Column
    from raylane_common.errors import ErrorInfo
    from raylane_common.wire.jobs import JobEvent, Progress


_PIECE_BYTES: Final = 1024 * 1024

# Text in a column that is narrower is harder to read than lines that the terminal breaks.
_LEAST_COLUMNS: Final = 20


class OutputError(Exception):
    """Stdout cannot be written, for a reason such as a full disk."""


def _print(text: str, end: str = "\n") -> None:
    _write(text + end)


def _write(content: str | bytes) -> None:
    try:
        typer.echo(content, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the output: {error.strerror}") from error


def _is_terminal(stream: TextIO | None) -> bool:
    """Returns whether the stream is a terminal. A stream that was closed before the program started is None."""
    return stream is not None and stream.isatty()


class Terminal:
    """Stdout and stderr of one command. With `as_json`, only JSON is printed to stdout.

    Names, cells, messages and the output of runs are outside text, so each method makes what it prints safe. `line` and
    the cells of `table` stay on one line, so that no text can forge another line.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.job_id: str | None = None
        """The job that continues if the command stops waiting."""
        self.interrupted = "interrupted"
        """What to print if the command is interrupted before it has a job."""
        self._line_is_open = False
        self._print_above: Callable[[str], None] | None = None

    @property
    def width(self) -> int | None:
        """The columns of stdout; None if it is no terminal."""
        return shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else None

    def can_show(self, text: str) -> bool:
        """Returns whether the encoding of stdout has these characters."""
        try:
            text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def line(self, text: str) -> None:
        """Prints one line of a result."""
        self._end_line()
        _print(safe_line(text))

    def item(self, head: str, text: str) -> None:
        """Prints one line of a result. On a terminal that is too narrow, the text continues below its beginning."""
        self._end_line()
        head, shown, width = safe_line(head), safe_line(text), self.width
        if width is None or width - len(head) < _LEAST_COLUMNS:
            _print(head + shown)
            return
        # Words that are longer than a line, such as addresses, stay whole: the terminal breaks them, and they can be
        # copied.
        lines = textwrap.wrap(shown, width - len(head), break_long_words=False, break_on_hyphens=False) or [""]
        _print(head + f"\n{'':<{len(head)}}".join(lines))

    def text(self, text: str, prefix: str = "") -> None:
        """Prints the lines of code, output or another text under a heading, each after the prefix."""
        self._end_line()
        start = safe_line(prefix)
        _print("\n".join(start + line for line in safe_lines(text)))

    def partial_text(self, text: str) -> None:
        """Prints part of a text without ending the line. Any other output then starts on a new line."""
        shown = safe_text(text)
        _print(shown, end="")
        self._line_is_open = not shown.endswith("\n") if shown else self._line_is_open

    def picture(self, sequence: str) -> None:
        """Prints a picture, which is a sequence of controls that we have made."""
        self._end_line()
        _print(sequence)

    def copy(self, file: Path) -> None:
        """Copies a file to stdout, byte by byte; to a terminal, its lines made safe."""
        self._end_line()
        with file.open("rb") as opened:
            if _is_terminal(sys.stdout):
                for line in opened:
                    _print("\n".join(safe_lines(line.decode(errors="replace").rstrip("\n"))))
                return
            while piece := opened.read(_PIECE_BYTES):
                _write(piece)

    def note(self, text: str) -> None:
        """Prints a message that is not part of the result, on stderr. Its further lines are indented."""
        self._end_line()
        shown = "\n  ".join(safe_lines(text))
        if self._print_above is None:
            typer.echo(shown, err=True)
        else:
            self._print_above(shown)

    def models(self, *models: BaseModel, many: bool = False) -> None:
        """Prints one model as JSON, or with `many` all models as one JSON list."""
        documents = [safe_json(model.model_dump_json()) for model in models]
        _print(f"[{','.join(documents)}]" if many else documents[0])

    def json(self, value: JsonValue) -> None:
        """Prints a value as JSON."""
        _print(safe_json(json.dumps(value, ensure_ascii=False)))

    def job(self, job_id: str) -> None:
        """Prints the id of a job that the command does not wait for."""
        if self.as_json:
            self.json({"job_id": job_id})
        else:
            self.line(job_id)
            self.note(f"enqueued; raylane follow {job_id}")

    def error(self, error: ErrorInfo) -> None:
        """Prints an error with its code, and the end of the output if a run failed."""
        if self.as_json:
            # Not by pydantic: arguments that are not UTF-8 arrive as lone surrogates, which it cannot write.
            self.json(error.model_dump(mode="json"))
            return
        self.note(f"error: {error.message} [{error.code}]")
        for line in _run_output(error.details):
            self.note(line)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """Prints a table. On a terminal it is made to fit, and a note names the columns that had no room.

        Elsewhere every cell is printed in full, because a program may read it.
        """
        self._end_line()
        columns = [replace(column, title=_on_one_line(column.title)) for column in columns]
        cells = [[_on_one_line(cell) for cell in row] for row in rows]
        width = self.width
        if width is None:
            for line in aligned([[column.title for column in columns], *cells]):
                _print(line)
            return
        from raylane.cli.fitting import fitted

        table = fitted(columns, cells, width, "…" if self.can_show("…") else "...")
        for line in table.head:
            _print(line if os.environ.get("NO_COLOR") else typer.style(line, bold=True))
        for line in table.lines:
            _print(line)
        if table.hidden:
            self.note(f"not shown in {width} columns: {', '.join(table.hidden)}")

    def _end_line(self) -> None:
        if self._line_is_open:
            _print("")
            self._line_is_open = False

    @contextmanager
    def status(self) -> Iterator[Callable[[str], None]]:
        """Shows one line on stderr that changes, if that is a terminal."""
        if not _is_terminal(sys.stderr):
            yield lambda _: None
            return
        from rich.text import Text

        with self._status("") as (status, _):
            yield lambda line: status.update(Text(safe_line(line)))

    @contextmanager
    def progress(self, job_id: str, *, output: bool, talks: bool = True) -> Iterator[Callable[[JobEvent], None]]:
        """Shows a job's events on stderr: as one status line on a terminal, else line by line.

        The `output` of a run is printed above the status line, if it is wanted. Generated text is not shown, because
        the result has it. Unless it `talks`, nothing is shown line by line.
        """
        if not _is_terminal(sys.stderr) and not talks:
            yield lambda _: None
            return
        if not _is_terminal(sys.stderr):
            yield lambda event: _show_event(event, job_id, self.note, self.note if output else None)
            return
        from rich.text import Text

        with self._status(f"{job_id}  waiting") as (status, above):
            yield lambda event: _show_event(
                event,
                job_id,
                lambda line: status.update(Text(safe_line(line))),
                (lambda line: above(safe_text(line))) if output else None,
            )

    @contextmanager
    def _status(self, text: str) -> Iterator[tuple[Status, Callable[[str], None]]]:
        """Yields a line that changes, and what prints above it. Notes are printed there, too."""
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True)

        def print_above(line: str) -> None:
            console.print(Text(line))

        with console.status(Text(text)) as status:
            self._print_above = print_above
            try:
                yield status, print_above
            finally:
                self._print_above = None


def _on_one_line(text: str) -> str:
    return " ".join(safe_lines(text)).replace("\t", " ")


def event_line(event: JobEvent) -> str:
    """Returns an event on one line, without the output of a run."""
    if event.type == "gap":
        lost = "1 earlier event is" if event.missing == 1 else f"{event.missing or 'some'} earlier events are"
        return f"\N{HORIZONTAL ELLIPSIS} {lost} no longer kept"
    words = [str(event.status or "")]
    if event.status is not None and event.attempt is not None and event.attempt > 1:
        words.append(f"(attempt {event.attempt})")
    if event.progress is not None:
        words.append(progress_line(event.progress))
    if event.error is not None and event.status is not None:
        words.append(
            event.error.code if event.status.is_final else f"after: {event.error.message} [{event.error.code}]"
        )
    return " ".join(word.strip() for word in words if word.strip())


def progress_line(progress: Progress) -> str:
    """Returns the progress of a job on one line."""
    words = [f"{progress.stage}:", progress.message]
    if progress.done is not None:
        total = "" if progress.total is None else f"/{progress.total}"
        words.append(f"{progress.done}{total} {progress.unit or ''}")
    return " ".join(word.strip() for word in words if word.strip())


def _show_event(
    event: JobEvent, job_id: str, status: Callable[[str], None], printed: Callable[[str], None] | None
) -> None:
    if event.line is not None or event.type == "gap":
        if printed is None:
            return
        for line in [event_line(event)] if event.line is None else safe_lines(event.line):
            printed(f"{job_id}  {line}")
    elif event.text is None:
        status(f"{job_id}  {event_line(event)}")


def _run_output(details: dict[str, JsonValue]) -> Iterator[str]:
    """Yields the end of a failed run's output. The other details are in the message already, or only for programs."""
    run = details.get("run")
    if isinstance(run, dict):
        yield f"  run {run.get('submission_id')} on {run.get('endpoint')}: {run.get('status')}, its output ends with:"
        for line in safe_text(str(run.get("output_tail") or "")).splitlines():
            yield f"    {line}"
