"""What can be held about the image and compose.yaml without an engine to run them."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_everything_that_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    copied = [source for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"pyproject.toml", "constraints.txt", "common", "producer", "worker"} <= set(copied)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert set(copied) == allowed


def test_the_image_and_its_health_check_run_commands_of_the_project() -> None:
    command = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[0])
    check = COMPOSE["services"]["worker"]["healthcheck"]["test"]
    assert command[0] in PROJECT["scripts"]
    assert check[1] in PROJECT["scripts"]
    installed = shlex.split(re.findall(r"^RUN pip install (.*)$", DOCKERFILE, re.MULTILINE)[0])[-1]
    assert re.fullmatch(r"\.\[[\w,]+\]", installed)
    assert set(installed[2:-1].split(",")) <= set(PROJECT["optional-dependencies"])


def test_services_are_pinned_keep_their_data_and_publish_on_loopback_only() -> None:
    services = COMPOSE["services"]
    images = [service["image"] for service in services.values() if "image" in service]
    assert [image for image in images if not re.fullmatch(r".+:\d[\w.-]+", image)] == []
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    redis = services["redis"]["command"]
    assert redis[redis.index("--appendonly") + 1] == "yes"
    assert redis[redis.index("--maxmemory-policy") + 1] == "noeviction"
    assert {name: service.get("profiles") for name, service in services.items()} == {
        "redis": None,
        "worker": None,
        "moto": ["dev"],
        "ray": ["ray"],
    }
