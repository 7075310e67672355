"""Sample data for the embedded servers: a file, and a table of the catalog."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiobotocore.session import get_session

from raylane_common.errors import EmbeddedError
from raylane_worker.data.aws import client_arguments

if TYPE_CHECKING:
    from raylane_common.settings import Settings

SAMPLE_FILE: Final = "seattle-weather.csv"
SAMPLE_DATABASE: Final = "sample"
SAMPLE_TABLE: Final = "stocks"


def sample_file() -> Path:
    """Returns the sample file. Raises `EmbeddedError` if the package that has it is not installed."""
    return _data_directory() / SAMPLE_FILE


async def create_sample_table(settings: Settings) -> None:
    """Writes the sample table to S3, in the bucket of the settings, and adds it to the catalog.

    Raises `EmbeddedError` if the package that has the data is not installed.
    """
    content = await asyncio.to_thread(_parquet, _data_directory() / f"{SAMPLE_TABLE}.csv")
    session, arguments = get_session(), client_arguments(settings.aws)
    location = f"s3://{settings.storage.bucket}/tables/{SAMPLE_TABLE}/"
    async with session.create_client("s3", **arguments) as s3:
        await s3.put_object(
            Bucket=settings.storage.bucket, Key=f"tables/{SAMPLE_TABLE}/{SAMPLE_TABLE}.parquet", Body=content
        )
    async with session.create_client("glue", **arguments) as glue:
        await glue.create_database(DatabaseInput={"Name": SAMPLE_DATABASE})
        await glue.create_table(
            DatabaseName=SAMPLE_DATABASE,
            TableInput={
                "Name": SAMPLE_TABLE,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"classification": "parquet"},
                "StorageDescriptor": {
                    "Columns": [
                        {"Name": "symbol", "Type": "string"},
                        {"Name": "date", "Type": "date"},
                        {"Name": "price", "Type": "double"},
                    ],
                    "Location": location,
                    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                    },
                },
            },
        )


def _parquet(path: Path) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    table = pa.table(
        {
            "symbol": pa.array([row["symbol"] for row in rows], pa.string()),
            "date": pa.array([datetime.strptime(row["date"], "%b %d %Y").date() for row in rows], pa.date32()),
            "price": pa.array([float(row["price"]) for row in rows], pa.float64()),
        }
    )
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


def _data_directory() -> Path:
    # Not imported, because the package would load pandas.
    spec = find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        problem = "the sample data is missing; pip install 'raylane[embedded]'"
        raise EmbeddedError(problem, details={"part": "samples"})
    return Path(spec.origin).parent / "_data"
