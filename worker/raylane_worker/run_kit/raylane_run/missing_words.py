"""`note_missing_words`: notes texts such as `empty`, which are values, where missing values are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .answer import answer

if TYPE_CHECKING:
    import pyarrow as pa

_WORDS: Final = ("", "empty", "missing", "null")
_MAX_NAMED: Final = 5
_MAX_CHARACTERS: Final = 80


def note_missing_words(data: Any, *columns: str) -> None:
    """Adds a note for each of the columns of text that has a text which says that there is no value, such as `empty`.

    `data` is a frame or a dataset. Such a text is a value, and not missing, so people may expect another answer.
    Raises `KeyError` if there is no such column.
    """
    for column, texts in _found(data, columns).items():
        named = ", ".join(repr(text[:_MAX_CHARACTERS]) for text in sorted(texts)[:_MAX_NAMED])
        answer.note(f"Not counted as missing in {column!r}: {named}.")


def _found(data: Any, columns: tuple[str, ...]) -> dict[str, set[str]]:  # a DataFrame or a Dataset
    import pyarrow as pa

    found: dict[str, set[str]] = {}
    if hasattr(data, "map_batches"):
        if missing := [name for name in columns if name not in data.columns()]:
            raise KeyError(missing[0])
        blocks = data.select_columns([*dict.fromkeys(columns)])
        for row in blocks.map_batches(_look, batch_format="pyarrow", batch_size=None).iter_rows():
            found.setdefault(row["column"], set()).add(row["text"])
        return found
    for name in columns:
        texts = pa.array(map(str, data[name].dropna().unique()), pa.string())
        if named := _words(texts).to_pylist():
            found[name] = set(named)
    return found


def _look(table: pa.Table) -> pa.Table:
    """Finds the texts in one block."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pairs = [
        (name, text)
        for name in table.column_names
        for text in _words(pc.drop_null(pc.unique(table[name].cast(pa.string())))).to_pylist()
    ]
    names, texts = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"column": pa.array(names, pa.string()), "text": pa.array(texts, pa.string())})


def _words(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    return texts.filter(pc.is_in(plain, value_set=pa.array(_WORDS, pa.string())))
