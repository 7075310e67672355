"""Reads the sentence `interpreted_as` back into an intent, knowing nothing of the generator but its words."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from tests.fuzz.template.intents import ROWS, STATISTICS, Condition, Intent, Measure
from tests.fuzz.template.tables import FILENAME

if TYPE_CHECKING:
    from tests.fuzz.template.tables import Cell

_STRING: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_DAYS: Final = {"on": "=", "not on": "!=", "after": ">", "not before": ">=", "before": "<", "not after": "<="}
_NAMES: Final = r"\[\d+\](?:, \[\d+\])*"
_VALUE: Final = r"(?:the day )?(?:\[\d+\]|[\w.+-]+(?: \d\d:\d\d:\d\d)?)"
_MEASURE: Final = rf"{ROWS}|(?:{'|'.join(map(re.escape, STATISTICS))}) of \[\d+\]"


def read_sentence(sentence: str) -> Intent:
    """Returns the intent. Raises `AssertionError` if the sentence has another form than those that are known."""
    texts: list[str] = []

    def keep(match: re.Match[str]) -> str:
        texts.append(ast.literal_eval(match.group()))
        return f"[{len(texts) - 1}]"

    plain = _STRING.sub(keep, sentence).partition(";")[0]
    assert plain.endswith(f" in {FILENAME}"), sentence
    plain, _, conditions = plain.removesuffix(f" in {FILENAME}").partition(" where ")
    plain = plain.removesuffix(" over the rows")
    reader = _Reader(texts)
    return replace(reader.operation(plain), conditions=reader.conditions(conditions))


class _Reader:
    def __init__(self, texts: list[str]) -> None:
        self._texts = texts

    def operation(self, plain: str) -> Intent:
        if plain == "All rows":
            return Intent("preview")
        if found := re.fullmatch(r"The first (?:row|(\d+) rows)", plain):
            return Intent("preview", limit=int(found[1] or 1))
        if plain == "The columns and their types":
            return Intent("columns")
        for kind, form in (
            ("describe", r"Summary statistics of (.+)"),
            ("missing", r"The number of missing values of (.+)"),
            ("distinct", r"The distinct (?:values|combinations) of (.+) with their frequency"),
        ):
            if found := re.fullmatch(form, plain):
                return Intent(kind, self._names(found[1]))
        if found := re.fullmatch(r"The (?:row|(\d+) rows) with the (largest|smallest) (\[\d+\])", plain):
            limit, descending = int(found[1] or 1), found[2] == "largest"
            return Intent("top_rows", self._names(found[3]), limit=limit, descending=descending)
        groups = rf"The (?:group|(\d+) groups) by ({_NAMES}) with the (largest|smallest) ({_MEASURE})"
        if found := re.fullmatch(groups, plain):
            rank, keys = self._measure(found[4]), self._names(found[2])
            limit, descending = int(found[1] or 1), found[3] == "largest"
            return Intent("aggregate", measures=(rank,), keys=keys, limit=limit, descending=descending)
        found = re.fullmatch(rf"The ((?:{_MEASURE})(?: and the (?:{_MEASURE}))*)(?: for each ({_NAMES}))?", plain)
        assert found, plain
        measures = tuple(self._measure(one) for one in found[1].split(" and the "))
        return Intent("aggregate", measures=measures, keys=self._names(found[2]) if found[2] else ())

    def conditions(self, plain: str) -> tuple[Condition, ...]:
        found = []
        forms = (
            rf"(?P<name>\[\d+\]) is (?P<missing>(?:not )?missing)"
            rf"|(?P<name2>\[\d+\]) is between (?P<low>{_VALUE}) and (?P<high>{_VALUE}) \(both included\)"
            rf"|(?P<name3>\[\d+\]) is one of (?P<listed>{_VALUE}(?:, {_VALUE})*)"
            rf"|(?P<name4>\[\d+\]) is (?P<day>(?:not )?(?:on|after|before)) (?P<days>{_VALUE}(?: or {_VALUE})*)"
            rf"|(?P<name5>\[\d+\]) (?P<sign>[<>!=]=?|contains) (?P<value>{_VALUE})"
        )
        position = 0
        while position < len(plain):
            match = re.compile(rf"(?:{forms})(?: and |$)").match(plain, position)
            assert match, plain[position:]
            position = match.end()
            name = self._text(next(match[key] for key in ("name", "name2", "name3", "name4", "name5") if match[key]))
            if match["missing"]:
                found.append(Condition(name, match["missing"]))
            elif match["low"]:
                found.append(Condition(name, "between", (self._value(match["low"]), self._value(match["high"]))))
            elif match["listed"]:
                found.append(Condition(name, "in", tuple(map(self._value, match["listed"].split(", ")))))
            elif match["day"]:
                values = tuple(map(self._value, match["days"].split(" or ")))
                sign = _DAYS[match["day"]]
                found.append(Condition(name, "in" if len(values) > 1 else sign, values))
            else:
                found.append(Condition(name, match["sign"], (self._value(match["value"]),)))
        return tuple(found)

    def _names(self, listed: str) -> tuple[str, ...]:
        return tuple(map(self._text, listed.split(", ")))

    def _text(self, placeholder: str) -> str:
        return self._texts[int(placeholder[1:-1])]

    def _measure(self, plain: str) -> Measure:
        if plain == ROWS:
            return Measure(ROWS)
        statistic, _, name = plain.rpartition(" of ")
        return Measure(statistic, self._text(name))

    def _value(self, plain: str) -> Cell:
        plain = plain.removeprefix("the day ")
        if plain.startswith("["):
            return self._text(plain)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", plain):
            return date.fromisoformat(plain)
        if re.match(r"\d{4}-\d\d-\d\d ", plain):
            return datetime.fromisoformat(plain)
        found = ast.literal_eval(plain)
        assert isinstance(found, int | float)
        return found
