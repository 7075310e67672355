"""Makes a script explain a compared text that no row has, and note texts that may be meant as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.question import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Condition

_COMPARED: Final = (Comparison.EQUAL, Comparison.UNEQUAL, Comparison.IN, Comparison.CONTAINS)

# A block yields at most this many similar and other values of a column.
_LOOK: Final = '''\
def plain(texts):
    """Returns the texts in lower case, without spaces and signs."""
    return pc.replace_substring_regex(pc.utf8_lower(texts), pattern=r"[^\\pL\\pN]", replacement="")


def look(table):
    """Finds the compared texts in one block, with values that are spelled similarly and a few others."""
    found = []
    for number, (name, wanted, is_part) in enumerate(COMPARED):
        texts = pc.drop_null(pc.unique(table[name].cast(pa.string())))
        letters = plain(pa.array([wanted]))[0].as_py()
        compare = pc.match_substring if is_part else pc.equal
        same = compare(texts, wanted)
        similar = pc.and_not(compare(plain(texts), letters), same) if letters else pc.and_not(same, same)
        other = pc.invert(pc.or_(same, similar))
        for kind, chosen in (("same", same), ("similar", similar), ("other", other)):
            found += [(number, kind, text) for text in texts.filter(chosen)[:5].to_pylist()]
    columns = zip(*found) if found else ([], [], [])
    return pa.table(dict(zip(["number", "kind", "text"], columns)), schema=LOOKED)


def is_unknown(ds):
    """Returns whether no row has one of the compared texts. Prints it then, and values that are spelled similarly."""
    found = {}
    for row in ds.map_batches(look, batch_format="pyarrow", batch_size=None).iter_rows():
        found.setdefault((row["number"], row["kind"]), set()).add(row["text"])
    unknown = False
    for number, (name, wanted, is_part) in enumerate(COMPARED):
        is_known = (number, "same") in found
        similar = sorted(found.get((number, "similar"), []))[:5]
        other = sorted(found.get((number, "other"), []))[:5]
        said = ", ".join(repr(text[:80]) for text in similar or other)
        compared = f"{'contains' if is_part else 'is'} {wanted!r}"
        if not is_known:
            others = f"it has values such as {said}." if said else "it is empty."
            print(f"No value of {name!r} {compared}; {f'did you mean {said}?' if similar else others}")
            unknown = True
        elif similar:
            print(f"Note: {name!r} also has {said}, spelled differently from {wanted!r}.")
    return unknown'''
# "level is empty" asks for missing values, but a level may be the text `empty`, or in a table the text "".
_NOT_MISSING: Final = '''\
def not_missing(table):
    """Finds the texts in one block that say that there is no value."""
    found = []
    for name in ASKED:
        texts = pc.drop_null(pc.unique(table[name].cast(pa.string())))
        words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
        named = texts.filter(pc.is_in(words, value_set=pa.array(["", "empty", "missing", "null"])))
        found += [{"name": name, "text": text} for text in named.to_pylist()]
    return pa.Table.from_pylist(found, schema=pa.schema([("name", pa.string()), ("text", pa.string())]))


def note_not_missing(ds):
    """Prints these texts, because they are values."""
    found = {}
    for row in ds.map_batches(not_missing, batch_format="pyarrow", batch_size=None).iter_rows():
        found.setdefault(row["name"], set()).add(row["text"])
    for name in sorted(found):
        texts = ", ".join(repr(text[:80]) for text in sorted(found[name])[:5])
        print(f"Note: not counted as missing in {name!r}: {texts}.")'''


def explain_unknown_texts(script: ScriptBuilder, conditions: Sequence[Condition]) -> None:
    """Ends the script with an explanation if the conditions name a text that no row of the dataset `ds` has.

    No answer is printed then: zero rows, or all rows, would look like one.
    """
    compared = [
        (one.column.name, value, one.comparison is Comparison.CONTAINS)
        for one in conditions
        if one.column.type is ColumnType.STRING and one.comparison in _COMPARED
        for value in one.values
    ]
    if not compared:
        return
    script.import_module("pyarrow as pa")
    script.import_module("pyarrow.compute as pc")
    schema = 'pa.schema([("number", pa.int64()), ("kind", pa.string()), ("text", pa.string())])'
    script.add_function(f"COMPARED = {compared!r}\nLOOKED = {schema}\n\n\n{_LOOK}")
    script.add_statements("if is_unknown(ds):", "    raise SystemExit")


def note_texts_that_say_missing(script: ScriptBuilder, columns: Iterable[Column]) -> None:
    """Prints a note if the columns, whose missing values are asked for, have texts such as `empty`."""
    asked = [one.name for one in columns if one.type is ColumnType.STRING]
    if not asked:
        return
    script.import_module("pyarrow as pa")
    script.import_module("pyarrow.compute as pc")
    script.add_function(f"ASKED = {asked!r}\n\n\n{_NOT_MISSING}")
    script.add_statements("note_not_missing(ds)")
