"""Parses which rows a follow-up keeps: "only where a > 3", "only 2024", "only rain", "without rain", "for all rows"."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from raylane_worker.generation.template import changes, phrases
from raylane_worker.generation.template.conditions import parse_conditions
from raylane_worker.generation.template.question import Comparison, Condition, is_ordered
from raylane_worker.generation.template.years import parse_years

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_worker.generation.template.name_cursor import NameCursor
    from raylane_worker.generation.template.question import Question, Value

_VALUES: Final = (Comparison.EQUAL, Comparison.IN)
# Another condition on the column makes these superfluous, or contradicts them.
_REPLACED: Final = (Comparison.EQUAL, Comparison.MISSING, Comparison.PRESENT)
_REPLACING: Final = (Comparison.EQUAL, Comparison.MISSING)


class _Place(NamedTuple):
    """A value among those of a column, or what is below (-1) or above (1) all of them."""

    side: int
    value: Any = None


_FIRST: Final = _Place(-1)
_LAST: Final = _Place(1)


def parse_rows(cursor: NameCursor, question: Question, *, added: bool) -> Question | None:
    """Takes a change of the rows. Returns the changed question, or None if no such change follows.

    `added` says that the present conditions stay. Otherwise a new one replaces those on its column, unless rows can
    meet both, as with a lower and an upper bound. If both may be meant, the cursor chooses.
    """
    if cursor.take(phrases.ALL_AGAIN):
        return _without_conditions(question, question.conditions)
    if cursor.take(phrases.WITHOUT_ON):
        column = cursor.take_column()
        return _without_conditions(question, [one for one in question.conditions if one.column == column])
    if cursor.take("without|except"):
        added = True
        new: Sequence[Condition] = _parse_values(cursor, question, is_without=True)
    elif (found := _parse_kept(cursor, question)) is None:
        return None
    else:
        new = found
    return _with_conditions(cursor, question, new, added=added)


def _without_conditions(question: Question, conditions: Sequence[Condition]) -> Question:
    if not conditions:
        changes.refuse("the earlier question has no such condition")
    return replace(question, conditions=tuple(one for one in question.conditions if one not in conditions))


def _parse_kept(cursor: NameCursor, question: Question) -> Sequence[Condition] | None:
    only = cursor.take(phrases.ONLY)
    if cursor.take("where"):
        return parse_conditions(cursor)
    if (condition := parse_years(cursor, question, only=only)) is not None:
        return [condition]
    if not only and not cursor.take("with"):
        return None
    if cursor.is_at_column():
        return parse_conditions(cursor)
    if not only:
        cursor.refuse()
    return _parse_values(cursor, question, is_without=False)


def _parse_values(cursor: NameCursor, question: Question, *, is_without: bool) -> Sequence[Condition]:
    """Takes texts of the column by which the question groups."""
    key = changes.text_key(question)
    if key is None or cursor.at_end:
        cursor.refuse("say which column, as in \"only where a = 'x'\"")
    values = [_take_value(cursor)]
    while cursor.take(", and|,|and|or"):
        values.append(_take_value(cursor))
    values = [*dict.fromkeys(values)]
    if is_without:
        return [Condition(key, Comparison.UNEQUAL, (one,)) for one in values]
    return [Condition(key, Comparison.EQUAL if len(values) == 1 else Comparison.IN, tuple(values))]


def _take_value(cursor: NameCursor) -> str:
    token = None if cursor.at_end else cursor.tokens[cursor.position]
    is_value = token is not None and (
        token.quoted
        or (
            token.is_text
            and not cursor.is_at_column()
            and not cursor.is_next(phrases.NOT_VALUES)
            and not any(cursor.is_next(names) for names, _ in phrases.STATISTICS)
            and (cursor.position + 1 == len(cursor.tokens) or cursor.is_next(phrases.AFTER_VALUE, skip=1))
        )
    )
    if not is_value:
        cursor.refuse("put a text value between quotes")
    return cursor.take_token().text


def _with_conditions(cursor: NameCursor, question: Question, new: Sequence[Condition], *, added: bool) -> Question:
    """Returns the question about the rows that meet the new conditions, and those of its own that stay."""
    kept: list[Condition] = []
    for one in question.conditions:
        others = [other for other in new if other.column == one.column]
        if added and any(_exclude(one, other) for other in others):
            cursor.refuse(f"no row meets both conditions on {one.column.name!r}; name all its values at once")
        if added or all(_stays(cursor, one, other) for other in others):
            kept.append(one)
    return replace(question, conditions=(*kept, *(one for one in new if one not in kept)))


def _stays(cursor: NameCursor, old: Condition, new: Condition) -> bool:
    """Returns whether the old condition stays beside a new one on its column: if only both together make sense."""
    if old.comparison in _REPLACED or new.comparison in _REPLACING or _exclude(old, new):
        return False
    if old.comparison in _VALUES and new.comparison in _VALUES:
        return False
    olds, news = _range(old), _range(new)
    if olds is None or news is None:
        return cursor.choose(2) == 1
    (low, high), (first, last) = olds, news
    if (low <= first and last <= high) or (first <= low and high <= last):
        return False
    is_half = Comparison.BETWEEN not in (old.comparison, new.comparison)
    return is_half or cursor.choose(2) == 1


def _exclude(one: Condition, other: Condition) -> bool:
    """Returns whether no row can meet both conditions, which are on one column."""
    if one.comparison in _VALUES and other.comparison in _VALUES:
        return not {*one.values} & {*other.values}
    first, second = _range(one), _range(other)
    return first is not None and second is not None and (first[1] < second[0] or second[1] < first[0])


def _range(condition: Condition) -> tuple[_Place, _Place] | None:
    """Returns the bounds of a condition on numbers, dates or times; None if it is another one."""
    if not is_ordered(condition.column) or not condition.values:
        return None
    low = _Place(0, _comparable(condition.values[0], time.min))
    # A day that times are compared with is the whole day.
    high = _Place(0, _comparable(condition.values[-1], time.max))
    match condition.comparison:
        case Comparison.EQUAL | Comparison.BETWEEN:
            return low, high
        case Comparison.GREATER:
            return high, _LAST
        case Comparison.GREATER_EQUAL:
            return low, _LAST
        case Comparison.LESS:
            return _FIRST, low
        case Comparison.LESS_EQUAL:
            return _FIRST, high
        case _:
            return None


def _comparable(value: Value, clock: time) -> Value:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, clock)
    return value
