"""Which engine a job gets, and what Ray reserves for it, by the sizes of the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.ray.settings import RaySettings
from raylane_common.wire.names import Engine
from raylane_common.wire.sources import ColumnType, PreparedCopy
from raylane_worker.runs.engine import Reserved, choose_engine, is_small, reserved
from tests.unit.generation.schemas import column, csv_source, table_source

if TYPE_CHECKING:
    from raylane_common.wire.sources import FileSource

LOCAL, DISTRIBUTED = Engine
MIB = 1024 * 1024


def settings(**fields: Any) -> RaySettings:
    sizes = {"small_source_bytes": 500, "local_source_bytes": 1000, "local_source_rows": 300}
    return RaySettings.model_validate({"private_url": "http://ray:8265"} | sizes | fields)


def file(size_bytes: int, rows: int = 1, copy_bytes: int = 0) -> FileSource:
    copy = PreparedCopy(s3_uri="s3://b/k.parquet", size_bytes=copy_bytes, reasons=("compressed",))
    columns = (column("n", ColumnType.INTEGER),)
    return csv_source(columns=columns, size_bytes=size_bytes, rows=rows, prepared=copy if copy_bytes else None)


@pytest.mark.parametrize(
    ("source", "engine", "is_small_source"),
    [
        (file(500, rows=250), LOCAL, True),
        (file(501), LOCAL, False),
        (file(1000), LOCAL, False),
        (file(1001), DISTRIBUTED, False),
        (file(10, copy_bytes=1000), LOCAL, False),
        (file(10, copy_bytes=1001), DISTRIBUTED, False),
        # A compressed file may have many rows, each of which takes a few bytes.
        (file(10, rows=251), LOCAL, False),
        (file(10, rows=301), DISTRIBUTED, False),
        (table_source(size_bytes=500), LOCAL, True),
        (table_source(size_bytes=1001), DISTRIBUTED, False),
        (table_source(size_bytes=None), DISTRIBUTED, False),
    ],
)
def test_a_source_is_small_only_if_all_that_a_run_reads_is_known_to_be(
    source: FileSource, engine: Engine, is_small_source: bool
) -> None:
    assert (choose_engine([source], {}, None, settings()), is_small([source], {}, settings())) == (
        engine,
        is_small_source,
    )


def test_the_sizes_and_rows_of_all_sources_count_together() -> None:
    assert choose_engine([file(500), file(500)], {}, None, settings()) is LOCAL
    assert choose_engine([file(500), file(501)], {}, None, settings()) is DISTRIBUTED
    assert choose_engine([file(1, rows=150), file(1, rows=151)], {}, None, settings()) is DISTRIBUTED
    assert choose_engine([file(1), table_source(size_bytes=None)], {}, None, settings()) is DISTRIBUTED
    assert choose_engine([], {}, None, settings()) is DISTRIBUTED


@pytest.mark.parametrize("engine", Engine)
def test_an_engine_that_is_asked_for_is_taken_whatever_the_size(engine: Engine) -> None:
    assert {choose_engine([file(size)], {}, engine, settings()) for size in (1, 10**12)} == {engine}


def test_ray_reserves_a_cpu_and_memory_for_a_local_script_unless_the_settings_say_otherwise() -> None:
    sources = [file(MIB), file(1, copy_bytes=MIB)]
    assert reserved(LOCAL, sources, {}, settings()) == Reserved(1, (256 + 6 * 2) * MIB)
    # A table of unknown size may have as much as the local engine reads.
    unknown = table_source(size_bytes=None)
    assert reserved(LOCAL, [unknown], {}, settings(local_source_bytes=10 * MIB)) == Reserved(1, (256 + 60) * MIB)
    chosen = settings(entrypoint_num_cpus=0.5, entrypoint_memory_bytes=7)
    assert reserved(LOCAL, sources, {}, chosen) == reserved(DISTRIBUTED, sources, {}, chosen) == Reserved(0.5, 7)
    assert reserved(DISTRIBUTED, sources, {}, settings()) == Reserved(None, None)


def test_what_was_listed_of_a_table_counts_instead_of_what_the_catalog_said() -> None:
    grown, shrunk = table_source("grown", size_bytes=1), table_source("shrunk", size_bytes=10**12)
    sizes = {"sales.grown": 1001, "sales.shrunk": 400, "sales.large": None}
    assert choose_engine([grown], sizes, None, settings()) is DISTRIBUTED
    assert choose_engine([shrunk], sizes, None, settings()) is LOCAL
    assert is_small([shrunk], sizes, settings())
    assert choose_engine([table_source("large", size_bytes=1)], sizes, None, settings()) is DISTRIBUTED
    assert reserved(LOCAL, [shrunk], {"sales.shrunk": MIB}, settings()) == Reserved(1, (256 + 6) * MIB)
