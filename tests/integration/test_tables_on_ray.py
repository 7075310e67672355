"""Tables of the catalog, read by the kit in both engines: every kind that Hive has, with Hive's answer."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.wire.tables import TableRef
from raylane_worker.data.catalog import Catalog
from raylane_worker.generation.columns import columns_of
from tests.helpers.aws import aws_settings, glue, s3
from tests.helpers.frames import rows
from tests.helpers.kit import kit
from tests.helpers.ray_scripts import RUN_TIMEOUT_S, Batch
from tests.integration.table_cases import BUCKET, ELSEWHERE, Case, cases, partition_entry

if TYPE_CHECKING:
    from pathlib import Path

    from types_aiobotocore_glue import GlueClient

    from raylane_common.wire.sources import Partition, TableSource
    from raylane_worker.embedded import EmbeddedMoto
    from tests.helpers.kit import Ran

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(RUN_TIMEOUT_S + 60),
    pytest.mark.xdist_group("ray_head"),
]

CASES = dict(cases())
ROWS = """\
import json
from raylane_run import read
ds = read({location!r}).materialize()
names = {names!r}
rows = [[row[name] for name in names] for row in ds.take_all()]
print(json.dumps([rows, ds.schema().names, ds.num_blocks()], default=str))
"""
# By the name of the table: what the script does with the dataset `ds`, and what that prints.
PARTS = {
    "parquet_of_several_schemas": (
        "ds.select_columns(['price', 'id']).take_all()",
        [[None, 1], [2.0, 2], [None, None]],
    ),
    "registered_partitions": ("ds.select_columns(['code']).take_all()", [["01"], ["x"], [None]]),
    "bad_numbers": ("[{'rows': ds.count()}]", [[5]]),
    # NaN would be a value here, and would drop its block from a mean.
    "numbers_that_are_none": ("[{'known': len(ds.unique('y', True)), 'mean': ds.mean('y')}]", [[2, 0.75]]),
}


class Tables:
    """The tables of this module in the catalog, as a job sees them."""

    def __init__(self) -> None:
        self.database = f"kinds_{uuid.uuid4().hex}"
        self.sources: dict[str, TableSource] = {}
        self.partitions: dict[str, tuple[Partition, ...]] = {}

    async def create(self, url: str) -> None:
        async with s3(url) as store:
            for bucket in (BUCKET, ELSEWHERE):
                await store.create_bucket(Bucket=bucket)
            for name, case in CASES.items():
                for key, body in case.objects.items():
                    await store.put_object(Bucket=BUCKET, Key=f"{name}/{key}", Body=body)
                for key, body in case.elsewhere.items():
                    await store.put_object(Bucket=ELSEWHERE, Key=key, Body=body)
        async with glue(url) as client, Catalog(aws_settings(url)) as catalog:
            await client.create_database(DatabaseInput={"Name": self.database})
            for name, case in CASES.items():
                await self._enter(client, name, case)
                source = await catalog.resolve(TableRef(database=self.database, table=name), "job")
                self.sources[name] = source
                self.partitions[source.name] = await catalog.partitions(source)

    async def _enter(self, client: GlueClient, name: str, case: Case) -> None:
        entry: Any = {**case.entry, "Name": name}
        entry["StorageDescriptor"]["Location"] = f"s3://{BUCKET}/{name}"
        await client.create_table(DatabaseName=self.database, TableInput=entry)
        for values, place in case.partitions.items():
            partition: Any = partition_entry(name, case, values, place)
            await client.create_partition(DatabaseName=self.database, TableName=name, PartitionInput=partition)


def read_all(source: TableSource) -> str:
    return ROWS.format(location=source.location, names=[column.name for column in columns_of(source)])


def read_part(source: TableSource, part: str) -> str:
    # The `/` at the end of a location may be missing.
    start = f"import json\nfrom raylane_run import read\nds = read({source.location.rstrip('/')!r})\n"
    return f"{start}print(json.dumps([list(row.values()) for row in {part}]))\n"


@cache
def tables_at(url: str) -> Tables:
    tables = Tables()
    asyncio.run(tables.create(url))
    return tables


def batch(moto: EmbeddedMoto, _: Path) -> Batch:
    """A script for each case, and for each part."""
    tables = tables_at(moto.url)
    codes = [read_all(source) for source in tables.sources.values()]
    codes += [read_part(tables.sources[name], part) for name, (part, _) in PARTS.items()]
    return Batch(codes, [*tables.sources.values()], tables.partitions)


@pytest.fixture(scope="module")
def on_ray(results_on_ray: list[Ran]) -> dict[str, Ran]:
    """How the scripts ended, by the name of the table, and of the part."""
    return dict(zip([*CASES, *(f"part of {name}" for name in PARTS)], results_on_ray, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_run_reads_a_table_as_hive_does(name: str, on_ray: dict[str, Ran], moto: EmbeddedMoto) -> None:
    expected, ran = CASES[name].rows, on_ray[name]
    if isinstance(expected, str):
        assert ran.error is not None
        assert expected in ran.error
        return
    assert ran.error is None, ran.error
    names = [column.name for column in columns_of(tables_at(moto.url).sources[name])]
    assert json.loads(ran.output) == [json.loads(json.dumps(expected, default=str)), names, 1]


@pytest.mark.parametrize("name", PARTS)
def test_a_run_reads_the_columns_that_it_needs(name: str, on_ray: dict[str, Ran]) -> None:
    ran = on_ray[f"part of {name}"]
    assert ran.error is None, ran.error
    assert json.loads(ran.output) == PARTS[name][1]


@pytest.mark.parametrize("name", CASES)
def test_a_local_script_reads_a_table_as_hive_does(name: str, moto: EmbeddedMoto) -> None:
    tables, case = tables_at(moto.url), CASES[name]
    source = tables.sources[name]
    objects = {f"s3://{BUCKET}/{name}/{key}": body for key, body in case.objects.items()}
    objects |= {f"s3://{ELSEWHERE}/{key}": body for key, body in case.elsewhere.items()}
    with kit(objects, [source], tables.partitions) as package:
        if isinstance(case.rows, str):
            with pytest.raises(ValueError, match=re.escape(case.rows)):
                package.read(source.location)
            return
        frame = package.read(source.location)
    assert [*frame.columns] == [column.name for column in columns_of(source)]
    assert rows(frame) == case.rows
