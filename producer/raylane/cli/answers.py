"""Prints an answer, and below it how the prompt was read and who wrote the code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.cli.answer_options import SHOWN, STDOUT, AnswerOptions, ExportOptions
from raylane.cli.export import export
from raylane.cli.render import renders, show, show_code, show_run
from raylane_common.wire.names import JobKind

if TYPE_CHECKING:
    from raylane.answers.layout import Layout
    from raylane.cli.answer_options import ShownOptions
    from raylane.cli.terminal import Terminal
    from raylane.history import HistoryEntry
    from raylane.producer import Producer
    from raylane_common.wire.answer import Answer, AnswerChart
    from raylane_common.wire.generate import GenerateResult
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.kinds import Result


_RUN_NOTHING: Final = (JobKind.UPLOAD, JobKind.TABLES)


async def show_result(
    producer: Producer, job_id: str, result: Result, terminal: Terminal, options: AnswerOptions
) -> None:
    """Prints the result of any job, then writes and opens what the options ask for.

    Raises what `export` raises.
    """
    from raylane_common.wire.generate import GenerateResult

    answer: Answer | None = getattr(result, "answer", None)
    if terminal.as_json:
        terminal.models(result)
    elif isinstance(options, ExportOptions) and options.csv == STDOUT:
        pass  # whoever reads it expects nothing else
    elif isinstance(result, GenerateResult):
        show_generated(job_id, result, terminal, options)
    else:
        if answer is not None and show_answer(job_id, answer, terminal, options):
            terminal.line("")
        show(result, terminal)
    await export(producer, job_id, answer, terminal, options)


def show_job(record: JobRecord, terminal: Terminal, options: ShownOptions) -> None:
    """Prints the answer of a job, or as long as it has none, its run."""
    if record.kind in _RUN_NOTHING:
        return  # the models of answers and runs are not loaded for it
    from raylane.history import HistoryEntry
    from raylane_common.wire.generate import GenerateResult

    if isinstance(record.result, GenerateResult):
        terminal.line("")
        show_generated(record.id, record.result, terminal, options)
    else:
        _show_entry(HistoryEntry.from_record(record), terminal, code=options.code, is_one_of_many=False)


def show_entry(entry: HistoryEntry, terminal: Terminal) -> None:
    """Prints the answer, the code and the run of a job in the history."""
    _show_entry(entry, terminal, code=True, is_one_of_many=True)


def _show_entry(entry: HistoryEntry, terminal: Terminal, *, code: bool, is_one_of_many: bool) -> None:
    if entry.answer is not None:
        terminal.line("")
        show_answer(entry.job_id, entry.answer, terminal, SHOWN, is_one_of_many=is_one_of_many)
    if code and entry.code is not None:
        show_code(entry.code, terminal)
    if entry.run is not None:
        terminal.line("")
        show_run(entry.run, terminal)


@renders("GenerateResult")
def show_generate_result(result: GenerateResult, terminal: Terminal) -> None:
    """Prints the answer, and what it answers."""
    show_generated(terminal.job_id or "JOB", result, terminal, SHOWN)


def show_generated(job_id: str, result: GenerateResult, terminal: Terminal, options: ShownOptions) -> None:
    """Prints the answer, then what it answers. Code that was not run is printed, because it is the result."""
    if result.answer is not None:
        if show_answer(job_id, result.answer, terminal, options):
            terminal.line("")
    elif result.run is not None and not options.log:
        show_run(result.run, terminal)  # an older worker has only the output
        terminal.line("")
    terminal.line(f"read as: {result.interpreted_as}")
    terminal.line(_written_by(result))
    if result.versions and (doubt := result.versions[-1].doubt):
        terminal.note(f"note: {doubt}")
    if options.code or result.run is None:
        show_code(result.code, terminal)
    if options.log and result.run is not None:
        terminal.line("")
        show_run(result.run, terminal)


def show_answer(
    job_id: str, answer: Answer, terminal: Terminal, options: ShownOptions, *, is_one_of_many: bool = False
) -> bool:
    """Prints an answer; returns whether that was anything.

    Charts are drawn on a terminal, or if asked for; else a note says how to get them, unless there are many answers.
    """
    from raylane.answers.text import answer_lines, chart_line
    from raylane_common.wire.answer import AnswerChart

    layout = _layout(job_id, terminal)
    lines = answer_lines(answer, layout)
    charts = [item for item in answer.items if isinstance(item, AnswerChart)]
    wanted, is_hidden = (options.chart, options.no_chart) if isinstance(options, AnswerOptions) else (None, False)
    is_drawn = wanted == STDOUT or (wanted is None and terminal.width is not None)
    for line in lines:
        terminal.line(line)
    left = 0
    for number, chart in enumerate(charts if not is_hidden else ()):
        if lines or number:
            terminal.line("")
        if not (is_drawn and _draw(chart, layout, terminal)):
            terminal.line(chart_line(chart))
            left += 1
    if left and wanted is None and not is_one_of_many:
        terminal.note(f"raylane result {job_id} --chart FILE.svg draws {'it' if left == 1 else 'them'}")
    return bool(lines or (charts and not is_hidden))


def _draw(chart: AnswerChart, layout: Layout, terminal: Terminal) -> bool:
    """Prints the chart as a picture or as bars; returns whether the terminal could show it."""
    from raylane.answers.bars import bar_lines
    from raylane.cli.pictures import picture

    if drawn := picture(chart, terminal):
        terminal.picture(drawn)
        return True
    lines = bar_lines(chart, layout)
    for line in lines:
        terminal.line(line)
    return bool(lines)


def _layout(job_id: str, terminal: Terminal) -> Layout:
    from raylane.answers.layout import MAX_ROWS, Layout

    return Layout(
        width=terminal.width,
        max_rows=None if terminal.width is None else MAX_ROWS,
        blocks=terminal.can_show("█▏…"),
        command=f"raylane result {job_id}",
    )


def _written_by(result: GenerateResult) -> str:
    facts = [f"engine {result.engine}", f"version {len(result.versions)}"]
    if result.run is None:
        facts.append("not run")
    else:
        facts.append(f"run {result.run.submission_id}")
        if result.run.started_at_ms is not None and result.run.ended_at_ms is not None:
            facts.append(f"{(result.run.ended_at_ms - result.run.started_at_ms) / 1000:.1f} s on Ray")
    return f"written by {result.model or result.generator} ({', '.join(facts)})"
