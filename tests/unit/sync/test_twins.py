"""The blocking classes have the methods of the asynchronous ones, with the same arguments, types and texts."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pickle
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import raylane
from raylane import sync
from raylane.cluster import ClusterActions
from raylane.operator import OperatorActions
from raylane.settings import SettingsActions
from raylane.tables import TableActions
from raylane.testing import MemoryProducer, SyncMemoryProducer

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parents[3] / "docs"
TWINS: list[tuple[type, type]] = [
    (raylane.Producer, sync.Producer),
    (raylane.JobHandle, sync.JobHandle),
    (TableActions, sync.TableActions),
    (ClusterActions, sync.ClusterActions),
    (OperatorActions, sync.OperatorActions),
    (SettingsActions, sync.SettingsActions),
    (MemoryProducer, SyncMemoryProducer),
]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_sync", DOCS / "generate_sync.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_the_generated_modules_are_up_to_date(generator: ModuleType) -> None:
    stale = [str(path) for path, text in generator.modules().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run `python docs/generate.py`"


def public(kind: type) -> dict[str, Any]:
    """The methods and properties. A part, such as `tables`, is no method of its own; it has a twin."""
    names = (name for name in dir(kind) if not name.startswith("_") and name not in ("aclose", "close"))
    found = {name: inspect.getattr_static(kind, name) for name in names}
    return {name: member for name, member in found.items() if not isinstance(member, cached_property)}


def parameters(function: Any) -> list[str]:
    """The parameters with their types and defaults, as they are written."""
    found = inspect.signature(function).parameters.values()
    return [str(each).replace("AsyncIterator", "Iterator") for each in found]


@pytest.mark.parametrize(("asynchronous", "blocking"), TWINS, ids=lambda kind: kind.__name__)
def test_both_have_the_same_methods_with_the_same_signatures(asynchronous: type, blocking: type) -> None:
    ours, theirs = public(blocking), public(asynchronous)
    assert sorted(ours) == sorted(theirs)
    for name, theirs_here in theirs.items():
        found = ours[name]
        if isinstance(theirs_here, property):
            assert isinstance(found, property)
            continue
        assert not inspect.iscoroutinefunction(found)
        assert parameters(found) == parameters(theirs_here), name
        returned = str(inspect.signature(theirs_here).return_annotation).replace("AsyncIterator", "Iterator")
        assert inspect.signature(found).return_annotation == returned, name


def test_a_producer_is_opened_and_closed_with_the_same_arguments() -> None:
    assert parameters(sync.Producer.__init__) == parameters(raylane.Producer.__init__)
    assert parameters(sync.Producer.close) == parameters(raylane.Producer.aclose)


def test_no_text_of_the_blocking_classes_speaks_of_await(generator: ModuleType) -> None:
    for path in generator.modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert "await" not in (ast.get_docstring(node) or "")


def test_who_sends_a_handle_to_another_process_is_told_what_to_send() -> None:
    with SyncMemoryProducer() as producer:
        job = producer.generate("how many rows", session_id="ada")
        with pytest.raises(TypeError, match=r"JobHandle cannot go to another process; .*`producer\.job\(id\)`"):
            pickle.dumps(job)
        with pytest.raises(TypeError, match="cannot go to another process"):
            pickle.dumps(producer)
