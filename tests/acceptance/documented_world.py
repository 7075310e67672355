"""What the documented commands find: files, sources of sessions, tables of the catalog, and an earlier job."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pandas as pd

from raylane import Producer
from raylane_common.settings import Settings
from raylane_worker.embedded.samples import SAMPLE_DATABASE, create_sample_table, sample_file
from tests.acceptance.conftest import BIN
from tests.helpers import aws

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.acceptance.conftest import System

_SALES = b"region;year;amount\nnorth;2023;1,5\nsouth;2024;2,5\nnorth;2024;4,0\n"
_PROGRAMS = re.compile(r"Save this as `([\w.]+)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def job_id(page: Path) -> str:
    """Returns the id of the earlier job, for which the page says JOB."""
    return f"documented-{page.stem}"


@asynccontextmanager
async def prepared(system: System, page: Path, directory: Path) -> AsyncIterator[dict[str, str]]:
    """Puts the files of the page into the directory, and fills sessions. Yields the environment of its shell."""
    await asyncio.to_thread(_write_files, page, directory)
    env = system.process_environment() | {"PATH": f"{BIN}:{os.environ['PATH']}", "RAYLANE_SESSION": "sample"}
    await _create_tables(system)
    async with Producer(redis_url=system.env["RAYLANE_REDIS__URL"]) as producer:
        # The earlier job has a file of its own, because the page may upload the others again.
        await (await producer.upload_bytes(_SALES, filename="earlier.csv", session_id="ada")).result(timeout_s=60)
        job = await producer.generate("sum of amount by region", session_id="ada", execute=True, job_id=job_id(page))
        await job.result(timeout_s=120)
        for session_id in ("ada", "sample", "program"):
            await producer.reset(session_id)
        await (await producer.upload(sample_file(), session_id="sample")).result(timeout_s=60)
    yield env


def _write_files(page: Path, directory: Path) -> None:
    shutil.copy(sample_file(), directory)
    (directory / "sales.csv").write_bytes(_SALES)
    pd.DataFrame({"region": ["north", "south"], "amount": [1.5, 2.5]}).to_excel(directory / "export.xlsx", index=False)
    (directory / "helper.py").write_text("def greeting():\n    return 'hello'\n")
    (directory / "job.py").write_text("import helper\n\nprint(helper.greeting())\n")
    for name, code in _PROGRAMS.findall(page.read_text(encoding="utf-8")):
        (directory / name).write_text(code)


async def _create_tables(system: System) -> None:
    """Creates the sample table and `lake.orders`, unless the page before did."""
    settings = Settings(_env_file=None)
    settings = settings.model_copy(
        update={
            "aws": aws.aws_settings(system.env["RAYLANE_AWS__ENDPOINT_URL"]),
            "storage": settings.storage.model_copy(update={"bucket": system.env["RAYLANE_STORAGE__BUCKET"]}),
        }
    )
    async with aws.glue(system.env["RAYLANE_AWS__ENDPOINT_URL"]) as glue:
        known = {one["Name"] for one in (await glue.get_databases())["DatabaseList"]}
        if SAMPLE_DATABASE not in known:
            await create_sample_table(settings)
        if "lake" in known:
            return
        async with aws.s3(system.env["RAYLANE_AWS__ENDPOINT_URL"]) as s3:
            await s3.put_object(
                Bucket=settings.storage.bucket, Key="tables/orders/orders.csv", Body=b"north,2023,1\nsouth,2024,2\n"
            )
        await glue.create_database(DatabaseInput={"Name": "lake"})
        await glue.create_table(
            DatabaseName="lake",
            TableInput={
                "Name": "orders",
                "StorageDescriptor": {
                    "Columns": [
                        {"Name": "region", "Type": "string"},
                        {"Name": "year", "Type": "int"},
                        {"Name": "total", "Type": "int"},
                    ],
                    "Location": f"s3://{settings.storage.bucket}/tables/orders/",
                    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                        "Parameters": {"field.delim": ","},
                    },
                },
            },
        )
