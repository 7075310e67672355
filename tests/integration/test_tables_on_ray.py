"""Tables of the catalog, read by a run on a real Ray: every kind that Hive has, with Hive's answer."""

from __future__ import annotations

import asyncio
import json
import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.wire.tables import TableRef
from raylane_worker.data.catalog import Catalog
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.reader import reader_of
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.helpers.aws import aws_settings, glue, s3
from tests.helpers.printed import table
from tests.helpers.ray_scripts import RUN_TIMEOUT_S, Batch
from tests.integration.table_cases import BUCKET, ELSEWHERE, Case, cases, partition_entry

if TYPE_CHECKING:
    from pathlib import Path

    from types_aiobotocore_glue import GlueClient

    from raylane_common.wire.sources import Partition, TableSource
    from raylane_worker.embedded import EmbeddedMoto

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(RUN_TIMEOUT_S + 60),
    pytest.mark.xdist_group("generated_code"),
]

CASES = dict(cases())
ROWS = """\
import json
import ray
ray.init()
ds = {reader}({location!r}, override_num_blocks=1).materialize()
names = {names!r}
rows = [[row[name] for name in names] for row in ds.take_all()]
print(json.dumps([rows, ds.schema().names, ds.num_blocks()], default=str))
"""
WRONG = {
    "two tables": "ray.data.read_parquet([{location!r}, {location!r}]).count()",
    "paths": "ray.data.read_parquet({location!r}, include_paths=True).count()",
    "an unknown column": "ray.data.read_parquet({location!r}, columns=['none']).count()",
}
PROMPTS: dict[str, tuple[str, list[list[object]]]] = {
    "how many rows": ("registered_partitions", [[3]]),
    "sum of id by year": ("registered_partitions", [[2020, 1], [2021, 2], ["null", 16]]),
    "count where day >= 2021-01-01": ("registered_partitions", [[1]]),
    "count where code = '01'": ("registered_partitions", [[1]]),
    "count where s = 'NA'": ("bad_numbers", [[1]]),
    "sum of m": ("bad_numbers", [["0.01"]]),
    "count rows by b": ("bad_numbers", [["False", 1], ["True", 1], ["null", 3]]),
    "missing values in n": ("bad_numbers", [["n", 3, 60]]),
    "how many rows of no_files": ("no_files", [[0]]),
    "max t": ("dates_and_timestamps", [["2020-01-05 10:00:00.123456"]]),
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
    names = [column.name for column in columns_of(source)]
    return ROWS.format(reader=reader_of(source), location=source.location, names=names)


@cache
def tables_at(url: str) -> Tables:
    tables = Tables()
    asyncio.run(tables.create(url))
    return tables


def batch(moto: EmbeddedMoto, _: Path) -> Batch:
    """A script for each case, each wrong call and each prompt."""
    tables = tables_at(moto.url)
    some = tables.sources["registered_partitions"]
    wrong = [f"import ray\nray.init()\n{call.format(location=some.location)}\n" for call in WRONG.values()]
    codes = [read_all(source) for source in tables.sources.values()] + wrong
    for prompt, (name, _rows) in PROMPTS.items():
        code = write(prompt.partition(" of no_files")[0], [tables.sources[name]], small=True).code
        assert verify(code, [tables.sources[name]]) == []
        codes.append(code)
    return Batch(codes, [*tables.sources.values()], tables.partitions)


class Outputs:
    """What the script of each case, each wrong call and each prompt printed, and the traceback or None."""

    def __init__(self, tables: Tables, results: list[tuple[str, str | None]]) -> None:
        printed = iter(results)
        self.tables = tables
        self.cases = {name: next(printed) for name in CASES}
        self.wrong = {name: next(printed) for name in WRONG}
        self.prompts = {prompt: next(printed) for prompt in PROMPTS}


@pytest.fixture(scope="module")
def outputs(moto: EmbeddedMoto, results_on_ray: list[tuple[str, str | None]]) -> Outputs:
    return Outputs(tables_at(moto.url), results_on_ray)


@pytest.mark.parametrize("name", CASES)
def test_a_run_reads_a_table_as_hive_does(name: str, outputs: Outputs) -> None:
    expected, (output, error) = CASES[name].rows, outputs.cases[name]
    if isinstance(expected, str):
        assert error is not None
        assert expected in error
        return
    assert error is None, error
    names = [column.name for column in columns_of(outputs.tables.sources[name])]
    assert json.loads(output) == [json.loads(json.dumps(expected, default=str)), names, 1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two tables", "read one table at a time"),
        ("paths", "include_paths does not apply to a table"),
        ("an unknown column", "has no column none"),
    ],
)
def test_what_the_kit_cannot_do_is_an_error(name: str, expected: str, outputs: Outputs) -> None:
    _, error = outputs.wrong[name]
    assert error is not None
    assert expected in error


@pytest.mark.parametrize("prompt", PROMPTS)
def test_code_of_a_template_reads_a_table_by_its_location_alone(prompt: str, outputs: Outputs) -> None:
    output, error = outputs.prompts[prompt]
    assert error is None, error
    assert table(output) == [[str(cell) for cell in row] for row in PROMPTS[prompt][1]]
