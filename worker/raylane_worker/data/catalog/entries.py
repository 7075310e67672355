"""Reads entries of the Glue catalog: how the files are written, the columns, and where the partitions are."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane_common.counting import counted
from raylane_common.errors import UnsupportedFormat
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, Partition, TableSource, readable_uri
from raylane_common.wire.tables import TableSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from types_aiobotocore_glue.type_defs import (
        ColumnOutputTypeDef,
        PartitionTypeDef,
        StorageDescriptorOutputTypeDef,
        TableTypeDef,
    )

_TEXT: Final = frozenset({SerDe.LAZY_SIMPLE, SerDe.OPEN_CSV, SerDe.HIVE_JSON, SerDe.OPENX_JSON})
_CSV: Final = frozenset({SerDe.LAZY_SIMPLE, SerDe.OPEN_CSV})
_JSON: Final = frozenset({SerDe.HIVE_JSON, SerDe.OPENX_JSON})
_PARQUET: Final = frozenset({SerDe.PARQUET})
_ORC: Final = frozenset({SerDe.ORC})
_INPUT_FORMATS: Final = {
    "org.apache.hadoop.mapred.textinputformat": _TEXT,
    "org.apache.hadoop.hive.ql.io.parquet.mapredparquetinputformat": _PARQUET,
    "org.apache.hadoop.hive.ql.io.orc.orcinputformat": _ORC,
}
_LIBRARIES: Final = {
    "org.apache.hadoop.hive.serde2.lazy.lazysimpleserde": frozenset({SerDe.LAZY_SIMPLE}),
    "org.apache.hadoop.hive.serde2.opencsvserde": frozenset({SerDe.OPEN_CSV}),
    "org.apache.hadoop.hive.serde2.jsonserde": frozenset({SerDe.HIVE_JSON}),
    "org.apache.hive.hcatalog.data.jsonserde": frozenset({SerDe.HIVE_JSON}),
    "org.openx.data.jsonserde.jsonserde": frozenset({SerDe.OPENX_JSON}),
    "org.apache.hadoop.hive.ql.io.parquet.serde.parquethiveserde": _PARQUET,
    "org.apache.hadoop.hive.ql.io.orc.orcserde": _ORC,
}
_CLASSIFICATIONS: Final = {"csv": _CSV, "json": _JSON, "parquet": _PARQUET, "glueparquet": _PARQUET, "orc": _ORC}
# A classification alone does not name the class.
_DEFAULTS: Final = {_CSV: SerDe.LAZY_SIMPLE, _JSON: SerDe.HIVE_JSON}
# Their directories also contain deleted and replaced rows, which only their own readers can skip.
_LAKE_FORMATS: Final = frozenset({"delta", "hudi", "iceberg"})
_COPY: Final = "only text, JSON, Parquet and ORC can be read; copy it into Parquet, for example with CREATE TABLE AS"
# Options that change values in ways that a run does not implement.
_UNKNOWN_OPTIONS: Final = (
    "timestamp.formats",
    "serialization.last.column.takes.rest",
    "use.null.for.invalid.data",
    "strip.outer.array",
    "skip.footer.line.count",
)
_HIVE_TYPES: Final = {
    **dict.fromkeys(("tinyint", "smallint", "int", "integer", "bigint", "long"), ColumnType.INTEGER),
    **dict.fromkeys(("float", "double", "double precision", "real", "decimal", "numeric", "dec"), ColumnType.NUMBER),
    **dict.fromkeys(("string", "char", "varchar"), ColumnType.STRING),
    **dict.fromkeys(("timestamp", "timestamp with local time zone"), ColumnType.TIMESTAMP),
    "boolean": ColumnType.BOOLEAN,
    "date": ColumnType.DATE,
}
_NESTED: Final = frozenset({"array", "map", "struct"})
_LOCATION: Final = re.compile(r"s3[an]?://([^/]+)(?:/(.*))?")
_ESCAPED: Final = {r"\t": "\t", r"\001": "\x01", r"\u0001": "\x01", "\\\\": "\\"}
_MAX_DECIMAL_DIGITS: Final = 38
_DECIMAL: Final = re.compile(r"(?:decimal|numeric|dec)\s*\(\s*(\d{1,3})\s*(?:,\s*(\d{1,3})\s*)?\)")


class _Subject(NamedTuple):
    """What a message is about: a table, or one of its partitions."""

    text: str
    table: str

    def refused(self, problem: str) -> UnsupportedFormat:
        """Returns the error. `problem` completes "it …"."""
        return UnsupportedFormat(f"{self.text} cannot be read: it {problem}", details={"table": self.table})


def summarize(table: TableTypeDef) -> TableSummary:
    """Returns the table for a listing, with the reason if it cannot be selected."""
    reason = None
    try:
        to_source(table, job_id="")
    except UnsupportedFormat as error:
        reason = error.message
    descriptor = table.get("StorageDescriptor", {})
    return TableSummary(
        database=table.get("DatabaseName", ""),
        table=table["Name"],
        location=descriptor.get("Location") or None,
        columns=_columns(descriptor.get("Columns", ())),
        partition_keys=_columns(table.get("PartitionKeys", ())),
        supported=reason is None,
        reason=reason,
    )


def to_source(table: TableTypeDef, job_id: str) -> TableSource:
    """Returns the table as a source that the job selected.

    Raises `UnsupportedFormat`, which says what cannot be read.
    """
    name = f"{table.get('DatabaseName', '')}.{table['Name']}"
    subject = _Subject(f"table {name}", name)
    _refuse_other_kinds(table, subject)
    descriptor = table.get("StorageDescriptor", {})
    source = TableSource(
        database=table.get("DatabaseName", ""),
        table=table["Name"],
        location=_location(descriptor, subject),
        reading=_reading(descriptor, table.get("Parameters", {}), subject),
        columns=_columns(descriptor.get("Columns", ())),
        partition_keys=_columns(table.get("PartitionKeys", ())),
        size_bytes=_size_bytes(table),
        job_id=job_id,
    )
    _check_columns(source)
    return source


def to_partition(partition: PartitionTypeDef, table: TableTypeDef, source: TableSource) -> Partition:
    """Returns a registered partition. Raises `UnsupportedFormat` if its files are not written as those of the table."""
    values = tuple(partition.get("Values", ()))
    subject = _partition_subject(values, source)
    if len(values) != len(source.partition_keys):
        problem = f"has {counted(len(values), 'value')} for {counted(len(source.partition_keys), 'partition key')}"
        raise subject.refused(problem)
    of_table = table.get("StorageDescriptor", {})
    own = partition.get("StorageDescriptor", {})
    descriptor: StorageDescriptorOutputTypeDef = {**own}
    if not own.get("InputFormat"):
        descriptor["InputFormat"] = of_table.get("InputFormat", "")
    if not own.get("SerdeInfo", {}).get("SerializationLibrary"):
        descriptor["SerdeInfo"] = of_table.get("SerdeInfo", {})
    parameters = {**table.get("Parameters", {}), **partition.get("Parameters", {})}
    reading = _reading(descriptor, parameters, subject)
    if reading != source.reading:
        had, has = source.reading.model_dump(mode="json"), reading.model_dump(mode="json")
        changed = ", ".join(f"{one} {has[one]!r} instead of {had[one]!r}" for one in had if has[one] != had[one])
        raise subject.refused(f"is not written like the table: {changed}")
    location = _location(descriptor, subject)
    return Partition(
        values=values,
        location=location.removeprefix(source.location),
        width=_width(_columns(own.get("Columns", ())), source, subject),
    )


def check_apart(partitions: Iterable[Partition], source: TableSource) -> None:
    """Raises `UnsupportedFormat` if a partition lies inside another one, whose files would then be read twice."""
    outer: Partition | None = None
    for one in sorted(partitions, key=lambda one: _full(one, source)):
        if outer is None or not _full(one, source).startswith(_full(outer, source)):
            outer = one
        elif _full(one, source) != _full(outer, source):
            problem = f"has a location inside that of partition {_shown(outer.values, source)}"
            raise _partition_subject(one.values, source).refused(problem)


def _partition_subject(values: Sequence[str], source: TableSource) -> _Subject:
    return _Subject(f"partition {_shown(values, source)} of table {source.name}", source.name)


def _full(partition: Partition, source: TableSource) -> str:
    return partition.location if "://" in partition.location else source.location + partition.location


def _shown(values: Sequence[str], source: TableSource) -> str:
    pairs = zip(source.partition_keys, values, strict=False)
    return ", ".join(f"{key.name}={value}" for key, value in pairs) or "(without values)"


def _width(columns: tuple[Column, ...], source: TableSource, subject: _Subject) -> int | None:
    """Returns how many columns the text files of a partition have, if they are not those of the table."""
    if source.reading.serde not in _CSV or not columns:
        return None
    # The cells are found by position, so a column in another place would get the cells of another column.
    for own, column in zip(columns, source.columns, strict=False):
        if own.name.lower() != column.name.lower() or own.native_type.lower() != column.native_type.lower():
            here, there = f"{own.name} {own.native_type}", f"{column.name} {column.native_type}"
            problem = f"has the column {here} where the table has {there}"
            raise subject.refused(problem)
    return len(columns) if len(columns) < len(source.columns) else None


def _refuse_other_kinds(table: TableTypeDef, subject: _Subject) -> None:
    parameters = {key.lower(): value for key, value in table.get("Parameters", {}).items()}
    if "VIEW" in table.get("TableType", ""):
        raise subject.refused(f"is a view; {_COPY}")
    if target := table.get("TargetTable"):
        linked = f"{target.get('DatabaseName', '')}.{target.get('Name', '')}"
        raise subject.refused(f"is a link to table {linked}; select that table instead")
    for key in ("table_type", "spark.sql.sources.provider", "classification"):
        if parameters.get(key, "").lower() in _LAKE_FORMATS:
            raise subject.refused(f"has the table format {parameters[key]}; {_COPY}")
    if parameters.get("transactional", "").lower() == "true":
        raise subject.refused(f"is transactional; {_COPY}")
    if parameters.get("projection.enabled", "").lower() == "true":
        problem = "has partition projection, which is not supported; register its partitions, or copy the table"
        raise subject.refused(problem)


def _location(descriptor: StorageDescriptorOutputTypeDef, subject: _Subject) -> str:
    location = descriptor.get("Location", "")
    match = _LOCATION.fullmatch(location)
    if match is None:
        problem = f"is at {location!r}, which is not on S3" if location else "has no location"
        raise subject.refused(problem)
    bucket, prefix = match[1], (match[2] or "").strip("/")
    return readable_uri(f"s3://{bucket}/" + (f"{prefix}/" if prefix else ""))


def _reading(
    descriptor: StorageDescriptorOutputTypeDef, parameters: Mapping[str, str], subject: _Subject
) -> TableReading:
    serde = _serde(descriptor, parameters, subject)
    options = {**parameters, **descriptor.get("SerdeInfo", {}).get("Parameters", {})}
    for option in _UNKNOWN_OPTIONS:
        if options.get(option, "") not in ("", "0", "false"):
            raise subject.refused(f"has the option {option}={options[option]}")
    match serde:
        case SerDe.LAZY_SIMPLE | SerDe.OPEN_CSV:
            return _text_reading(serde, options, bool(_library(descriptor)), subject)
        case SerDe.HIVE_JSON | SerDe.OPENX_JSON:
            return _json_reading(serde, options, subject)
        case _:
            access = options.get(f"{serde}.column.index.access", "").lower()
            return TableReading(serde=serde, by_position=access == "true")


def _library(descriptor: StorageDescriptorOutputTypeDef) -> str:
    return descriptor.get("SerdeInfo", {}).get("SerializationLibrary", "")


def _serde(descriptor: StorageDescriptorOutputTypeDef, parameters: Mapping[str, str], subject: _Subject) -> SerDe:
    """Returns the only SerDe that fits everything that the catalog states. Never guesses from names or by default."""
    stated = (
        ("input format", descriptor.get("InputFormat", ""), _INPUT_FORMATS),
        ("SerDe", _library(descriptor), _LIBRARIES),
        ("classification", parameters.get("classification", ""), _CLASSIFICATIONS),
    )
    possible = frozenset(SerDe)
    for what, value, known in stated:
        if value:
            fitting = known.get(value.lower())
            if fitting is None:
                raise subject.refused(f"has {what} {value}; {_COPY}")
            possible &= fitting
    if possible in _DEFAULTS:
        return _DEFAULTS[possible]
    if len(possible) != 1:
        listed = ", ".join(f"{what} {value or '(none)'}" for what, value, _ in stated)
        raise subject.refused(f"does not say which format it has: {listed}")
    return next(iter(possible))


def _text_reading(serde: SerDe, options: Mapping[str, str], has_library: bool, subject: _Subject) -> TableReading:
    quote, null_text = '"', "\\N"
    if serde is SerDe.OPEN_CSV:
        delimiter, quote = options.get("separatorChar", ","), options.get("quoteChar", '"')
        # OpenCSVSerde takes the escape '"' for "none given", which is a backslash.
        escape = options.get("escapeChar", "\\")
        escape = "\\" if escape == '"' else escape
        characters = {"field separator": delimiter, "quote character": quote, "escape character": escape}
    else:
        stated = options.get("field.delim") or options.get("delimiter")
        delimiter = _hive_byte(stated or (options.get("serialization.format") or "\x01" if has_library else ","))
        escape, null_text = _hive_byte(options.get("escape.delim", "")), options.get("serialization.null.format", "\\N")
        characters = {"field separator": delimiter} | ({"escape character": escape} if escape else {})
        if options.get("line.delim", "\n") not in ("\n", "\\n", "10"):
            raise subject.refused(f"has the line separator {options['line.delim']!r}")
    found = {what: _ESCAPED.get(one, one) for what, one in characters.items()}
    for what, one in found.items():
        if len(one) != 1 or not one.isascii() or one in "\r\n\0":
            raise subject.refused(f"has the {what} {one!r}, which is not one ASCII character")
    if len(set(found.values())) != len(found):
        raise subject.refused(f"uses one character for two purposes: {found}")
    return TableReading(
        serde=serde,
        delimiter=found["field separator"],
        quote=found.get("quote character", '"'),
        escape=found.get("escape character", ""),
        null_text=null_text,
        encoding=_encoding(options.get("serialization.encoding", "utf-8"), subject),
        skip_lines=_count(options.get("skip.header.line.count", "0"), subject),
    )


def _json_reading(serde: SerDe, options: Mapping[str, str], subject: _Subject) -> TableReading:
    if options.get("case.insensitive", "true").lower() != "true":
        raise subject.refused("has case-sensitive keys (case.insensitive)")
    mapped = [
        (option.removeprefix("mapping."), key) for option, key in options.items() if option.startswith("mapping.")
    ]
    return TableReading(
        serde=serde,
        keys=tuple(sorted(mapped)) if serde is SerDe.OPENX_JSON else (),
        dots_in_keys=serde is SerDe.OPENX_JSON and options.get("dots.in.keys", "").lower() == "true",
        ignores_bad_lines=options.get("ignore.malformed.json", "").lower() == "true",
    )


def _encoding(stated: str, subject: _Subject) -> str:
    try:
        found = codecs.lookup(stated)
        is_ascii = "a\n,".encode(stated) == b"a\n,"
    except (LookupError, ValueError):
        is_ascii = False
    if not is_ascii:
        raise subject.refused(
            f"has the encoding {stated}, which is unknown, or in which line ends and separators are not those of ASCII"
        )
    return found.name


def _count(stated: str, subject: _Subject) -> int:
    if not (stated.isascii() and stated.isdigit() and len(stated) < 10):
        raise subject.refused(f"has skip.header.line.count={stated}")
    return int(stated)


def _hive_byte(value: str) -> str:
    """Returns the character that Hive uses for a value: it reads digits as a character code, so '1' is Ctrl-A."""
    return chr(int(value)) if value.isascii() and value.isdigit() and int(value) < 128 else value


def _check_columns(source: TableSource) -> None:
    subject, is_text = _Subject(f"table {source.name}", source.name), source.reading.serde in _TEXT
    names = [column.name.lower() for column in source.columns + source.partition_keys]
    if not source.columns:
        raise subject.refused("has no columns")
    if doubled := next((one for one in names if names.count(one) > 1), None):
        raise subject.refused(f"has several columns called {doubled}")
    for column in source.columns + source.partition_keys:
        base = _base(column.native_type)
        readable = base in _HIVE_TYPES or (base in _NESTED and source.reading.serde not in _CSV)
        if base == "binary":
            readable = not is_text
        if (match := _DECIMAL.fullmatch(column.native_type.strip().lower())) is not None:
            readable = 0 < int(match[1]) <= _MAX_DECIMAL_DIGITS and int(match[2] or 0) <= int(match[1])
        if column in source.partition_keys and base not in _HIVE_TYPES:
            readable = False
        if not readable:
            raise subject.refused(f"has the column {column.name} of type {column.native_type}")


def _columns(columns: Iterable[ColumnOutputTypeDef]) -> tuple[Column, ...]:
    return tuple(_column(column["Name"], column.get("Type", "unknown")) for column in columns)


def _column(name: str, hive_type: str) -> Column:
    return Column(name=name, type=_HIVE_TYPES.get(_base(hive_type), ColumnType.OTHER), native_type=hive_type)


def _base(hive_type: str) -> str:
    return re.split(r"[(<]", hive_type.strip().lower())[0].strip()


def _size_bytes(table: TableTypeDef) -> int | None:
    parameters = table.get("Parameters", {})
    # A crawler writes `sizeKey`; Hive writes `totalSize`.
    size = parameters.get("sizeKey") or parameters.get("totalSize") or ""
    # Hive writes 0 for a table that it has not measured.
    return int(size) or None if size.isascii() and size.isdigit() else None
