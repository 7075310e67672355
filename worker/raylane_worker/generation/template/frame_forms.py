"""How pandas must hold a column so that a statistic of it, or grouping by it, is exact and keeps its type."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.held import is_decimal, is_whole, is_wide, may_be_missing, sum_may_overflow
from raylane_worker.generation.template.labels import measure_labels
from raylane_worker.generation.template.question import Statistic
from raylane_worker.generation.template.values import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Aggregate

_AVERAGES: Final = (Statistic.MEAN, Statistic.MEDIAN, Statistic.STD)


class Form(Enum):
    """How a column is held. The value is the code that makes it of the column as it is read."""

    AS_READ = ""
    WHOLE = '.astype("Int64")'
    TRUTH = '.astype("boolean")'
    FLOAT = '.astype("float64")'
    EXACT = '.astype("Int64").astype(object)'
    """Python's integers, whose sum does not overflow."""
    DECIMAL = '.map(Decimal, na_action="ignore")'
    """Python's decimals, which pandas does not take for floats, of numbers that need more than 64 bits."""


_TYPES: Final = {Form.WHOLE: "Int64", Form.TRUTH: "boolean", Form.FLOAT: "float64"}


def form_for(statistic: Statistic, column: Column) -> Form:
    """Returns how pandas must hold the column for the statistic."""
    if is_decimal(column):
        return Form.FLOAT if statistic in _AVERAGES else Form.AS_READ
    if not is_whole(column):
        return Form.AS_READ
    if statistic in _AVERAGES:
        return Form.FLOAT if sum_may_overflow(column) else Form.AS_READ
    if is_wide(column):
        return Form.AS_READ if statistic is Statistic.DISTINCT else Form.DECIMAL
    if sum_may_overflow(column):
        return Form.EXACT if statistic is Statistic.SUM else Form.WHOLE
    return Form.WHOLE if may_be_missing(column) and statistic is not Statistic.DISTINCT else Form.AS_READ


def form_of_key(column: Column) -> Form:
    """Returns how pandas must hold a key, so that groups are sorted and keep their type."""
    if is_decimal(column) or is_wide(column):
        return Form.DECIMAL
    if is_whole(column) and (may_be_missing(column) or sum_may_overflow(column)):
        return Form.WHOLE
    if column.type is ColumnType.BOOLEAN and may_be_missing(column):
        return Form.TRUTH
    return Form.AS_READ


def in_form(script: ScriptBuilder, series: str, form: Form) -> str:
    """Returns the code of a column in this form."""
    if form is Form.DECIMAL:
        script.import_names("decimal", "Decimal")
    return f"{series}{form.value}"


def add_forms(script: ScriptBuilder, frame: str, source: Source, operation: Aggregate) -> list[str]:
    """Brings columns into the forms that keys and measures need. Returns the column that each measure uses."""
    forms = {key: form_of_key(key) for key in operation.keys}
    added: dict[tuple[Column, Form], str] = {}
    places: list[str] = []
    names = measure_labels(operation.measures, [column.name for column in columns_of(source)])
    for measure, new in zip(operation.measures, names, strict=True):
        column = measure.column
        if column is None:
            places.append("")
            continue
        form = form_for(measure.statistic, column)
        # A second form of a column becomes a column of its own.
        is_first = forms.setdefault(column, form) is form
        places.append(column.name if is_first else added.setdefault((column, form), new))
    made = [(new, in_form(script, f"{frame}[{quoted(one.name)}]", form)) for (one, form), new in added.items()]
    made += [
        (one.name, in_form(script, f"{frame}[{quoted(one.name)}]", form))
        for one, form in forms.items()
        if form in (Form.EXACT, Form.DECIMAL)
    ]
    if made:
        script.add(script.mapping(made, f"{frame} = {frame}.assign(**", ")"))
    if types := [(one.name, quoted(_TYPES[form])) for one, form in forms.items() if form in _TYPES]:
        script.add(script.mapping(types, f"{frame} = {frame}.astype(", ")"))
    return places


def with_whole_numbers(script: ScriptBuilder, frame: str, columns: Iterable[Column]) -> str:
    """Returns the code of the frame with whole numbers as such also where some are missing."""
    whole = [column for column in columns if is_whole(column) and may_be_missing(column)]
    wide = [column.name for column in whole if is_wide(column)]
    names = [column.name for column in whole if not is_wide(column)]
    if len(names) == 1:
        frame = f'{frame}.astype({{{quoted(names[0])}: "Int64"}})'
    elif names:
        frame = f'{frame}.astype(dict.fromkeys({listed(names)}, "Int64"))'
    if not wide:
        return frame
    # Those that pandas holds as floats, because they are small, would look like numbers with a fraction.
    exact = [(name, in_form(script, f"lambda rows: rows[{quoted(name)}]", Form.DECIMAL)) for name in wide]
    return script.mapping(exact, f"{frame}.assign(**", ")")
