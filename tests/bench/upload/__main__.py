"""Uploads beside `boto3.upload_file` and `aws s3 cp`, and reading beside bare libraries: `make bench-upload`.

All send to the same server on this machine, each in a process of its own: once to moto, and once to a server that
only stores (`store.py`), because moto takes longer than what is measured. With `--quick`, files are small; with
`--large`, there is one of 5 GiB. The figures are written to build/bench/upload.json; what could not be measured is null
there, and a note says why.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from raylane_common.settings import StorageSettings
from raylane_worker.data.storage import Storage
from raylane_worker.embedded import embedded_moto, embedded_valkey
from tests.bench.files import GIB, KIB, MIB, data_file
from tests.bench.processes import OUT
from tests.bench.report import Target, target_lines
from tests.bench.upload.children import KEYS
from tests.faults.processes import Workers
from tests.helpers.aws import aws_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

Figures = dict[str, Any]

SIZES: Final = {"1 KiB": KIB, "1 MiB": MIB, "64 MiB": 64 * MIB, "1 GiB": GIB}
QUICK: Final = {"1 KiB": KIB, "1 MiB": MIB, "64 MiB": 64 * MIB}
LARGE: Final = {"5 GiB": 5 * GIB}
DATA: Final = OUT / "upload-data"
BUCKET: Final = "bench"


def child(name: str, *arguments: str, environment: dict[str, str] | None = None) -> Figures:
    """Runs one of `children` and returns what it measured."""
    command = [sys.executable, "-m", "tests.bench.upload.children", name, *arguments]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    if ran.returncode:
        raise RuntimeError(f"{name}: {ran.stderr[-600:]}")
    found: Figures = json.loads(ran.stdout.splitlines()[-1])
    return found


def aws_cp(path: Path, url: str) -> Figures:
    """`aws s3 cp`: a whole process, which takes half a second to start."""
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": KEYS["region_name"],
    }
    before, began_s, peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0.0
    command = ["aws", "--endpoint-url", url, "s3", "cp", "--quiet", str(path), f"s3://{BUCKET}/aws"]
    with subprocess.Popen(command, env=environment) as running:
        while running.poll() is None:
            with suppress(OSError, KeyError):  # it has just ended
                peak_mib = max(peak_mib, process_figures(running.pid)["peak_mib"])
            time.sleep(0.01)
    if running.returncode:
        raise RuntimeError(f"exit code {running.returncode}")
    took_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"took_s": took_s, "cpu_s": cpu_s, "peak_mib": peak_mib}


def process_figures(pid: int) -> Figures:
    """CPU so far, the memory, and its peak, of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "cpu_s": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        "mib": int(status["VmRSS"].split()[0]) / 1024,
        "peak_mib": int(status["VmHWM"].split()[0]) / 1024,
    }


@asynccontextmanager
async def watched_readers(worker_pid: int) -> AsyncIterator[dict[int, Figures]]:
    """Keeps the last figures of the processes in which the worker reads large files, by their ids."""
    found: dict[int, Figures] = {}

    async def watch() -> None:
        children = Path(f"/proc/{worker_pid}/task/{worker_pid}/children")
        while True:
            for pid in map(int, children.read_text().split()):
                # It may have just ended.
                with suppress(OSError, KeyError, IndexError):
                    if b"prepare.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        found[pid] = process_figures(pid)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield found
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def against(server: str, url: str, redis_url: str, sizes: dict[str, int], notes: list[str]) -> list[Figures]:
    """Returns the figures of all senders and sizes with one server."""
    async with Storage(StorageSettings(bucket=BUCKET, create_bucket=server == "moto"), aws_settings(url)):
        pass
    settings = {
        "redis__url": redis_url,
        "aws__endpoint_url": url,
        "aws__region": KEYS["region_name"],
        "aws__access_key_id": KEYS["aws_access_key_id"],
        "aws__secret_access_key": KEYS["aws_secret_access_key"],
        "storage__bucket": BUCKET,
        "generation__generator": "template",
    }
    found = []
    logs = OUT / "logs" / server
    logs.mkdir(parents=True, exist_ok=True)
    async with Workers(settings, logs) as workers:
        worker = await workers.start()
        for name, size_bytes in sizes.items():
            path, rounds = data_file(DATA, size_bytes), "40" if size_bytes <= KIB else "5" if size_bytes <= MIB else "1"
            print(f"{server}: {name}", file=sys.stderr, flush=True)
            before = process_figures(worker.pid)
            async with watched_readers(worker.pid) as readers:
                ours = await asyncio.to_thread(
                    child, "raylane", str(path), rounds, environment={"RAYLANE_REDIS__URL": redis_url}
                )
            after = process_figures(worker.pid)
            ours["worker_cpu_s"] = after["cpu_s"] - before["cpu_s"]
            ours["worker_base_mib"] = before["mib"]
            ours["worker_peak_mib"] = after["peak_mib"]
            ours["reader_peak_mib"] = max((each["peak_mib"] for each in readers.values()), default=None)
            ours["reader_cpu_s"] = sum(each["cpu_s"] for each in readers.values())
            found.append({"server": server, "size": name, "sender": "raylane", **ours})
            peer = await asyncio.to_thread(child, "boto3", str(path), rounds, url, BUCKET)
            found.append({"server": server, "size": name, "sender": "boto3", **peer})
            if shutil.which("aws") is None:
                notes.append("aws s3 cp: the program `aws` is missing")
            else:
                try:
                    found.append(
                        {"server": server, "size": name, "sender": "aws", **await asyncio.to_thread(aws_cp, path, url)}
                    )
                except (subprocess.CalledProcessError, OSError) as error:
                    notes.append(f"aws s3 cp, {server}, {name}: {error}")
    return found


def reading(size: str, size_bytes: int, notes: list[str]) -> list[Figures]:
    """Returns how fast each reads the file and writes Parquet."""
    found = []
    for name in ("prepare", "pyarrow", "duckdb"):
        to = DATA / f"{name}.parquet"
        print(f"reading {size}: {name}", file=sys.stderr, flush=True)
        try:
            figures = child(name, str(data_file(DATA, size_bytes)), str(to))
        except RuntimeError as error:
            notes.append(str(error))
            continue
        figures["mb_per_s"] = size_bytes / 1e6 / figures["took_s"]
        found.append({"size": size, "by": name, **figures})
    return found


def on_ray(size: str, size_bytes: int, notes: list[str]) -> list[Figures]:
    """Returns how long a group-by takes over the CSV and over its prepared copy."""
    found = []
    for kind, path in (("csv", data_file(DATA, size_bytes)), ("parquet", DATA / "prepare.parquet")):
        if not path.exists():
            notes.append(f"group-by over {kind}: there is no {path.name}, since the file needs no prepared copy")
            continue
        print(f"group-by {size}: {kind}", file=sys.stderr, flush=True)
        try:
            found.append({"size": size, "over": kind, **child("group_by", kind, str(path))})
        except RuntimeError as error:
            notes.append(str(error))
    return found


def targets(sent: Sequence[Figures], read: Sequence[Figures], grouped: Sequence[Figures]) -> list[Target]:
    """Compares the figures with what is promised."""
    took = {(each["server"], each["size"], each["sender"]): each["took_s"] for each in sent}
    found = []
    for server, size, sender in took:
        if sender == "raylane" and size not in ("1 KiB", "1 MiB") and (server, size, "boto3") in took:
            ours, theirs = took[server, size, "raylane"], took[server, size, "boto3"]
            name = f"{size} to {server} not slower than boto3"
            found.append(Target(name, ours <= theirs, f"{ours:.2f} s beside {theirs:.2f} s"))
    for each in sent:
        if each["sender"] == "raylane" and each["size"] == "1 KiB":
            ms = each["registered_s"] * 1000
            found.append(Target(f"1 KiB registered within 15 ms ({each['server']})", ms <= 15, f"{ms:.1f} ms"))
        elif each["sender"] == "raylane":
            above = {"producer": each["peak_mib"] - each["base_mib"]}
            above["worker"] = each["worker_peak_mib"] - each["worker_base_mib"]
            name = f"{each['size']} to {each['server']}: at most 128 MiB above idle"
            found.append(
                Target(name, max(above.values()) <= 128, f"{', '.join(f'{k} {v:.0f}' for k, v in above.items())} MiB")
            )
    rates = {each["by"]: each["mb_per_s"] for each in read}
    if {"prepare", "pyarrow"} <= rates.keys():
        share = rates["prepare"] / rates["pyarrow"]
        found.append(Target("preparing at 60 % of pyarrow", share >= 0.6, f"{share:.0%}"))
    over = {each["over"]: each["took_s"] for each in grouped}
    met = over["parquet"] * 2 <= over["csv"] if len(over) == 2 else None
    found.append(
        Target("group-by over the copy twice as fast", met, json.dumps({k: round(v, 1) for k, v in over.items()}))
    )
    return found


def table(rows: Sequence[Figures]) -> str:
    """Returns the figures as lines of text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)


async def run(options: argparse.Namespace) -> None:
    """Measures it all, prints the tables and the targets, and writes the JSON."""
    DATA.mkdir(parents=True, exist_ok=True)
    sizes, notes, sent = QUICK if options.quick else SIZES, list[str](), list[Figures]()
    for server in ("store", "moto"):
        async with AsyncExitStack() as stack:
            valkey = await stack.enter_async_context(embedded_valkey())
            if server == "moto":
                url = (await stack.enter_async_context(embedded_moto())).url
            else:
                objects = DATA / "objects"
                shutil.rmtree(objects, ignore_errors=True)
                objects.mkdir()
                stack.callback(shutil.rmtree, objects)
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "tests.bench.upload.store", str(objects), stdout=asyncio.subprocess.PIPE
                )
                stack.callback(process.kill)
                assert process.stdout is not None
                url = (await process.stdout.readline()).decode().strip()
            larger = LARGE if options.large and server == "store" else {}
            sent += await against(server, url, valkey.url, {**sizes, **larger}, notes)
    size, size_bytes = list(sizes.items())[-1]
    read = reading(size, size_bytes, notes)
    grouped = [] if options.no_ray else on_ray(size, size_bytes, notes)
    found = targets(sent, read, grouped)
    for rows in filter(None, (sent, read, grouped)):
        print(table(rows), end="\n\n")
    print(*notes, sep="\n")
    print(target_lines(found))
    data = {
        "sent": sent,
        "read": read,
        "group_by": grouped,
        "notes": notes,
        "machine": {"cores": os.cpu_count(), "platform": platform.platform(), "python": platform.python_version()},
        "targets": [target._asdict() for target in found],
    }
    (OUT / "upload.json").write_text(json.dumps(data, indent=2) + "\n")
    shutil.rmtree(DATA)
    print("\nwritten to build/bench/upload.json")


def main() -> None:
    """Reads the options and runs the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.upload", description="Measures uploads.")
    parser.add_argument("--quick", action="store_true", help="files of at most 64 MiB")
    parser.add_argument("--large", action="store_true", help="also a file of 5 GiB, which takes 20 GiB of disk")
    parser.add_argument("--no-ray", action="store_true", help="without the group-by on Ray")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
