"""The public names of `raylane` and `raylane.errors`."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import raylane
import raylane.errors
from raylane.errors import RaylaneError


def test_every_public_name_exists_once_and_in_order() -> None:
    assert raylane.__all__ == sorted(set(raylane.__all__))
    for name in raylane.__all__:
        assert getattr(raylane, name) is not None
    assert set(raylane.__all__) <= set(dir(raylane))


def test_type_checkers_see_the_same_names_from_the_same_places() -> None:
    stub = Path(raylane.__file__).with_suffix(".pyi")
    seen: dict[str, str] = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            starred = importlib.import_module(node.module).__all__ if node.names[0].name == "*" else ()
            seen |= dict.fromkeys([*starred, *(alias.name for alias in node.names if alias.name != "*")], node.module)
    assert sorted([*seen, "__version__"]) == sorted(raylane.__all__)
    for name, home in seen.items():
        assert getattr(raylane, name) is getattr(importlib.import_module(home), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'raylane' has no attribute 'Nothing'"):
        raylane.Nothing  # type: ignore[attr-defined]  # noqa: B018  # that is what is tested
    with pytest.raises(ImportError):
        exec("from raylane import JobQueue", {})


def test_every_error_class_is_importable_from_raylane_errors() -> None:
    classes = _subclasses(RaylaneError) | {RaylaneError}
    assert {name for name in raylane.errors.__all__ if name != "ErrorInfo"} == {found.__name__ for found in classes}
    for found in classes:
        assert getattr(raylane.errors, found.__name__) is found
    assert raylane.errors.ErrorInfo is raylane.ErrorInfo


def test_the_version_is_the_distributions() -> None:
    assert raylane.__version__ == metadata.version("raylane")


def test_importing_the_package_loads_neither_redis_nor_pydantic() -> None:
    probe = "import sys, raylane; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True, timeout=60)
    assert not {"redis", "pydantic", "arq", "aiohttp", "typer"} & set(found.stdout.split())


def _subclasses(error: type[RaylaneError]) -> set[type[RaylaneError]]:
    return {found for child in error.__subclasses__() for found in {child, *_subclasses(child)}}
