"""Builds what the agents get to read at any time: their system prompts and the sources."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType, FileSource, TableSource

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.sources import Column, Source

# Of a profile, what quotes no text.
_PROFILED: Final = {
    *("nulls", "distinct", "distinct_is_exact", "unique", "order"),
    *("min", "max", "mean", "magnitude", "longest", "shapes"),
}


def load_prompt(name: str, **values: str) -> str:
    """Returns a system prompt, or a part of one, from the file of the same name.

    Replaces each `{key}` in the file by the value of that name.
    """
    text = (files("raylane_worker.generation.agents") / "prompts" / f"{name}.md").read_text("utf-8")
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def describe_source(source: Source, *, share_samples: bool = False) -> dict[str, JsonValue]:
    """Returns a source as the model sees it: name, location, size and columns. How it is written is the kit's concern.

    It holds no text of a cell, unless `share_samples` adds the most frequent ones of columns of text.
    """
    described: dict[str, JsonValue] = {
        "name": source.name,
        "location": source.location,
        "size_bytes": source.size_bytes,
    }
    if isinstance(source, FileSource):
        described["rows"] = source.rows
    columns = [_describe_column(column, share_samples) for column in source.columns]
    if isinstance(source, TableSource):
        columns += [_describe_column(key, share_samples) | {"partition_key": True} for key in source.partition_keys]
    return described | {"columns": [*columns]}


def _describe_column(column: Column, share_samples: bool) -> dict[str, JsonValue]:
    """Returns a column with what is known of its values."""
    described: dict[str, JsonValue] = column.model_dump(mode="json", include={"name", "type", "native_type"})
    if column.original_name:
        described["original_name"] = column.original_name
    if column.written is not None:
        described["written"] = column.written
    if column.profile is not None:
        fields = _PROFILED | ({"top"} if share_samples and column.type is ColumnType.STRING else set())
        described["profile"] = column.profile.model_dump(mode="json", include=fields, exclude_defaults=True)
    return described


def clip(text: str, characters: int) -> str:
    """Returns at most `characters` characters of the text, followed by an ellipsis if it was cut."""
    return text if len(text) <= characters else text[:characters] + "…"
