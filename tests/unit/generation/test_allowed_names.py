"""The names that generated code may use exist, and lead nowhere else, in the libraries that are installed here."""

from __future__ import annotations

import importlib
import inspect
import io
import pickle
import subprocess
import types
import warnings
from pathlib import Path
from typing import Any, Final

import pytest
from ray import cloudpickle

from raylane_worker.generation.checks.allowed.attributes import ATTRIBUTES
from raylane_worker.generation.checks.allowed.listing import listed
from raylane_worker.generation.checks.allowed.modules import MODULES
from raylane_worker.generation.checks.allowed.private_names import PRIVATE_NAMES
from raylane_worker.generation.checks.allowed.refused import REFUSED
from tests.helpers.library_objects import library_objects

# Names that no script needs, so that it may use them only for fields and columns. They are harmless, too.
_OTHER: Final = frozenset((Path(__file__).parents[2] / "corpus" / "other_names.txt").read_text().split())
# Private names that hold or compute only data, which scripts give to fields of their own.
_OWN_PRIVATE: Final = listed(
    """
    _add _apply _asdict _cache _column _concat _count _d _data _dtype _field _fields _fit _freq _h _id _index _int
    _iter _key _keys _line _m _make _mask _mod _msg _mu _n _name _names _normalize _now _offset _params _quantile
    _replace _repr _s _sigma _sum _summary _symbol _table _total _tz _unit _validate _value _values _year
    """
)
# Names of other versions of Python and of the libraries.
_ELSEWHERE: Final = {
    "itertools": {"batched"},
    "math": {"fma", "sumprod"},
    "numpy": {"in1d", "permute_dims", "row_stack", "trapz"},
    "pandas": {"value_counts"},
    "pandas.errors": {"SettingWithCopyError", "SettingWithCopyWarning"},
}
_UNREACHABLE: Final = (types.ModuleType, types.FrameType, types.CodeType, types.TracebackType, io.IOBase)
_UNCALLABLE: Final = (eval, exec, compile, open, getattr, setattr, __import__, type, subprocess.Popen)
_OUTSIDE: Final = frozenset({"ctypes", "importlib", "io", "os", "pickle", "posix", "shutil", "socket", "subprocess"})


@pytest.fixture(scope="module")
def objects() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return library_objects()


def test_every_public_name_of_an_object_is_decided(objects: list[Any]) -> None:
    public = {name for one in objects for name in dir(one) if not name.startswith(("_", "write_"))}
    assert public - ATTRIBUTES - REFUSED.keys() - _OTHER == set()
    assert not ATTRIBUTES & REFUSED.keys()
    assert not ATTRIBUTES & _OTHER


def test_every_private_name_of_an_object_is_known(objects: list[Any]) -> None:
    private = {name for one in objects for name in dir(one) if name.startswith("_") and not name.startswith("__")}
    assert private - PRIVATE_NAMES - _OWN_PRIVATE == set()


def test_no_chain_of_names_that_a_script_may_use_leads_to_a_module_a_frame_or_a_file(objects: list[Any]) -> None:
    """Follows all attributes that a script could make its own, which are more than those that it usually may use."""
    queue = [(one, type(one).__name__) for one in objects]
    seen: set[tuple[type, bool]] = set()
    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one, path in queue:
            for name in dir(one):
                if name.startswith(("_", "write_")) or name in REFUSED:
                    continue
                try:
                    value = getattr(one, name)
                except Exception:
                    continue
                if _leads_outside(value):
                    found.append(f"{path}.{name}")
                kind = (value if isinstance(value, type) else type(value), isinstance(value, type))
                if kind not in seen and not isinstance(value, types.FunctionType | types.BuiltinFunctionType):
                    seen.add(kind)
                    queue.append((value, f"{path}.{name}"))
    assert len(queue) > 300
    assert found == []


def _module(name: str) -> Any:
    if name == "raylane_run":  # beside a script, it has no package around it
        name = "raylane_worker.run_kit.raylane_run"
    top, *rest = name.split(".")
    one: Any = importlib.import_module(top)
    for part in rest:
        one = getattr(one, part, None) or importlib.import_module(name)
    return one


def _leads_outside(value: object) -> bool:
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    if any(isinstance(one, _UNREACHABLE) for one in (value, *held, *getattr(value, "__dict__", {}).values())):
        return not isinstance(value, type)
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | types.MethodType):
        return (value.__module__ or "").partition(".")[0] in _OUTSIDE
    return any(value is one for one in _UNCALLABLE)


def test_no_function_that_a_script_may_call_unpickles(objects: list[Any]) -> None:
    listed_objects = [_listed(module, name) for module, names in MODULES.items() for name in names]
    classes = {one if isinstance(one, type) else type(one) for one in (*objects, *listed_objects)}
    unpickling = {
        name
        for one in classes
        for name in dir(one)
        if not name.startswith("_") and _unpickles(inspect.getattr_static(one, name))
    }
    assert {"deserialize_lineage", "from_ray_exception"} <= unpickling
    assert unpickling - REFUSED.keys() == set()
    assert not any(map(_unpickles, listed_objects))


def _listed(module: str, name: str) -> object:
    return getattr(_module(module), name, None)


def _unpickles(value: object) -> bool:
    """Returns whether the code of a function reads a pickle itself."""
    function = inspect.unwrap(getattr(value, "__func__", value))  # type: ignore[arg-type]  # any object of a library
    if not isinstance(function, types.FunctionType):
        return False
    used = [function.__globals__.get(name) for name in function.__code__.co_names]
    return any(one in (pickle, cloudpickle, pickle.loads) for one in used) and bool(
        {"load", "loads"} & {*function.__code__.co_names}
    )


@pytest.mark.parametrize("module", sorted(MODULES))
def test_the_names_of_a_module_exist_and_none_is_a_module_without_a_list(module: str) -> None:
    one = _module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of names that the next version no longer has
        missing = {name for name in MODULES[module] if not hasattr(one, name)}
        submodules = {name for name in dir(one) if isinstance(getattr(one, name, None), types.ModuleType)}
    assert missing <= _ELSEWHERE.get(module, set())
    assert {name for name in submodules & MODULES[module] if f"{module}.{name}" not in MODULES} == set()
