"""Sources as a tool returns them: their columns with what is known of the values, bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.mcp.results import ProfileData, SourceColumnData, SourceData, SourcesData
from raylane.mcp.untrusted import shown_text
from raylane_common.counting import counted
from raylane_common.wire.sources import FileSource, OpaqueSource, TableSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.sources import AnySource, Column, ColumnProfile
    from raylane_common.wire.upload import UploadResult

_MAX_CHARACTERS: Final = 40_000
_MAX_COLUMNS: Final = 100
_MAX_NAME: Final = 200
_MAX_TEXT: Final = 1000
_MAX_WARNINGS: Final = 10


def sources_data(sources: Sequence[AnySource]) -> SourcesData:
    """Returns the sources, as many as there is room for in one result."""
    kept: list[SourceData] = []
    left = _MAX_CHARACTERS
    for source in sources:
        one = source_data(source)
        left -= len(one.model_dump_json())
        if kept and left < 0:
            break
        kept.append(one)
    rest = len(sources) - len(kept)
    names = shown_text(", ".join(source.name for source in sources[len(kept) :]), _MAX_TEXT)
    return SourcesData(sources=kept, left_out=f"{rest} more: {names}" if rest else None)


def source_data(source: AnySource) -> SourceData:
    """Returns one source."""
    match source:
        case FileSource():
            return _file(
                source.filename, source.s3_uri, source.rows, source.size_bytes, source.columns, source.warnings
            )
        case TableSource():
            shown, more = _shown((*source.columns, *source.partition_keys))
            return SourceData(
                name=shown_text(source.name, _MAX_TEXT),
                type=source.type,
                location=shown_text(source.location, _MAX_TEXT),
                size_bytes=source.size_bytes,
                columns=shown,
                more_columns=more,
            )
        case OpaqueSource():
            return SourceData(name=shown_text(source.name, _MAX_TEXT), type=shown_text(source.type, _MAX_NAME))


def of_uploaded(record: JobRecord, result: UploadResult) -> SourceData:
    """Returns the source that an upload made."""
    name = str(record.payload.get("filename", ""))
    return _file(name, result.s3_uri, result.rows, result.bytes, result.columns, result.warnings)


def _file(
    name: str, s3_uri: str, rows: int, size_bytes: int, columns: Sequence[Column], warnings: Sequence[str]
) -> SourceData:
    said = [shown_text(warning, _MAX_TEXT) for warning in warnings[:_MAX_WARNINGS]]
    if len(warnings) > _MAX_WARNINGS:
        said.append(counted(len(warnings) - _MAX_WARNINGS, "more warning"))
    shown, more = _shown(columns)
    return SourceData(
        name=shown_text(name, _MAX_TEXT),
        type="file",
        location=shown_text(s3_uri, _MAX_TEXT),
        rows=rows,
        size_bytes=size_bytes,
        columns=shown,
        more_columns=more,
        warnings=said,
    )


def _shown(columns: Sequence[Column]) -> tuple[list[SourceColumnData], int | None]:
    shown = [
        SourceColumnData(
            name=shown_text(column.name, _MAX_NAME),
            type=column.type,
            profile=None if column.profile is None else _profile(column.profile),
        )
        for column in columns[:_MAX_COLUMNS]
    ]
    more = len(columns) - len(shown)
    return shown, more or None


def _profile(profile: ColumnProfile) -> ProfileData:
    return ProfileData(
        missing=profile.nulls,
        distinct=profile.distinct,
        distinct_is_exact=profile.distinct_is_exact,
        min=_extreme(profile.min),
        max=_extreme(profile.max),
        mean=profile.mean,
        top=_texts(top.value for top in profile.top),
    )


def _extreme(value: float | str | None) -> float | str | None:
    return shown_text(value, _MAX_NAME) if isinstance(value, str) else value


def _texts(values: Iterable[str]) -> list[str]:
    return [shown_text(value, _MAX_NAME) for value in values]
