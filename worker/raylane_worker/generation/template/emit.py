"""Writes the script that answers a question. Every path, name and value is written with `repr`, so it stays data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import Engine
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.builder import build
from raylane_worker.generation.template.charts import is_drawn
from raylane_worker.generation.template.emit_distributed import add_distributed
from raylane_worker.generation.template.emit_local import add_local
from raylane_worker.generation.template.labels import variable_name
from raylane_worker.generation.template.question import Comparison, CountMissing, ListColumns
from raylane_worker.generation.template.values import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Question

_COMPARED: Final = (Comparison.EQUAL, Comparison.UNEQUAL, Comparison.IN, Comparison.CONTAINS)
# More texts are required in a loop.
_MAX_REQUIRED: Final = 2


def emit_script(question: Question, header: str, *, engine: Engine, chart: bool) -> str:
    """Returns the script with the header as its first line. `chart` says whether it draws one that fits."""

    def write(script: ScriptBuilder) -> None:
        script.import_names("raylane_run", "answer")
        name = variable_name(question.source)
        script.import_names("raylane_run", "read")
        script.add(f"{name} = read({quoted(question.source.location)})")
        if isinstance(question.operation, ListColumns):
            _list_columns(script, name, question, engine)
            return
        _require_texts(script, name, question)
        _note_missing_words(script, name, question)
        add = add_local if engine is Engine.LOCAL else add_distributed
        add(script, name, question, chart=is_drawn(question, automatic=chart))

    return build(header, write)


def _list_columns(script: ScriptBuilder, name: str, question: Question, engine: Engine) -> None:
    script.import_module("pandas as pd")
    columns = columns_of(question.source)
    # Ray knows no columns of a file without rows.
    names = (
        f"{name}.columns" if engine is Engine.LOCAL else f"{name}.columns() or {listed(one.name for one in columns)}"
    )
    script.add(
        f"names = {names}",
        f"types = {listed(map(_type, columns))}",
        'answer.table(pd.DataFrame({"column": names, "type": types}))',
    )


def _type(column: Column) -> str:
    return column.native_type if column.type is ColumnType.OTHER else str(column.type)


def _require_texts(script: ScriptBuilder, name: str, question: Question) -> None:
    """Ends the script with a note if a condition names a text that no row has: zero rows would look like an answer."""
    calls = [*dict.fromkeys(_required(question))]
    if calls:
        script.import_names("raylane_run", "require_text")
    if len(calls) <= (1 if script.compact else _MAX_REQUIRED):
        for column, texts, contains in calls:
            arguments = ", ".join(map(quoted, (column, *texts)))
            script.add(f"require_text({name}, {arguments}{', contains=True' if contains else ''})")
        return
    required = [
        f"({quoted(column)}, {quoted(text)}, {contains})" for column, texts, contains in calls for text in texts
    ]
    script.add(
        f"for column, text, is_part in [{', '.join(required)}]:",
        f"    require_text({name}, column, text, contains=is_part)",
    )


def _required(question: Question) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    for one in question.conditions:
        if one.column.type is ColumnType.STRING and one.comparison in _COMPARED:
            yield one.column.name, tuple(map(str, one.values)), one.comparison is Comparison.CONTAINS


def _note_missing_words(script: ScriptBuilder, name: str, question: Question) -> None:
    """Notes that columns whose missing values are asked for have texts such as `empty`, which are values."""
    comparisons = (Comparison.MISSING, Comparison.PRESENT)
    found = [one.column for one in question.conditions if one.comparison in comparisons]
    if isinstance(question.operation, CountMissing):
        found += question.operation.columns
    if names := [*dict.fromkeys(one.name for one in found if one.type is ColumnType.STRING)]:
        script.import_names("raylane_run", "note_missing_words")
        script.add(f"note_missing_words({name}, {', '.join(map(quoted, names))})")
