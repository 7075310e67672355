"""`raylane-worker dev`: prints its addresses, takes jobs, and leaves no process behind after Ctrl-C."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING

import pytest

from raylane import Producer, TableSource
from raylane_worker.embedded import guard
from tests.acceptance.conftest import BIN
from tests.helpers.bound import bound
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_dev_prints_its_addresses_takes_jobs_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    dev = await asyncio.create_subprocess_exec(
        *bound(BIN / "raylane-worker", "dev"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        assert dev.stdout is not None
        printed = ""
        async with asyncio.timeout(400):
            while "Ctrl-C stops everything." not in printed:
                line = await dev.stdout.readline()
                assert line, printed
                printed += line.decode()
        url = re.search(r"export RAYLANE_REDIS__URL=(\S+)", printed)
        assert url is not None
        assert re.search(r"S3, Glue http://127\.0\.0\.1:\d+", printed)
        assert re.search(r"Ray +http://127\.0\.0\.1:\d+  token [0-9a-f]{48}\n", printed)
        async with Producer(redis_url=url.group(1)) as producer:
            status = await (await producer.cluster.status()).result(60)
            assert status.endpoint == "private"
            assert [source.name for source in await producer.sources("sample")] == ["seattle-weather.csv"]
            selected = await (await producer.tables.select("sample", [("sample", "stocks")])).result(60)
            [stocks] = [source for source in selected.sources if isinstance(source, TableSource)]
            assert [column.name for column in stocks.columns] == ["symbol", "date", "price"]
        members = guard.members({dev.pid})
        assert len(members) > 10
        dev.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(dev.communicate(), 60)
    finally:
        if dev.returncode is None:
            dev.kill()
            await dev.wait()
    assert dev.returncode == 0
    assert rest.decode().rstrip().endswith("Everything has stopped.")
    await until(lambda: not guard.living(members))
