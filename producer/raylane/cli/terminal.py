"""Where a command prints: results on stdout, talk on stderr. Plain lines, or rich where a person is looking."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import BaseModel, JsonValue

    from raylane_common.errors import ErrorInfo
    from raylane_common.wire.jobs import JobEvent, Progress

# File names, cells and output come from elsewhere; none of them may steer the reader's terminal.
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_LINE_END: Final = re.compile(r"\r\n?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without colours, with all line ends as newlines, and with what else would steer a terminal replaced."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _LINE_END.sub("\n", _COLOUR.sub("", text)))


class Terminal:
    """Stdout and stderr of one command. With `as_json`, stdout holds nothing but JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.job_id: str | None = None
        """The job that goes on when the caller's patience ends."""
        self._in_line = False

    def text(self, text: str = "") -> None:
        """Prints lines of a result."""
        self._end_line()
        typer.echo(clean(text))

    def piece(self, text: str) -> None:
        """Prints a piece of a text as it is; the next line begins on a line of its own."""
        shown = clean(text)
        typer.echo(shown, nl=False)
        self._in_line = not shown.endswith("\n") if shown else self._in_line

    def say(self, text: str) -> None:
        """Prints talk."""
        self._end_line()
        typer.echo(clean(text), err=True)

    def models(self, *models: BaseModel, many: bool = False) -> None:
        """Prints one model as JSON, or all of them as one JSON list if `many`."""
        documents = [model.model_dump_json() for model in models]
        typer.echo(f"[{','.join(documents)}]" if many else documents[0])

    def json(self, value: JsonValue) -> None:
        """Prints a value as JSON."""
        typer.echo(json.dumps(value, ensure_ascii=False))

    def job(self, job_id: str) -> None:
        """Prints the id of a job that nobody waits for."""
        if self.as_json:
            self.json({"job_id": job_id})
        else:
            self.text(job_id)
            self.say(f"enqueued; raylane follow {job_id}")

    def error(self, error: ErrorInfo) -> None:
        """Prints an error: what went wrong, what to do, its code; and the output of a run that failed."""
        if self.as_json:
            # Arguments that are no UTF-8 come in as lone surrogates, which JSON cannot hold.
            self.models(error.model_copy(update={"message": clean(error.message)}))
            return
        self.say(f"error: {error.message} [{error.code}]")
        for line in _output(error.details):
            self.say(line)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Prints a table. Nothing is cut: cells fold where a person looks, and keep their line elsewhere."""
        cells = [[clean(cell).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text

            table = Table()
            for name in columns:
                table.add_column(Text(clean(name)), overflow="fold")
            for row in cells:
                table.add_row(*map(Text, row))
            Console().print(table)
            return
        lines = [[clean(name) for name in columns], *cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def _end_line(self) -> None:
        if self._in_line:
            typer.echo()
            self._in_line = False

    @contextmanager
    def progress(self, job_id: str) -> Iterator[Callable[[JobEvent], None]]:
        """Shows a job's events on stderr: as a status line that changes, or line by line where nobody looks.

        What a run prints stands above that line. Generated text is left out: it comes with the result.
        """
        if not sys.stderr.isatty():
            yield lambda event: self._tell(event, job_id, self.say, self.say)
            return
        from rich.console import Console
        from rich.text import Text

        console = Console(stderr=True)
        with console.status(Text(f"{job_id}  waiting")) as status:
            yield lambda event: self._tell(
                event,
                job_id,
                lambda line: status.update(Text(clean(line))),
                lambda line: console.print(Text(clean(line))),
            )

    def _tell(self, event: JobEvent, job_id: str, now: Callable[[str], None], printed: Callable[[str], None]) -> None:
        if event.line is not None:
            for line in event.line.split("\n"):
                printed(f"{job_id}  {line}")
        elif event.text is None:
            now(f"{job_id}  {event_line(event)}")


def event_line(event: JobEvent) -> str:
    """An event in one line, but for what a run printed."""
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
    """How far a job has come, in one line."""
    words = [f"{progress.stage}:", progress.message]
    if progress.done is not None:
        total = "" if progress.total is None else f"/{progress.total}"
        words.append(f"{progress.done}{total} {progress.unit or ''}")
    return " ".join(word.strip() for word in words if word.strip())


def _output(details: dict[str, JsonValue]) -> Iterator[str]:
    """What a failed run printed. The rest of an error's details is in its message, or for programs."""
    run = details.get("run")
    if isinstance(run, dict):
        yield f"  run {run.get('submission_id')} on {run.get('endpoint')}: {run.get('status')}, its output ends with:"
        for line in str(run.get("output_tail") or "").splitlines():
            yield f"    {line}"
