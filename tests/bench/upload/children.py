"""What is measured, each in a process of its own: `python -m tests.bench.upload.children NAME ARGUMENTS` prints JSON.

CPU and the peak of the memory are those of this process; `base_mib` is its memory just before.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Figures = dict[str, Any]
KEYS = {"aws_access_key_id": "embedded", "aws_secret_access_key": "embedded", "region_name": "us-east-1"}
_WARM_UPS = 5
_SMALL_ROUNDS = 40


@contextmanager
def measured(figures: Figures) -> Iterator[None]:
    """Adds what the block took."""
    figures["base_mib"] = _status_mib("VmRSS")
    began_s, cpu_s = time.perf_counter(), time.process_time()
    yield
    figures["took_s"] = time.perf_counter() - began_s
    figures["cpu_s"] = time.process_time() - cpu_s
    figures["peak_mib"] = _status_mib("VmHWM")


def _status_mib(name: str) -> float:
    # The peak in `getrusage` starts with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024


async def raylane(path: str, rounds: str) -> Figures:
    """Our producer: until all parts are on S3 and the job is enqueued, and until the source is registered."""
    from raylane import Producer

    figures: Figures = {}
    calls_s, registered_s = [], []
    async with Producer() as producer:
        # Connects, and lets the worker load what it needs.
        for _ in range(_WARM_UPS):
            warm = await producer.upload(b"a\n1\n", filename="warm.csv", session_id=uuid.uuid4().hex)
            await warm.result(timeout_s=60)
        with measured(figures):
            for _ in range(int(rounds)):
                began_s = time.perf_counter()
                job = await producer.upload(path, session_id=uuid.uuid4().hex)
                calls_s.append(time.perf_counter() - began_s)
                if int(rounds) > 1:
                    await job.result(timeout_s=600)
                    registered_s.append(time.perf_counter() - began_s)
        figures["took_s"] = statistics.median(calls_s)
        if not registered_s:
            await job.result(timeout_s=600)
            registered_s.append(time.perf_counter() - began_s)
        figures["registered_s"] = statistics.median(registered_s)
    return figures


async def boto3(path: str, rounds: str, url: str, bucket: str) -> Figures:
    """`upload_file` of boto3 with its defaults."""
    import boto3 as library  # type: ignore[import-untyped]  # it has no types
    from botocore.config import Config

    client = library.client("s3", endpoint_url=url, config=Config(s3={"addressing_style": "path"}), **KEYS)
    client.put_object(Bucket=bucket, Key="warm", Body=b"a")
    figures: Figures = {}
    calls_s = []
    with measured(figures):
        for number in range(int(rounds)):
            began_s = time.perf_counter()
            client.upload_file(path, bucket, f"boto3/{number}")
            calls_s.append(time.perf_counter() - began_s)
    figures["took_s"] = statistics.median(calls_s)
    return figures


async def prepare(path: str, to: str) -> Figures:
    """What the worker does with a file: types, profile and prepared copy."""
    from raylane_common.wire.reading import ReadingOptions
    from raylane_worker.data.prepare import read_file

    figures: Figures = {}
    with measured(figures):
        found = read_file(Path(path), "data.csv", ReadingOptions(), copy_to=Path(to))
    return figures | {"rows": found.rows, "copied": bool(found.reasons)}


async def pyarrow(path: str, to: str) -> Figures:
    """Bare pyarrow: the streaming reader, and Parquet in row groups."""
    import pyarrow.csv
    import pyarrow.parquet

    figures: Figures = {}
    with (
        measured(figures),
        pyarrow.csv.open_csv(path) as reader,
        pyarrow.parquet.ParquetWriter(to, reader.schema, compression="zstd") as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
    return figures


async def duckdb(path: str, to: str) -> Figures:
    """DuckDB's `COPY`."""
    import duckdb as library

    figures: Figures = {}
    with measured(figures):
        library.sql(f"COPY (FROM read_csv('{path}')) TO '{to}' (FORMAT parquet, COMPRESSION zstd)")
    return figures


async def group_by(kind: str, path: str) -> Figures:
    """A group-by of Ray Data over a file on this machine."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    read = ray.data.read_parquet if kind == "parquet" else ray.data.read_csv
    figures: Figures = {}
    with measured(figures):
        found = read(path).groupby("city").sum("amount").take_all()
    ray.shutdown()
    return figures | {"groups": len(found)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))))
