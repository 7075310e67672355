"""Every accepted prompt has the answer that DuckDB gives for the reading that it states.

Most prompts are phrasings of a known intent, some of which leave words out or have a word more; then the stated reading
must be that intent. The others are phrasings with words deleted or replaced, and words in any order.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date
from random import Random
from typing import TYPE_CHECKING, Any

from raylane_common.errors import RaylaneError
from raylane_worker.generation.template.generator import write
from tests.fuzz.template.intents import Intent, answer, has_unknown_text
from tests.fuzz.template.prompts import (
    CHANGING,
    KEEPING,
    draw_intent,
    insert_word,
    soup,
    write_loose_phrase,
    write_phrase,
)
from tests.fuzz.template.sentences import read_sentence
from tests.fuzz.template.tables import make_tables
from tests.helpers.kit import kit, run_script
from tests.helpers.typed_rows import rows, same

if TYPE_CHECKING:
    from tests.fuzz.template.tables import Table
    from tests.helpers.kit import Ran


@dataclass
class Counts:
    """How the prompts were answered. `ran` is the number of those whose script ran."""

    seed: int
    prompts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    ran: int = 0

    def report(self) -> str:
        accepted = {kind: number for kind, number in self.prompts.items() if kind.startswith("accepted")}
        lines = [f"seed {self.seed}: {self.prompts.total() - sum(accepted.values())} prompts"]
        lines += [f"  {kind}: {number}" for kind, number in sorted(self.prompts.items())]
        lines += [f"  refused, {code}: {number}" for code, number in self.refused.most_common()]
        return "\n".join([*lines, f"wrong: {len(self.wrong)}", *self.wrong[:20]])


def fuzz(prompts: int, seed: int) -> Counts:
    """Tries that many prompts over 50 tables."""
    chance, counts = Random(seed), Counts(seed)
    tables = make_tables(chance)
    objects = {uri: data for table in tables for uri, data in table.objects.items()}
    with kit(objects, [table.source for table in tables]) as package:
        for number in range(prompts):
            table = tables[number % len(tables)]
            intent = draw_intent(chance, table)
            phrase = write_phrase(chance, intent)
            attempt = _Attempt(counts, table, package)
            match number % 5:
                case 0 | 1:
                    attempt.ask("phrases", phrase, intent)
                case 2:
                    attempt.ask("phrases that leave words out", write_loose_phrase(chance, intent), intent)
                case 3:
                    word = chance.choice(CHANGING + KEEPING)
                    changed = insert_word(chance, phrase, word)
                    attempt.ask("phrases with another word", changed, intent if word in KEEPING else None, word)
                case _:
                    other = write_phrase(chance, draw_intent(chance, table))
                    attempt.ask("soups", soup(chance, table, [phrase, other]))
    return counts


@dataclass(frozen=True)
class _Attempt:
    """A prompt about a table. `package` is the kit, which has all tables."""

    counts: Counts
    table: Table
    package: Any  # a module

    def ask(self, kind: str, prompt: str, intent: Intent | None = None, word: str = "") -> None:
        """Writes the script, compares its reading with the intent, runs it, and compares its answer with DuckDB's."""
        counts, table = self.counts, self.table
        counts.prompts[kind] += 1
        try:
            draft = write(prompt, [table.source])
        except RaylaneError as error:
            counts.refused[error.code] += 1
            return
        counts.prompts[f"accepted {kind}"] += 1
        described = f"{prompt!r} on {table.types}: {draft.interpreted_as!r}"
        stated = read_sentence(draft.interpreted_as)
        if intent is not None and _plain(stated) != _plain(intent):
            counts.wrong.append(f"{described} instead of {intent}")
            return
        if word in CHANGING and not re.search(rf"\b{re.escape(word)}\b", draft.interpreted_as):
            counts.wrong.append(f"{described} without {word!r}")
            return
        counts.ran += 1
        if problem := _problem(run_script(draft.code, self.package), stated, table):
            counts.wrong.append(f"{described}: {problem}")


def _problem(ran: Ran, stated: Intent, table: Table) -> str:
    """Returns what is wrong with the answer; "" if nothing is."""
    if ran.answer is None:
        return f"the script failed: {ran.error}"
    if has_unknown_text(stated, table):
        is_explained = not ran.answer.items and "No value of" in "".join(ran.answer.notes)
        return "" if is_explained else f"a text is unknown, but it answers {ran.answer}"
    expected = [[_cell(cell) for cell in row] for row in answer(stated, table)]
    found = [row[:1] if stated.kind == "columns" else row for row in rows(ran.answer)]
    matches = bool(ran.answer.items) and len(found) == len(expected) and all(map(same, found, expected))
    return "" if matches else f"DuckDB has {expected}, it answers {found}"


def _cell(value: Any) -> Any:
    """Returns a value as answers have it; a date or a timestamp as text."""
    return value.isoformat() if isinstance(value, date) else value


def _plain(intent: Intent) -> Intent:
    """Returns the intent with a list of one value as an equality, and each measure once."""
    conditions = tuple(
        replace(one, sign="=") if one.sign == "in" and len(one.values) == 1 else one for one in intent.conditions
    )
    return replace(intent, conditions=conditions, measures=tuple(dict.fromkeys(intent.measures)))
