"""Decides the type of a column of text by all its cells. See docs/decisions/0029."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from raylane_common.errors import InvalidFile
from raylane_common.wire.names import ColumnType
from raylane_worker.data.column_types import numbers
from raylane_worker.data.column_types.cells import trimmed
from raylane_worker.data.column_types.dates import date_forms, time_form
from raylane_worker.data.column_types.form import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

# A few cells leave out most forms, and cost nothing.
_SAMPLE_CELLS: Final = 20
_SHOWN_CHARACTERS: Final = 60
# A column of numbers with a few words in it is worth a hint, one of words with a few numbers is not.
_NEARLY_ALL: Final = 0.9
_INT64_LIMIT: Final = 2.0**63

TEXT: Final = Form(ColumnType.STRING, "(?s:.*)", lambda cells: cells)
_BOOLEAN: Final = Form(
    ColumnType.BOOLEAN, "(?i:true|false)", lambda cells: compute.match_substring_regex(cells, "^(?i:true)$")
)
_SAID_BOOLEAN: Final = Form(
    ColumnType.BOOLEAN,
    "(?i:true|false|t|f|yes|no|y|n|1|0)",
    lambda cells: compute.match_substring_regex(cells, "^(?i:true|t|yes|y|1)$"),
)
_MOMENTS: Final = (ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME)


@dataclass(frozen=True)
class Decision:
    """The form of a column, the Arrow type of its values, and what may surprise."""

    form: Form
    arrow_type: pa.DataType
    warnings: tuple[str, ...] = ()

    def convert(self, cells: pa.Array) -> pa.Array:
        """Returns the values of cells that have this form."""
        if self.form is TEXT:
            return cells
        return self.form.convert(trimmed(cells)).cast(self.arrow_type)


class Decider:
    """Sees all cells of one column, batch by batch, and keeps the forms that all of them have."""

    def __init__(self, name: str, said: ColumnType | None, *, only_dates: bool = False) -> None:
        """`said` is the type that the user names; `only_dates` keeps text that is no date as it is."""
        self._name = name
        self._said = said
        self._only_dates = only_dates
        self._forms: list[Form] | None = None
        self._rows = 0
        self._seen = 0
        self._magnitude = 0.0
        self._has_point = self._has_comma = self._has_code = self._has_fraction = self._has_digits = False
        self._examples: list[str] = []
        self._misfit: str | None = None

    @property
    def has_values(self) -> bool:
        """Whether any cell has a value."""
        return self._seen > 0

    @property
    def is_text(self) -> bool:
        """Whether the cells so far have no form but that of text."""
        return not self._forms

    @property
    def mark(self) -> str | None:
        """The decimal mark, if the cells can only be numbers with this one."""
        marks = {form.mark for form in self._numbers()}
        return marks.pop() if self._has_mark and len(marks) == 1 else None

    @property
    def _has_mark(self) -> bool:
        return self._has_point or self._has_comma

    def observe(self, cells: pa.Array) -> None:
        """Drops the forms that a cell does not have. `cells` have null for missing values.

        Raises `InvalidFile` for a cell that does not have the type that the user says.
        """
        self._rows += len(cells)
        present = trimmed(cells.drop_null())
        if not len(present) or self._said is ColumnType.STRING:
            self._seen += len(present)
            return
        if self._forms is None:
            sample = present.slice(0, _SAMPLE_CELLS).to_pylist()
            self._examples = list(dict.fromkeys(sample))[:2]
            self._forms = [form for form in self._possible(sample) if form.may_fit(sample)] or []
        kept = [form for form in self._forms if form.fits(present)]
        if self._said is not None and not kept:
            self._refuse(cells)
        if self._forms and not kept:
            self._note_misfit(self._forms[0], present)
        self._forms = kept
        self._seen += len(present)
        if kept:
            self._note(present)

    def decide(self, file_mark: str | None, date_order: str | None) -> Decision:
        """Returns the form of all cells. `file_mark` is the decimal mark of the file, `date_order` that of its dates.

        None for them means that they are not known.
        """
        forms = self._forms or []
        first = forms[0] if forms else TEXT
        if first.type is ColumnType.INTEGER:
            return Decision(first, _integer_type(self._magnitude))
        if first.type in _MOMENTS:
            return self._decide_dates([form for form in forms if form.type is first.type], date_order)
        if first.type is ColumnType.NUMBER:
            return self._decide_numbers(forms, file_mark)
        if first is _BOOLEAN or first is _SAID_BOOLEAN:
            return Decision(first, pa.bool_())
        return Decision(TEXT, pa.string(), self._text_warnings())

    def _possible(self, sample: list[str]) -> Iterator[Form]:
        match self._said:
            case ColumnType.INTEGER:
                yield numbers.said_integer_form()
                yield from (form for form in numbers.number_forms(sample) if form.written)
            case ColumnType.NUMBER:
                yield numbers.said_number_form()
                yield from (form for form in numbers.number_forms(sample) if form.written)
            case ColumnType.BOOLEAN:
                yield _SAID_BOOLEAN
            case ColumnType.DATE | ColumnType.TIMESTAMP:
                yield from (form for form in date_forms() if form.type is self._said)
            case ColumnType.TIME:
                yield time_form()
            case _:
                if not self._only_dates:
                    yield numbers.integer_form()
                    yield from numbers.number_forms(sample)
                    yield _BOOLEAN
                yield time_form()
                yield from date_forms()

    def _note(self, cells: pa.Array) -> None:
        """Remembers what matters for the choice among the forms that are left."""
        numeric = self._numbers()
        if self._forms and self._forms[0].type.is_numeric:
            values = self._forms[0].convert(cells).cast(pa.float64(), safe=False)
            self._magnitude += compute.sum(compute.abs(values), min_count=0).as_py()
        self._has_point = self._has_point or numbers.holds(cells, ".")
        if numeric:
            self._has_comma = self._has_comma or numbers.holds(cells, ",")
            self._has_code = self._has_code or numbers.has_code(cells)
            self._has_fraction = self._has_fraction or numbers.has_fraction(cells)
            self._has_digits = self._has_digits or numbers.has_digits(cells)

    def _numbers(self) -> list[Form]:
        return [form for form in self._forms or () if form.type is ColumnType.NUMBER]

    def _decide_dates(self, forms: list[Form], date_order: str | None) -> Decision:
        orders = dict.fromkeys(form.mark for form in forms)
        chosen = forms[0] if len(orders) == 1 else next((form for form in forms if form.mark == date_order), None)
        if chosen is None:
            shown = " and ".join(map(repr, self._examples))
            doubt = (
                f"column {self._shown_name} stays text: in cells such as {shown} it is not clear what is the day and "
                "what the month; use --date-order dmy, mdy or ymd"
            )
            return Decision(TEXT, pa.string(), (doubt,))
        types = {ColumnType.DATE: pa.date32(), ColumnType.TIME: pa.time64("us") if self._has_point else pa.time32("s")}
        return Decision(chosen, types.get(chosen.type) or chosen.convert(pa.nulls(0, pa.string())).type)

    def _decide_numbers(self, forms: list[Form], file_mark: str | None) -> Decision:
        is_code = self._has_code and not self._has_fraction and self._said is None
        if is_code or not self._has_digits:
            return Decision(TEXT, pa.string(), self._text_warnings())
        marks = dict.fromkeys(form.mark for form in forms if form.mark)
        chosen = forms[0]
        if self._has_mark and len(marks) > 1:
            fitting = [form for form in forms if form.mark == file_mark]
            if not fitting:
                shown = " and ".join(map(repr, self._examples))
                doubt = (
                    f"column {self._shown_name} stays text: in cells such as {shown} the decimal mark may be '.' or ','"
                    "; use --decimal . or --decimal ,"
                )
                return Decision(TEXT, pa.string(), (doubt,))
            chosen = fitting[0]
        is_whole = bool(chosen.written) and not (self._has_point if chosen.mark == "." else self._has_comma)
        return Decision(chosen, _integer_type(self._magnitude) if is_whole else pa.float64())

    def _text_warnings(self) -> tuple[str, ...]:
        return (self._misfit,) if self._misfit else ()

    def _note_misfit(self, form: Form, cells: pa.Array) -> None:
        """Remembers a hint for a column that is nearly all numbers or dates."""
        looks = compute.match_substring_regex(cells, f"^(?:{form.pattern})$")
        fitting = compute.sum(looks.cast(pa.int64()), min_count=0).as_py() + self._seen
        place = form.first_misfit(cells)
        if place is None or fitting < _NEARLY_ALL * (self._seen + len(cells)):
            return
        value = cells[place].as_py()[:_SHOWN_CHARACTERS]
        self._misfit = (
            f"column {self._shown_name} is text, because it holds {value!r} beside cells of type {form.type}; "
            "use --null to count such words as missing"
        )

    def _refuse(self, cells: pa.Array) -> None:
        start = self._rows - len(cells)
        valid = (index for index in range(len(cells)) if cells[index].is_valid)
        place = next((index for index in valid if not self._fits_any(cells.slice(index, 1))), 0)
        value = str(cells[place].as_py())[:_SHOWN_CHARACTERS]
        raise InvalidFile(
            f"types.{self._name}: row {start + place + 1} holds {value!r}, which is not of type {self._said}; "
            f"correct it, leave out --type {self._name}={self._said}, or use --null to count such words as missing",
            details={"column": self._name, "row": start + place + 1},
        )

    def _fits_any(self, cell: pa.Array) -> bool:
        sample = [trimmed(cell)[0].as_py()]
        return any(form.may_fit(sample) and form.fits(trimmed(cell)) for form in self._possible(sample))

    @property
    def _shown_name(self) -> str:
        return repr(self._name[:_SHOWN_CHARACTERS])


def _integer_type(magnitude: float) -> pa.DataType:
    """Returns a type in which the sum of all values has room, whatever their signs."""
    return pa.int64() if magnitude < _INT64_LIMIT else pa.decimal128(38, 0)


def file_mark(deciders: list[Decider], found: str, said: str | None, delimiter: str) -> str | None:
    """Returns the decimal mark of a file; None if nothing tells it.

    `said` is what the user says, `found` what the dialect suggests. Commas that are not delimiters separate thousands.
    """
    if said is not None:
        return said
    marks = {mark for decider in deciders if (mark := decider.mark) is not None}
    if len(marks) == 1:
        return marks.pop()
    if marks or found == ",":
        return "," if not marks else None
    return "." if delimiter == "," else None
