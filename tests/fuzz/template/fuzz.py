"""Every accepted prompt has the answer that DuckDB gives for the reading that it states.

Most prompts are phrasings of a known intent, some of which leave words out or have a word more; then the stated reading
must be that intent. The others are phrasings with words deleted or replaced, and words in any order.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
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
from tests.helpers.printed import table as printed_table
from tests.helpers.ray_double import run_script

if TYPE_CHECKING:
    from tests.fuzz.template.tables import Table


@dataclass
class Counts:
    """What became of the prompts. `scripts` are those that were accepted, with their table and what they printed."""

    seed: int
    prompts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    scripts: list[tuple[Table, str, str]] = field(default_factory=list)

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
    for number in range(prompts):
        table = tables[number % len(tables)]
        intent = draw_intent(chance, table)
        phrase = write_phrase(chance, intent)
        match number % 5:
            case 0 | 1:
                _try(counts, "phrases", phrase, table, intent)
            case 2:
                _try(counts, "phrases that leave words out", write_loose_phrase(chance, intent), table, intent)
            case 3:
                word = chance.choice(CHANGING + KEEPING)
                changed = insert_word(chance, phrase, word)
                _try(counts, "phrases with another word", changed, table, intent if word in KEEPING else None, word)
            case _:
                other = write_phrase(chance, draw_intent(chance, table))
                _try(counts, "soups", soup(chance, table, [phrase, other]), table)
    return counts


def _try(counts: Counts, kind: str, prompt: str, table: Table, intent: Intent | None = None, word: str = "") -> None:
    counts.prompts[kind] += 1
    try:
        draft = write(prompt, [table.source], small=True)
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
    output = run_script(draft.code, {table.source.location: table.data})
    counts.scripts.append((table, draft.code, output))
    if problem := _problem(output, stated, table):
        counts.wrong.append(f"{described}: {problem}")


def _problem(output: str, stated: Intent, table: Table) -> str:
    """Returns what is wrong with the printed answer; "" if nothing is."""
    if has_unknown_text(stated, table):
        return "" if "No value of" in output and "-\n" not in output else f"a text is unknown, but it prints {output}"
    expected = answer(stated, table)
    rows = printed_table(output)
    if stated.kind == "columns":
        rows = [row[:1] for row in rows]
    matches = len(rows) == len(expected) and all(
        len(row) == len(cells) and all(map(_same, row, cells)) for row, cells in zip(rows, expected, strict=True)
    )
    return "" if matches else f"DuckDB has {expected}, it prints {output}"


def _same(text: str, value: Any) -> bool:
    if value is None:
        return text == "null"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return text != "null" and math.isclose(float(text), value, rel_tol=1e-5, abs_tol=1e-6)
    return text == str(value).replace("|", "\\|")


def _plain(intent: Intent) -> Intent:
    """Returns the intent with a list of one value as an equality, and each measure once."""
    conditions = tuple(
        replace(one, sign="=") if one.sign == "in" and len(one.values) == 1 else one for one in intent.conditions
    )
    return replace(intent, conditions=conditions, measures=tuple(dict.fromkeys(intent.measures)))
