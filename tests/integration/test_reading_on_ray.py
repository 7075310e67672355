"""`read` in the distributed engine, by a run on a real Ray: the values of the local engine, and one rule for NaN."""

from __future__ import annotations

import asyncio
import inspect
import json
from functools import cache
from typing import TYPE_CHECKING

import pytest

from tests.helpers.aws import s3
from tests.helpers.files import uploaded
from tests.helpers.ray_scripts import RUN_TIMEOUT_S, Batch
from tests.integration import missing_value_cases, prepared_cases
from tests.integration.reading_cases import BUCKET, cases, plain

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.sources import FileSource
    from raylane_worker.embedded import EmbeddedMoto
    from tests.helpers.kit import Ran

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(RUN_TIMEOUT_S + 60),
    pytest.mark.xdist_group("ray_head"),
]

CASES = dict(cases())
ROWS = f"""\
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from raylane_run import read

{inspect.getsource(plain)}
ds = read(URI).materialize()
rows = [plain(list(row.values())) for row in ds.take_all()]
print(json.dumps([ds.schema().names, rows, ds.num_blocks()]))
"""
PEOPLE, BLOCKS, SALES = "people.csv", "blocks.parquet", "sales.xlsx"
# What a script does with the rows of `BLOCKS`, and what it prints or adds to the answer.
PIECES = {
    "the order is kept": ("print([row['x'] for row in ds.repartition(3).take_all()])", "[1.0, None, 3.0, 10.0, 20.0]"),
    "a count reads no column": ("print(ds.count(), ds.limit(2).count())", "5 2"),
    "columns are chosen": ("print(ds.select_columns(['k']).unique('k'))", "['u', 'v', None]"),
    "columns are renamed": (
        "print(ds.rename_columns({'k': 'x', 'x': 'k'}).select_columns(['k', 'zero']).take(1))",
        "[{'k': 1.0, 'zero': 0.0}]",
    ),
    "a source is read twice": ("print(read(URI).union(ds).count())", "10"),
    "a text that no row has": (
        "require_text(ds, 'k', 'U', 'u')\nprint('not reached')",
        "Note: No value of 'k' is 'U'; did you mean 'u'?",
    ),
    "a text that is there": ("require_text(ds, 'k', 'u')\nprint('reached')", "reached"),
}
WRONG = {
    "an unknown source": ("read('s3://read/sessions/s/csv/block.parquet')", "the nearest ones are 's3://read/"),
    "a column that is not there": ("require_text(read(URI), 'none', 'x')", "KeyError: 'none'"),
}


@cache
def stored() -> tuple[dict[str, FileSource], dict[str, bytes]]:
    """Returns the sources by the name of the case or the file, and the objects by key."""
    files = {
        PEOPLE: missing_value_cases.PEOPLE.encode(),
        BLOCKS: missing_value_cases.blocks_as_parquet(),
        SALES: prepared_cases.FILES[SALES][0],
    }
    sources: dict[str, FileSource] = {}
    objects: dict[str, bytes] = {}
    for name, case in CASES.items():
        sources[name], found = case.upload()
        objects |= {uri.removeprefix(f"s3://{BUCKET}/"): body for uri, body in found.items()}
    for name, data in files.items():
        sources[name], found = uploaded(name, data, bucket=BUCKET, session_id="s")
        objects |= found
    return sources, objects


def scripts() -> dict[str, str]:
    """Returns all scripts by name."""
    sources, _ = stored()
    uris = {name: source.location for name, source in sources.items()}
    start = f"from raylane_run import read, require_text\nURI = {uris[BLOCKS]!r}\nds = read(URI)\n"
    pieces = {name: code for name, (code, _) in (PIECES | WRONG).items()}
    asking = missing_value_cases.SCRIPT.format(function=missing_value_cases.function(), uri=uris[PEOPLE])
    return {
        **{name: f"URI = {uris[name]!r}\n{ROWS}" for name in CASES},
        **{name: f"{start}ds = read({uris[BLOCKS]!r})\n{code}" for name, code in pieces.items()},
        PEOPLE: asking,
        BLOCKS: missing_value_cases.NAN_SCRIPT.format(uri=uris[BLOCKS]),
        SALES: prepared_cases.AGENT_SCRIPT.format(uri=uris[SALES]),
    }


def batch(moto: EmbeddedMoto, _: Path) -> Batch:
    """The scripts of this module."""
    sources, objects = stored()

    async def store() -> None:
        async with s3(moto.url) as client:
            await client.create_bucket(Bucket=BUCKET)
            for key, body in objects.items():
                await client.put_object(Bucket=BUCKET, Key=key, Body=body)

    asyncio.run(store())
    return Batch([*scripts().values()], [*sources.values()])


@pytest.fixture(scope="module")
def on_ray(results_on_ray: list[Ran]) -> dict[str, Ran]:
    """How the scripts ended, by name."""
    return dict(zip(scripts(), results_on_ray, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_run_reads_a_file_as_its_record_says(name: str, on_ray: dict[str, Ran]) -> None:
    case, ran = CASES[name], on_ray[name]
    assert ran.error is None, ran.error
    assert json.loads(ran.output) == [[*case.columns], [plain(row) for row in case.rows], 1]


@pytest.mark.parametrize("name", PIECES)
def test_a_script_gets_a_dataset_of_ray(name: str, on_ray: dict[str, Ran]) -> None:
    assert (on_ray[name].output, on_ray[name].error) == (f"{PIECES[name][1]}\n", None)


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_an_error(name: str, on_ray: dict[str, Ran]) -> None:
    assert WRONG[name][1] in (on_ray[name].error or "")


def test_code_of_an_agent_sees_missing_values_as_pandas_does(on_ray: dict[str, Ran]) -> None:
    ran = on_ray[PEOPLE]
    assert ran.error is None, ran.error
    found: dict[str, list[str]] = json.loads(ran.output)
    right = missing_value_cases.by_pandas()
    wrong = [
        (place, expression, got, answer)
        for place, answers in found.items()
        for expression, got, answer in zip(missing_value_cases.EXPRESSIONS, answers, right, strict=True)
        if not missing_value_cases.same(got, answer)
    ]
    assert (list(found), wrong) == (["map_batches", "to_pandas", "map_groups"], [])


def test_nan_drops_no_block_from_the_aggregates_of_an_agent(on_ray: dict[str, Ran]) -> None:
    ran = on_ray[BLOCKS]
    assert ran.error is None, ran.error
    found, right = json.loads(ran.output), missing_value_cases.nan_by_pandas()
    assert {name: value for name, value in found.items() if not missing_value_cases.close(value, right[name])} == {}
    assert found.keys() == right.keys()


def test_code_of_an_agent_reads_times_of_a_prepared_copy_as_its_instructions_say(on_ray: dict[str, Ran]) -> None:
    assert (on_ray[SALES].output, on_ray[SALES].error) == (prepared_cases.AGENT_OUTPUT, None)
