"""The examples for compose and Kubernetes, as far as they can be checked without an engine and a cluster."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from promql_parser import parse

from raylane.cli.process import variable_warnings
from raylane.gateway.inclusion import routers
from raylane_common.settings import load_settings, unknown_variables
from raylane_common.telemetry import definitions
from raylane_common.telemetry.metrics import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
SCRIPTS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
PROGRAMS: Final = (".md", ".mjs", ".py", ".sh")
COMPOSE: Final = yaml.safe_load((EXAMPLES / "compose" / "compose.yaml").read_text(encoding="utf-8"))
MANIFESTS: Final = list(yaml.safe_load_all((EXAMPLES / "kubernetes" / "raylane.yaml").read_text(encoding="utf-8")))


def manifest(kind: str, name: str) -> Any:
    [found] = [one for one in MANIFESTS if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> Iterator[tuple[str, Any]]:
    """Yields each deployment's name with the specification of its pods."""
    for one in MANIFESTS:
        if one["kind"] == "Deployment":
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def container(name: str) -> Any:
    [found] = manifest("Deployment", name)["spec"]["template"]["spec"]["containers"]
    return found


def assert_settings(values: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name must be a setting's, and every value one that it takes."""
    for name in [name for name in os.environ if name.startswith("RAYLANE_")]:
        monkeypatch.delenv(name)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    load_settings()
    assert variable_warnings() == []


def test_the_compose_file_fits_its_schema(tmp_path: Path) -> None:
    check = Path(sys.executable).parent / "check-jsonschema"
    file = EXAMPLES / "compose" / "compose.yaml"
    subprocess.run([check, "--builtin-schema", "vendor.compose-spec", file], check=True, capture_output=True)


def test_the_services_of_compose_run_commands_of_the_project_and_are_reached_through_the_gateway_alone() -> None:
    services = COMPOSE["services"]
    assert services["gateway"]["command"][0] in SCRIPTS
    assert services["worker"]["healthcheck"]["test"][1] in SCRIPTS
    assert {service.get("build", "../..") for service in services.values()} == {"../.."}
    assert re.fullmatch(r".+:\d[\w.-]+", services["valkey"]["image"])
    assert {name: service.get("ports") for name, service in services.items() if "ports" in service} == {
        "gateway": ["127.0.0.1:8000:8000"]
    }
    # A token is asked for, because the address is not a loopback one.
    assert "--host" in services["gateway"]["command"]
    [secret] = services["gateway"]["secrets"]
    assert services["gateway"]["environment"]["RAYLANE_GATEWAY__TOKENS_FILE"] == f"/run/secrets/{secret}"
    assert secret in COMPOSE["secrets"]
    valkey = services["valkey"]["command"]
    assert valkey[valkey.index("--maxmemory-policy") + 1] == "noeviction"


def test_the_variables_of_compose_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (EXAMPLES / "compose" / ".env.example").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for service in ("worker", "gateway"):
        values |= COMPOSE["services"][service]["environment"]
    assert_settings(values | {"RAYLANE_RAY__TOKEN": "x" * 16}, monkeypatch)


def test_every_manifest_has_the_fields_that_its_kind_needs() -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in MANIFESTS]
    assert len(set(names)) == len(names)
    assert {(one["apiVersion"], one["kind"]) for one in MANIFESTS} == {
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("apps/v1", "Deployment"),
        ("keda.sh/v1alpha1", "ScaledObject"),
        ("ray.io/v1", "RayCluster"),
    }
    for one in MANIFESTS:
        if one["kind"] == "Deployment":
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("name", ["raylane-gateway", "raylane-worker"])
def test_the_variables_of_a_deployment_are_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = container(name)
    values: dict[str, str] = {}
    for source in found["envFrom"]:
        if "configMapRef" in source:
            values |= manifest("ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            values |= manifest("Secret", source["secretRef"]["name"])["stringData"]
    for variable in found["env"]:
        if "valueFrom" in variable:
            key = variable["valueFrom"]["secretKeyRef"]
            values[variable["name"]] = manifest("Secret", key["name"])["stringData"][key["key"]]
        else:
            values[variable["name"]] = variable["value"]
    assert all(isinstance(value, str) for value in values.values())
    assert_settings(values, monkeypatch)


@pytest.mark.parametrize(("name", "port"), [("raylane-gateway", 8000), ("raylane-worker", 9095)])
def test_the_probes_ask_addresses_that_exist(name: str, port: int) -> None:
    found = container(name)
    assert found["command"][0] in SCRIPTS
    ports = {one["name"]: one["containerPort"] for one in found["ports"]}
    assert list(ports.values()) == [port]
    if name == "raylane-gateway":
        assert found["command"][-1] == str(port)
        known = {getattr(route, "path", "") for router in routers() for route in router.routes}
    else:
        variables = {variable["name"]: variable.get("value") for variable in found["env"]}
        assert variables["RAYLANE_TELEMETRY__PORT"] == str(port)
        server = (ROOT / "worker" / "raylane_worker" / "telemetry" / "server.py").read_text(encoding="utf-8")
        known = set(re.findall(r'web\.get\("([^"]+)"', server))
    for probe in ("readinessProbe", "livenessProbe"):
        request = found[probe]["httpGet"]
        assert request["path"] in known
        assert request["port"] in ports


def test_pods_have_time_to_drain_run_as_nobody_special_and_mount_what_is_there() -> None:
    settings = load_settings()
    limits = {"raylane-gateway": settings.gateway.shutdown_s, "raylane-worker": settings.lanes.drain_s}
    for name, pod in pods():
        assert pod["terminationGracePeriodSeconds"] > limits[name] + 5
        assert pod["securityContext"]["runAsNonRoot"] is True
        # A name in the image cannot be checked: Kubernetes needs the number.
        assert f"--uid {pod['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text(encoding="utf-8")
        assert {mount["name"] for mount in container(name)["volumeMounts"]} == {
            volume["name"] for volume in pod["volumes"]
        }
        if "serviceAccountName" in pod:
            manifest("ServiceAccount", pod["serviceAccountName"])
        for volume in pod["volumes"]:
            if "secret" in volume:
                [file] = manifest("Secret", volume["secret"]["secretName"])["stringData"].items()
                assert json.loads(file[1]) == {"callers": []}


def test_the_service_leads_to_the_gateway() -> None:
    service = manifest("Service", "raylane-gateway")["spec"]
    labels = manifest("Deployment", "raylane-gateway")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert service["ports"][0]["targetPort"] in {one["name"] for one in container("raylane-gateway")["ports"]}


def test_workers_scale_by_a_metric_that_they_report() -> None:
    scaled = manifest("ScaledObject", "raylane-worker")["spec"]
    manifest("Deployment", scaled["scaleTargetRef"]["name"])
    assert "replicas" not in manifest("Deployment", "raylane-worker")["spec"]
    assert 1 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    [trigger] = scaled["triggers"]
    # Kubernetes takes text alone for these.
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    reported = {metric.name for metric in vars(definitions).values() if isinstance(metric, Metric)}
    queries = [
        trigger["metadata"]["query"],
        *re.findall(r"`(max\([^`]+)`", (EXAMPLES / "kubernetes" / "README.md").read_text(encoding="utf-8")),
    ]
    for query in queries:
        parse(query)
        assert set(re.findall(r"raylane_\w+", query)) <= reported


def test_the_ray_cluster_is_the_one_that_workers_ask_and_has_their_token() -> None:
    cluster = manifest("RayCluster", "raylane")
    url = manifest("ConfigMap", "raylane")["data"]["RAYLANE_RAY__PRIVATE_URL"]
    assert url == f"http://{cluster['metadata']['name']}-head-svc:8265"
    spec = cluster["spec"]
    [token] = [one for one in container("raylane-worker")["env"] if one["name"] == "RAYLANE_RAY__TOKEN"]
    assert spec["authOptions"]["mode"] == "token"
    assert spec["authOptions"]["secretName"] == token["valueFrom"]["secretKeyRef"]["name"]
    assert "auth_token" in manifest("Secret", spec["authOptions"]["secretName"])["stringData"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        manifest("ServiceAccount", pod["serviceAccountName"])
        for one in pod["containers"]:
            assert f":{spec['rayVersion']}-" in one["image"]
    [dashboard] = [
        port["containerPort"]
        for one in spec["headGroupSpec"]["template"]["spec"]["containers"]
        for port in one["ports"]
        if port["name"] == "dashboard"
    ]
    assert url.endswith(f":{dashboard}")


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
def test_the_node_example_is_valid_javascript() -> None:
    subprocess.run(["node", "--check", EXAMPLES / "node" / "ask.mjs"], check=True, capture_output=True)


def test_no_variable_of_an_example_looks_like_a_misspelt_setting() -> None:
    texts = [path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*") if path.suffix in PROGRAMS]
    assert texts
    named = {name for text in texts for name in re.findall(r"\bRAYLANE_[A-Z0-9_]*[A-Z0-9]\b", text)}
    assert not unknown_variables(named)
