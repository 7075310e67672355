"""The examples run, and print what their pages show."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from raylane_worker.embedded.samples import sample_file
from tests.acceptance.conftest import BIN, TIMEOUT_S
from tests.faults.proxy import Proxy
from tests.helpers.bound import bound
from tests.helpers.documented import assert_shows, run_in_shell, steps

if TYPE_CHECKING:
    from raylane import Producer
    from tests.acceptance.conftest import System

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_NEEDED: Final = {"node": "node", "fastapi-sse": "curl"}


def copied(name: str, directory: Path) -> Path:
    """Copies an example, so that nothing is written next to it. Skips the test if the example cannot run here."""
    program = _NEEDED.get(name)
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"there is no {program} on this machine")
    return Path(shutil.copytree(EXAMPLES / name, directory / name))


def environment(system: System) -> dict[str, str]:
    return system.process_environment() | {"PATH": f"{BIN}:{os.environ['PATH']}"}


@pytest.mark.parametrize("name", ["csv", "node", "redis-cli"])
async def test_the_commands_of_an_example_print_what_its_page_shows(
    name: str, system: System, gateway: str, producer: Producer, tmp_path: Path
) -> None:
    directory = copied(name, tmp_path)
    await (await producer.upload(sample_file(), session_id="sample")).result(TIMEOUT_S)
    for step in steps(directory / "README.md"):
        command = step.command.replace("http://127.0.0.1:8000", gateway)
        code, printed = await run_in_shell(command, directory, environment(system), TIMEOUT_S)
        assert code == 0, f"$ {command}\n{printed}"
        if step.shown:
            assert_shows(step.shown, printed)


async def test_the_node_example_continues_when_its_connection_breaks(
    system: System, gateway: str, tmp_path: Path
) -> None:
    directory = copied("node", tmp_path)
    (directory / "amounts.csv").write_text("region,amount\nnorth,1\nsouth,2\nnorth,4\n")
    async with Proxy(int(gateway.rpartition(":")[2])) as proxy:
        env = environment(system) | {"GATEWAY_URL": f"http://127.0.0.1:{proxy.port}", "RAYLANE_SESSION": "cut"}
        process = await asyncio.create_subprocess_exec(
            *bound(shutil.which("node") or "", "ask.mjs", "amounts.csv", "sum of amount by region"),
            cwd=directory,
            env=env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        lines: list[str] = []
        was_cut = False
        async with asyncio.timeout(TIMEOUT_S):
            while line := (await process.stderr.readline()).decode():
                lines.append(line)
                # A second such line may say what the run waits for.
                if line.startswith("running: ") and not was_cut:
                    proxy.cut()
                    was_cut = True
            printed = (await process.stdout.read()).decode()
        assert await process.wait() == 0, "".join(lines)
    assert [line.split(" after")[0] for line in lines if "connection" in line] == ["connection lost; continuing"]
    assert sum(line.startswith("submitting: ") for line in lines) == 1
    assert lines[-1] == "succeeded\n"
    assert printed.split() == ["region,sum(amount)", "north,5", "south,2"]


async def test_the_service_with_fastapi_relays_the_events_of_its_jobs(system: System, tmp_path: Path) -> None:
    directory = copied("fastapi-sse", tmp_path)
    start, commands = re.findall(r"```sh\n(.*?)```", (directory / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    program, *arguments = start.split()
    assert program == "uvicorn"
    service = await asyncio.create_subprocess_exec(
        *bound(sys.executable, "-m", program, *arguments, "--port", "0"),
        cwd=directory,
        env=environment(system),
        stderr=asyncio.subprocess.PIPE,
    )
    assert service.stderr is not None
    try:
        async with asyncio.timeout(60):
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", (await service.stderr.readline()).decode())):
                assert service.returncode is None
        printed: list[str] = []
        for command in commands.strip().splitlines():
            job = json.loads(printed[1])["job"] if len(printed) > 1 else ""
            quiet = command.replace("curl ", "curl --silent --show-error ").replace("http://127.0.0.1:8000", found[0])
            code, said = await run_in_shell(quiet.replace("JOB", job), directory, environment(system), TIMEOUT_S)
            assert code == 0, said
            printed.append(said)
        _, _, events, answer = printed
        told = [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line.startswith("data: ")]
        assert [event["status"] for event in told if "status" in event][-1] == "succeeded"
        assert any("north             5" in event.get("line", "") for event in told)
        assert json.loads(answer)["answer"]["items"][0]["rows"] == [["north", 5], ["south", 2]]
        # Another user learns nothing, not even that the job is there.
        for path in ("events", "answer"):
            other = f"curl --silent -H 'X-User: bob' {found[0]}/questions/{json.loads(printed[1])['job']}/{path}"
            assert "job_not_found" in (await run_in_shell(other, directory, environment(system), TIMEOUT_S))[1]
    finally:
        service.terminate()
        await asyncio.wait_for(service.wait(), 60)
