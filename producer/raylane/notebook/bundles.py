"""What a notebook may show of each class, by media type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.handle import AnyHandle
from raylane.history import HistoryEntry
from raylane.listed import HistoryList, SourceList
from raylane.notebook import html
from raylane.notebook.answers import answer_pieces, chart_bundle, item_pieces
from raylane.notebook.jobs import (
    entry_pieces,
    handle_pieces,
    history_table,
    jobs_table,
    record_pieces,
    result_pieces,
    summary_pieces,
)
from raylane.notebook.sources import source_pieces, sources_table
from raylane_common.showing import HTML
from raylane_common.wire.answer import Answer, AnswerChart, AnswerFile, AnswerTable, AnswerValue
from raylane_common.wire.base import BaseResult
from raylane_common.wire.jobs import JobList, JobRecord, JobSummary
from raylane_common.wire.sources import FileSource, TableSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.showing import Bundle


def html_of(value: object) -> str:
    """Returns the HTML of an answer, a result, a record, a source, or a part of an answer; else the empty text.

    Everything in it that comes from outside is escaped.

    Example:
        job = await producer.generate("sum of amount", session_id="ada", execute=True)
        page = f"<!doctype html><body>{html_of(await job.record())}</body>"
        print(len(page))
    """
    pieces = "".join(item_pieces(value) if isinstance(value, AnswerChart) else _pieces(value))
    return html.whole(pieces) if pieces else ""


def bundle_of(value: object) -> Bundle:
    """Returns what a notebook may show of the value; nothing for a class that has nothing to show."""
    if isinstance(value, AnswerChart):
        return chart_bundle(value)
    shown = html_of(value)
    if not shown:
        return {}
    charts = [item for item in value.items if isinstance(item, AnswerChart)] if isinstance(value, Answer) else []
    is_one_chart = isinstance(value, Answer) and len(charts) == len(value.items) == 1
    return {HTML: shown} | (chart_bundle(charts[0]) if is_one_chart else {})


def _pieces(value: object) -> Iterable[str]:
    match value:
        case Answer():
            return answer_pieces(value)
        case AnswerTable() | AnswerValue() | AnswerFile():
            return item_pieces(value)
        case JobRecord():
            return record_pieces(value)
        case JobSummary():
            return summary_pieces(value)
        case AnyHandle():
            return handle_pieces(value)
        case HistoryEntry():
            return entry_pieces(value)
        case BaseResult():
            return result_pieces(value)  # type: ignore[arg-type]  # results of other classes show nothing
        case FileSource() | TableSource():
            return source_pieces(value)
        case JobList():
            return [jobs_table(value)]
        case SourceList():
            return [sources_table(value)]
        case HistoryList():
            return [history_table(value)]
        case _:
            return ()
