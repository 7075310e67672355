"""`raylane ray` and `raylane settings`: what `test_commands` does not cover."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from raylane_common.ray.models import EndpointReport, EndpointState, RayHealth, RayNode, Run, RunStatus
from raylane_common.wire.ray import RayClusterResult, RayEndpointsResult, RaySubmitResult

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli, ScriptedWorker

ENDPOINTS = (
    EndpointReport(
        name="private",
        url="http://10.0.0.5:8265",
        state=EndpointState.DOWN,
        last_error="no connection within 1 s",
        next_probe_in_s=7.6,
    ),
    EndpointReport(name="public", url="https://ray.example.org", state=EndpointState.UP, latency_ms=12.5),
)
RAN = RaySubmitResult(run=Run(submission_id="rl-1", status=RunStatus.SUCCEEDED, endpoint="private", exit_code=0))


async def test_endpoints_shows_each_address_and_why_none_answered(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["endpoints"] = RayEndpointsResult(endpoints=ENDPOINTS, problem="nobody answered")
    ran = await cli("ray", "endpoints")
    assert ran.exit_code == 0
    header, private, public = ran.stdout.splitlines()
    assert header.split("  ")[0] == "endpoint"
    assert private.split() == [
        *("private", "http://10.0.0.5:8265", "down", "in", "8", "s"),
        *("no", "connection", "within", "1", "s"),
    ]
    assert public.split() == ["public", "https://ray.example.org", "up", "12.5", "ms"]
    assert "nobody answered" in ran.stderr
    assert json.loads((await cli("ray", "endpoints", "--json")).stdout)["problem"] == "nobody answered"


@pytest.mark.parametrize("gcs_ok", [True, False])
async def test_cluster_shows_its_health_and_nodes(cli: Cli, worker: ScriptedWorker, gcs_ok: bool) -> None:
    health = RayHealth(ray_version="2.60.0", gcs_ok=gcs_ok, said="success" if gcs_ok else "frozen", endpoint="public")
    node = RayNode(
        node_id="0123456789abcdef",
        node_ip="10.0.0.5",
        is_head_node=True,
        state="ALIVE",
        resources_total={"CPU": 8, "memory": 32 * 2**30, "node:10.0.0.5": 1},
    )
    worker.outcomes["cluster"] = RayClusterResult(
        health=health, nodes=(node,) if gcs_ok else (), status="ResourceUsage: 0/8 CPU" if gcs_ok else ""
    )
    printed = (await cli("ray", "cluster")).stdout
    assert printed.startswith("Ray 2.60.0, answered by public; its control store ")
    if gcs_ok:
        assert "0123456789ab  10.0.0.5  head  ALIVE  CPU 8, memory 32.0 GiB\n" in printed
        assert printed.endswith("ResourceUsage: 0/8 CPU\n")
    else:
        assert "does not answer: frozen" in printed


async def test_the_output_of_a_script_is_shown_while_it_runs(cli: Cli, worker: ScriptedWorker, tmp_path: Path) -> None:
    script, helper = tmp_path / "job.py", tmp_path / "helper.py"
    script.write_text("import helper\n")
    helper.write_text("A = 1\n")
    worker.log_lines = ["one\ntwo", "three"]
    worker.outcomes["submit"] = RAN
    given = ["--file", str(helper), "--env", "A=b=c", "--pip", "polars==1.0", "--job-id", "j1"]
    ran = await cli("ray", "submit", str(script), *given)
    assert ran.exit_code == 0, ran.output
    assert [line for line in ran.stderr.splitlines() if line.startswith("j1  t") or line == "j1  one"] == [
        "j1  one",
        "j1  two",
        "j1  three",
    ]
    assert worker.claimed[0].payload == {
        "action": "submit",
        "code": "import helper\n",
        "files": {"helper.py": "A = 1\n"},
        "env_vars": {"A": "b=c"},
        "pip": ["polars==1.0"],
    }
    followed = (await cli("follow", "j1")).stdout.splitlines()
    assert [line.split(maxsplit=1)[1] for line in followed if "one" in line or "two" in line] == ["one", "two"]


async def test_a_script_can_reserve_cpus_and_memory(cli: Cli, worker: ScriptedWorker, tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text("pass\n")
    worker.outcomes["submit"] = RAN
    await cli("ray", "submit", str(script), "--num-cpus", "0.5", "--memory", "1000000")
    await cli("ray", "submit", str(script))
    reserving, plain = (claimed.payload for claimed in worker.claimed)
    assert reserving == {"action": "submit", "code": "pass\n", "num_cpus": 0.5, "memory_bytes": 1_000_000}
    assert plain == {"action": "submit", "code": "pass\n"}, "older workers accept a request without these fields"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--num-cpus", "20000"], "num_cpus: must be at most 10000"),
        (["--env", "NAME"], "'NAME' is not NAME=VALUE"),
        (["--env", "=value"], "'=value' is not NAME=VALUE"),
        (["--file", "a/util.py", "--file", "b/util.py"], "files: must have different names"),
        (["--env", "API_TOKEN=hidden"], "env_vars.API_TOKEN: looks like a credential"),
        (["--file", "absent.py"], "absent.py"),
    ],
)
async def test_wrong_files_and_variables_of_a_script_are_refused(
    cli: Cli, tmp_path: Path, given: list[str], problem: str
) -> None:
    script = tmp_path / "job.py"
    script.write_text("pass\n")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "util.py").write_text(f"NAME = {name!r}\n")
    ran = await cli("ray", "submit", str(script), "--no-wait", *given)
    assert ran.exit_code == 2
    assert problem in ran.stderr
    assert "hidden" not in ran.stderr


async def test_settings_are_set_shown_and_unset(cli: Cli) -> None:
    assert "nothing is set" in (await cli("settings", "show")).stderr
    ran = await cli("settings", "set", "ray.private_url", "http://10.0.0.7:8265")
    assert ran.exit_code == 2
    assert "add its host to RAYLANE_RAY__ALLOWED_HOSTS" in ran.stderr
    allowed = {"RAYLANE_RAY__ALLOWED_HOSTS": '["10.0.0.7", "8.8.8.8"]'}
    ran = await cli("settings", "set", "ray.private_url", "http://10.0.0.7:8265", **allowed)
    assert ran.stdout.splitlines()[1].split() == ["ray.private_url", "http://10.0.0.7:8265"]
    shown = await cli("settings", "show", "--json")
    assert json.loads(shown.stdout) == {"ray.private_url": "http://10.0.0.7:8265"}
    assert "nothing is set" in (await cli("settings", "unset", "ray.private_url")).stderr
    for name, value, problem in (
        ("ray.token", "x", "'ray.token' is not one of ray.private_url, ray.public_url, ray.new_cluster, ray.max_runs"),
        ("ray.max_runs", "0", "ray.max_runs: must be at least 1"),
        ("ray.max_runs", "many", "ray.max_runs: must be a whole number"),
        ("ray.public_url", "http://8.8.8.8:8265", "must be https://"),
        ("ray.public_url", "https://caf\udce9", "ray.public_url: is not valid text"),
    ):
        ran = await cli("settings", "set", name, value, **allowed)
        assert ran.exit_code == 2
        assert problem in ran.stderr
    allowed["RAYLANE_RAY__ALLOW_INSECURE_PUBLIC"] = "true"
    ran = await cli("settings", "set", "ray.public_url", "http://8.8.8.8:1", **allowed)
    assert ran.exit_code == 0
    await cli("settings", "unset", "ray.public_url")
