"""Scripts for the local engine that are accepted and run, and the sources with the data that they read."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import Column, ColumnType, FileSource
from tests.unit.generation.schemas import csv_source

if TYPE_CHECKING:
    from collections.abc import Iterable

_CORPUS: Final = Path(__file__).parents[2] / "corpus"
_NATIVE: Final = {
    "int64": ColumnType.INTEGER,
    "double": ColumnType.NUMBER,
    "string": ColumnType.STRING,
    "date32[day]": ColumnType.DATE,
}


def sections(name: str) -> dict[str, str]:
    """Returns the scripts of a text file by the lines `=== name` before them."""
    _, *parts = f"\n{(_CORPUS / name).read_text(encoding='utf-8')}".split("\n=== ")
    return {title: f"{code.rstrip()}\n" for title, _, code in (part.partition("\n") for part in parts)}


SCRIPTS: Final = sections("local_scripts.txt")


def _source(name: str, rows: int, /, **columns: str) -> FileSource:
    kinds = tuple(Column(name=one, type=_NATIVE[native], native_type=native) for one, native in columns.items())
    return csv_source(name, kinds, s3_uri=f"s3://lake/sessions/ada/csv/{name}", rows=rows)


_DAYS, _ORDERS, _CUSTOMERS = 400, 80, 12
SOURCES: Final = (
    _source(
        "weather.csv",
        _DAYS,
        date="date32[day]",
        precipitation="double",
        temp_max="double",
        temp_min="double",
        wind="double",
        weather="string",
    ),
    _source(
        "sales.csv",
        _ORDERS,
        order_id="int64",
        customer_id="int64",
        order_date="date32[day]",
        region="string",
        city="string",
        product="string",
        channel="string",
        quantity="int64",
        amount="double",
    ),
    _source(
        "customers.csv",
        _CUSTOMERS,
        customer_id="int64",
        name="string",
        email="string",
        city="string",
        segment="string",
        since="string",
        tags="string",
    ),
)


def objects() -> dict[str, bytes]:
    """Returns the data of the sources by their locations: the same each time, with missing values."""
    random = Random(7)
    cities = ("Rome", "Paris", "Oslo")
    first = date(2023, 3, 1)
    weather = [
        (first + timedelta(days), *_degrees(random, days), random.choice(("rain", "sun", "fog", "snow")))
        for days in range(_DAYS)
    ]
    sales = [
        (
            1000 + number,
            random.randrange(1, _CUSTOMERS + 3),
            first + timedelta(random.randrange(300)),
            random.choice(("north", "south", "east", "west", "")),
            random.choice(cities),
            random.choice(("lamp", "chair", "desk")),
            random.choice(("web", "shop", "phone")),
            random.randint(1, 9),
            "" if number % 17 == 3 else round(random.uniform(5, 300), 2),
        )
        for number in range(_ORDERS)
    ]
    customers = [
        (
            number,
            random.choice(("Anna", "Ivan", "Olga", "Max")) + f" {number}",
            f"user{number}@{random.choice(('Mail', 'post'))}.test",
            random.choice(cities),
            random.choice(("home", "office", "")),
            "" if number == 5 else f"{number:02}/06/2022",
            random.choice(("a;b", "a", "b;c", "")),
        )
        for number in range(1, _CUSTOMERS + 1)
    ]
    tables: list[Iterable[tuple[object, ...]]] = [weather, sales, customers]
    return {source.s3_uri: _csv(source, rows) for source, rows in zip(SOURCES, tables, strict=True)}


def _degrees(random: Random, days: int) -> tuple[object, ...]:
    high = round(random.gauss(12, 6), 1)
    rain = 0.0 if random.random() < 0.6 else round(random.uniform(0.1, 30), 1)
    return rain, "" if days % 50 == 9 else high, round(high - random.uniform(2, 9), 1), round(random.uniform(0, 9), 1)


def _csv(source: FileSource, rows: Iterable[tuple[object, ...]]) -> bytes:
    lines = [",".join(column.name for column in source.columns), *(",".join(map(str, row)) for row in rows)]
    return "\n".join([*lines, ""]).encode()
