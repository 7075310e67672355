"""What is known of one column of text, and the form that follows from it.

Everything known is true of a set of cells, so neither their order nor how they come in batches changes the form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa
from pyarrow import compute

from raylane_common.wire.names import ColumnType
from raylane_worker.data.column_types.cells import distinct, trimmed, without_markers
from raylane_worker.data.column_types.dates import AllMoments, Moments, as_timestamps, possible_styles
from raylane_worker.data.column_types.decorated import DecoratedNumbers
from raylane_worker.data.column_types.forms import (
    ANY_BOOLEANS,
    ARROW_TYPES,
    STRING,
    Booleans,
    Form,
    Missing,
    Texts,
    fits,
)
from raylane_worker.data.column_types.plain import AnyNumbers, Floats, Integers, PlainNumbers
from raylane_worker.data.quoted import clipped, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Of a batch with at least `_FEW_CELLS`, the first ones are looked at alone: if they are words, the rest is skipped.
_FIRST_CELLS: Final = 32
_FEW_CELLS: Final = 1024
_MAYBE_NUMBER: Final = re.compile("[0-9]|^-?inf", re.IGNORECASE)
_SHOWN_DATES: Final = 2
# A column of numbers with a few words in it is worth a hint, one of words with a few numbers is not.
_NEARLY_ALL: Final = 0.9
_LOOKS: Final = (
    ("^-?[1-9][0-9]{0,17}$|^0$", ColumnType.INTEGER),
    (r"^-?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?$", ColumnType.NUMBER),
    ("^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[T ].*)?$", ColumnType.DATE),
)
_NUMBERS: Final = (ColumnType.INTEGER, ColumnType.NUMBER)
_MOMENTS: Final = (ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.TIME)
_DATES_ONLY: Final = frozenset(_MOMENTS)


@dataclass(frozen=True)
class Marks:
    """What is known of the whole file: the decimal mark, None if unknown, and the order of the parts of dates.

    `is_said` says that the user gives the decimal mark, `is_mixed` that columns prove different ones, and
    `comma_delimits` that commas separate cells.
    """

    decimal: str | None = None
    date_order: str | None = None
    is_said: bool = False
    is_mixed: bool = False
    comma_delimits: bool = False


@dataclass(frozen=True)
class Decision:
    """How a column is read. `warning` names a doubt. It is final if only a misfit in later cells can change it."""

    form: Form
    warning: str | None = None
    is_final: bool = True


@dataclass(frozen=True)
class Followed:
    """Whether a column is written as an option of the whole file says. `problem` tells how it is written otherwise."""

    option: Literal["decimal", "date_order"]
    problem: str | None


@dataclass
class ColumnCells:
    """What is known of the cells of a column. `asked` is the type that the user wants, if any."""

    name: str
    markers: pa.StringArray
    asked: ColumnType | None = None
    only_dates: bool = False
    has_values: bool = False
    _plain: PlainNumbers = field(default_factory=PlainNumbers)
    _decorated: DecoratedNumbers = field(default_factory=DecoratedNumbers)
    _moments: AllMoments = field(default_factory=AllMoments)
    _are_booleans: bool = True
    _seen: int = 0
    _first: str = ""
    _misfit: str | None = None
    _numbers_asked: dict[pa.DataType, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = {self.asked} if self.asked else _DATES_ONLY if self.only_dates else set(ColumnType)
        self._wants_numbers = bool(wanted & set(_NUMBERS))
        self._wants_moments = bool(wanted & set(_MOMENTS))
        self._are_booleans = ColumnType.BOOLEAN in wanted
        self._booleans = ANY_BOOLEANS if self.asked else Booleans()
        if self.asked in _NUMBERS:
            self._numbers_asked = {ARROW_TYPES[self.asked]: True}

    def is_open(self) -> bool:
        """Returns whether the column may be something else than text."""
        return self.is_number_possible or self.is_moment_possible or self._are_booleans

    @property
    def is_number_possible(self) -> bool:
        return self._wants_numbers and (
            self._plain.is_possible or self._decorated.is_possible or any(self._numbers_asked.values())
        )

    @property
    def is_moment_possible(self) -> bool:
        return self._wants_moments and self._moments.is_possible

    def see(self, cells: pa.StringArray) -> None:
        """Takes more cells into account."""
        if self.has_values and not self.is_open():
            return
        first = len(cells) if len(cells) < _FEW_CELLS else _FIRST_CELLS
        self._see(cells.slice(0, first))
        self._see(cells.slice(first))

    def _see(self, cells: pa.StringArray) -> None:
        if not len(cells):
            return
        known = without_markers(trimmed(cells), self.markers).drop_null()
        self.has_values |= len(known) > 0
        if not len(known) or not self.is_open():
            return
        each = distinct(known)
        if self._are_booleans:
            self._are_booleans = fits(self._booleans, each)
        if self._wants_numbers:
            self._see_numbers(each)
        if self.is_moment_possible:
            self._moments.see(each)
        if not self.is_open() and self.asked is None and not self.only_dates:
            self._note_misfit(known)
        self._first = self._first or known[0].as_py()
        self._seen += len(known)

    def _note_misfit(self, cells: pa.StringArray) -> None:
        """Remembers a hint if nearly all cells look like numbers or dates, and one does not."""
        for pattern, kind in _LOOKS:
            if self._seen and not re.search(pattern, self._first):
                continue
            looks = compute.match_substring_regex(cells, pattern)
            if looks.false_count and looks.true_count + self._seen >= _NEARLY_ALL * (len(cells) + self._seen):
                odd = cells.filter(compute.invert(looks))[0].as_py()
                self._misfit = (
                    f"column {self._shown} is text, because it holds {quoted(odd)} among cells of type {kind}; "
                    "use --null to count such words as missing values"
                )
                return
        some = distinct(cells).slice(0, _FIRST_CELLS).to_pylist()
        if self._wants_moments and all(any(style.order for style in possible_styles(cell)) for cell in some):
            self._misfit = (
                f"column {self._shown} is text, because its cells look like dates but are not all written in the same "
                f"way, or do not exist: {_listed(some[:_SHOWN_DATES])}"
            )

    def _see_numbers(self, each: pa.StringArray) -> None:
        here = PlainNumbers()
        if not _MAYBE_NUMBER.search(each[0].as_py()):
            self._plain.is_possible = False
            self._decorated.plain.clear()
        if self._plain.is_possible or self._decorated.is_possible:
            here.see(each)
        self._plain.add(here)
        if self._decorated.is_possible:
            self._decorated.see(each, here)
        for arrow_type, was_fitting in self._numbers_asked.items():
            self._numbers_asked[arrow_type] = was_fitting and fits(AnyNumbers(arrow_type), each)

    def sure_mark(self) -> str | None:
        """Returns the decimal mark that the numbers of this column prove."""
        return self._decorated.sure_mark if self._wants_numbers else None

    def decision(self, marks: Marks) -> Decision:
        """Returns how the column is read, in a file with these marks.

        The form is `Texts` if the cells do not have the type that the user wants.
        """
        if self.asked is ColumnType.STRING:
            return Decision(Texts())
        if not self.has_values:
            return Decision(Missing(ARROW_TYPES[self.asked] if self.asked else STRING))
        if self._are_booleans:
            return Decision(self._booleans)
        found = self._numbers(marks) if self._wants_numbers else None
        if found is None and self.is_moment_possible:
            found = self._moment(marks)
        return found or Decision(Texts(), self._misfit, is_final=not self.is_open())

    def followed(self, marks: Marks, form: Form) -> Iterator[Followed]:
        """Yields the options of the user that say something about this column, which is read in this form."""
        orders = self._moments.orders_of_numbers() if self.is_moment_possible else []
        is_unclear = isinstance(form, Texts) and self._moments.form(marks.date_order) is None
        if marks.date_order and orders and (isinstance(form, Moments) or is_unclear):
            how = f"its dates{_such(self._moments.examples)} are written {_either(orders)}"
            yield Followed("date_order", None if marks.date_order in orders else how)
        found = self._decorated.possible_marks or ["."] * self._plain.has_point
        if marks.is_said and found and column_type(form.type) in _NUMBERS:
            how = f"its numbers{_such(self._decorated.examples)} have the decimal mark {_either(map(repr, found))}"
            yield Followed("decimal", None if marks.decimal in found else how)

    def _numbers(self, marks: Marks) -> Decision | None:
        """Returns None if the cells are not numbers, or must stay text."""
        plain, decorated = self._plain, self._decorated
        style = decorated.style(marks.decimal, comma_delimits=marks.comma_delimits) if decorated.is_possible else None
        form: Form | None = None
        doubt = None
        if plain.is_possible:
            if plain.has_point and marks.is_mixed and decorated.is_possible and style is None:
                return Decision(Texts(), self._doubtful_numbers(), is_final=False)
            has_groups = plain.has_point and style is not None and style.decimal == ","
            form = decorated.form(style) if style is not None and has_groups else plain.form()
            doubt = self._doubtful_point(marks, has_groups=has_groups) if decorated.may_have_points_for_groups else None
        elif decorated.is_possible:
            if style is None:
                return Decision(Texts(), self._doubtful_numbers(), is_final=False)
            if decorated.has_odd_units:
                return Decision(Texts(), self._odd_units(), is_final=False)
            form = decorated.form(style)
        if form is None and plain.is_possible and plain.is_changed and self.asked is None:
            return Decision(Texts(), self._long_numbers(), is_final=False)
        if self.asked is not None:
            form = self._as_asked(form)
        return Decision(form, doubt) if form is not None else None

    def _doubtful_point(self, marks: Marks, *, has_groups: bool) -> str | None:
        """Returns a warning for numbers such as 1.234, if only other columns decide what they are, or nothing does."""
        if marks.is_said or self.asked is not None:
            return None
        shown = _listed(self._decorated.examples)
        if has_groups:
            return (
                f"column {self._shown}: the points of {shown} are taken to separate thousands, because other columns "
                f"have decimal commas; if they do not, use --type {clipped(self.name)}=string"
            )
        if marks.decimal is None and not marks.comma_delimits:
            return (
                f"column {self._shown}: the points of {shown} are taken for decimal marks; if they separate "
                "thousands, use --decimal ,"
            )
        return None

    def _as_asked(self, form: Form | None) -> Form | None:
        """Returns the form with the type that the user wants, if the cells allow it."""
        if self.asked is ColumnType.NUMBER and isinstance(form, Integers) and not self._plain.is_changed:
            return Floats(has_point=True)
        if form is not None and (self.asked is ColumnType.NUMBER or _is_whole(form.type)):
            return form
        return next((AnyNumbers(each) for each, fits in self._numbers_asked.items() if fits), None)

    def _moment(self, marks: Marks) -> Decision | None:
        form = self._moments.form(marks.date_order or self._order_of_dots(marks))
        if form is None:
            shown = _listed(self._moments.examples)
            return Decision(
                Texts(),
                f"column {self._shown} stays text: in its dates, such as {shown}, the order of day, month and year is "
                f"not clear; use --date-order {_either(self._moments.orders_of_numbers())}",
                is_final=False,
            )
        style = form.style
        is_said = self.asked is not None or marks.date_order == style.order
        if not is_said and self._moments.may_be_versions(style):
            shown = _listed(self._moments.examples)
            return Decision(
                Texts(),
                f"column {self._shown} stays text: its cells, such as {shown}, may be dates, or something else such as "
                f"version numbers; if they are dates, use --date-order {style.order}",
                is_final=False,
            )
        found = as_timestamps(form) if self.asked is ColumnType.TIMESTAMP else form
        if self.asked is not None and column_type(found.type) is not self.asked:
            return None
        return Decision(found, is_final=is_said or self._moments.are_surely_dates(style))

    def _order_of_dots(self, marks: Marks) -> str | None:
        """31.1.2024 is written where 1,5 is, and there the day comes first."""
        return "dmy" if marks.decimal == "," and self._moments.has_dots else None

    def _doubtful_numbers(self) -> str:
        return (
            f"column {self._shown} stays text: in numbers such as {_listed(self._decorated.examples)} the mark may be "
            "a decimal mark or separate thousands; use --decimal . or --decimal ,"
        )

    def _long_numbers(self) -> str:
        return (
            f"column {self._shown} stays text, because its numbers have more digits than any type holds exactly; "
            f"use --type {clipped(self.name)}=number for rounded ones"
        )

    def _odd_units(self) -> str:
        units = sorted(unit or "no unit" for unit in self._decorated.units)
        if len(units) > 1:
            listed = ", ".join(units)
            return f"column {self._shown} stays text: its numbers have different units ({listed}); convert them to one"
        return (
            f"column {self._shown} stays text: all its numbers are in parentheses or end with a minus; write negative "
            "numbers as -5"
        )

    @property
    def _shown(self) -> str:
        return quoted(self.name)


def _listed(examples: Sequence[str]) -> str:
    return " and ".join(map(quoted, examples))


def _such(examples: Sequence[str]) -> str:
    return f", such as {_listed(examples)}," if examples else ""


def _either(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _is_whole(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_integer(arrow_type)) or (pa.types.is_decimal(arrow_type) and arrow_type.scale == 0)


def column_type(arrow_type: pa.DataType) -> ColumnType:
    """Returns the type that a column of this Arrow type has for people."""
    if _is_whole(arrow_type):
        return ColumnType.INTEGER
    kinds = (
        (pa.types.is_boolean, ColumnType.BOOLEAN),
        (pa.types.is_floating, ColumnType.NUMBER),
        (pa.types.is_decimal, ColumnType.NUMBER),
        (pa.types.is_string, ColumnType.STRING),
        (pa.types.is_date, ColumnType.DATE),
        (pa.types.is_time, ColumnType.TIME),
        (pa.types.is_timestamp, ColumnType.TIMESTAMP),
    )
    return next((kind for is_kind, kind in kinds if is_kind(arrow_type)), ColumnType.OTHER)
