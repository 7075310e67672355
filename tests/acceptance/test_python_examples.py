"""The examples in Python without async run: the Django project, and the notebook, which prints what is in the file."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nbformat
import pytest

from raylane import Settings
from raylane.sync import Producer
from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.notebooks import NOTEBOOKS, executed, printed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.conftest import System

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
SALES: Final = b"region,amount\nnorth,1\nsouth,2\nnorth,4\n"
JSON: Final = {"Accept": "application/json"}
# A cell of a notebook in a repository is read in a diff.
MOST_BYTES: Final = 40_000


@pytest.fixture
def project(system: System, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the Django project, which reads the address of Redis from the environment."""
    monkeypatch.setenv("RAYLANE_REDIS__URL", system.env["RAYLANE_REDIS__URL"])
    spec = importlib.util.spec_from_file_location("project", EXAMPLES / "django" / "project.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "project", module)
    spec.loader.exec_module(module)
    with module.PRODUCER:  # a test may put another one in its place
        yield module


def test_the_django_project_answers_a_question_about_a_file(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.test import Client

    def given() -> SimpleUploadedFile:
        return SimpleUploadedFile("sales.csv", SALES)

    ada, eve = Client(), Client()
    assert b"<form" in ada.get("/").content
    asked = ada.post("/ask", {"file": given(), "question": "sum of amount by region"})
    assert asked.status_code == 302, asked.content
    job_id = asked["Location"].rpartition("/")[2]
    early = ada.get(asked["Location"])
    assert job_id in early.content.decode()
    assert project.PRODUCER.wait(job_id, timeout_s=TIMEOUT_S).status == "succeeded"
    shown = ada.get(asked["Location"])
    assert "Refresh" not in shown
    assert "<td" in shown.content.decode()
    answer = ada.get(asked["Location"], headers=JSON)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert answer.json()["answer"]["items"][0]["rows"] == [["north", 5], ["south", 2]]

    assert eve.get(asked["Location"]).status_code == 404
    assert ada.get("/answers/nothing").json()["code"] == "job_not_found"
    assert ada.post("/ask", {"question": "how many rows"}).json()["details"] == {"field": "file"}
    empty = ada.post("/ask", {"file": given(), "question": ""})
    assert (empty.status_code, empty.json()["details"]) == (400, {"field": "prompt"})
    assert Client(enforce_csrf_checks=True).post("/ask", {"question": "?"}).status_code == 403
    away = Settings.model_validate(
        {
            "redis": {
                "url": "redis://127.0.0.1:1/0",
                "give_up_s": 1.1,
                "socket_timeout_s": 1.05,
                "connect_timeout_s": 0.5,
            }
        }
    )
    with Producer(away) as nobody:
        monkeypatch.setattr(project, "PRODUCER", nobody)
        refused = ada.get(asked["Location"])
        assert (refused.status_code, refused.json()["code"]) == (503, "queue_unavailable")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_prints_what_is_stored_in_it(path: Path, system: System, tmp_path: Path) -> None:
    stored = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert all(len(json.dumps(cell.get("outputs", []))) < MOST_BYTES for cell in stored.cells)
    found, expected = printed(executed(path, system.process_environment(), tmp_path)), printed(stored)
    assert [source for source, _ in found] == [source for source, _ in expected]
    for (source, ours), (_, theirs) in zip(found, expected, strict=True):
        assert ours == theirs, f"{source}\nrun `python -m tests.helpers.notebooks`"
