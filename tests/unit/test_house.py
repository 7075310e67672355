"""`docs/house.py` measures a small checkout whose figures are counted by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "house.py"

WIRE = '''"""What both sides agree on."""

from raylane_common import errors


class Message:
    """One message."""

    def read(self) -> str:
        """Returns the text.

        Raises `Broken` if there is none.
        """
        raise errors.Broken  # the caller reports it

    def _private(self) -> None: ...


class _Hidden:
    def unseen(self): ...


def undocumented() -> None:
    def inner() -> None: ...
'''

FILES = {
    "common/raylane_common/__init__.py": "",
    "common/raylane_common/wire.py": WIRE,
    "common/raylane_common/errors.py": "class Broken(Exception): ...\n",
    "common/raylane_common/scripts/claim.lua": "return 1\nreturn 2\n",
    "producer/raylane/__init__.py": "from raylane.handle import Handle\n",
    "producer/raylane/handle.py": "if TYPE_CHECKING:\n    from raylane.options import Option\n\n\nclass Handle: ...\n",
    "producer/raylane/options/__init__.py": "import raylane_common.wire\nfrom .more import Option\n",
    "producer/raylane/options/more.py": "from ..handle import Handle\n\n\nclass Option: ...\n",
    "tests/test_all.py": "def test_one() -> None: ...\n\n\ndef helper() -> None: ...\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def run(*arguments: str | Path) -> str:
    return subprocess.run([sys.executable, SCRIPT, *arguments], check=True, capture_output=True, text=True).stdout


def test_the_measures_of_a_part_and_of_the_tests(checkout: Path) -> None:
    parts: dict[str, Any] = json.loads(run(checkout, "--json"))["parts"]

    assert parts["common"] == {
        "files": 3,
        "lines": 25,
        "lua_lines": 2,
        "module_median": 1,
        "largest_modules": [0, 1, 24],
        "comment_percent": 4.0,
        "docstring_percent": 24.0,
        "public_functions_documented": [1, 2],
        "public_classes_documented": [1, 2],
        "docstrings_naming_raises": 1,
        "return_types": [4, 5],
        "function_median_p95_max": [1, 6, 6],
        "test_functions": 0,
    }
    assert parts["whole"]["files"] == 7
    assert parts["worker"]["files"] == 0
    assert (parts["tests"]["test_functions"], parts["tests"]["files"], parts["tests"]["lines"]) == (1, 1, 4)


def test_the_import_graph_counts_relative_and_type_checking_imports(checkout: Path) -> None:
    graphs: dict[str, Any] = json.loads(run(checkout, "--json"))["graphs"]

    assert graphs["producer"] == {
        "rooms": ["raylane.handle", "raylane.options"],
        "arrows": [["raylane.handle", "raylane.options"], ["raylane.options", "raylane.handle"]],
        "circles": [["raylane.handle", "raylane.options"]],
    }
    assert graphs["common"]["arrows"] == [["raylane_common.wire", "raylane_common.errors"]]
    assert ["raylane.options", "raylane_common.wire"] in graphs["whole"]["arrows"]


def test_the_table_rounds_shares_down_and_names_circles(checkout: Path) -> None:
    table = run(checkout)

    assert "| common | 3 / 25 (+2 Lua) | 1 / 0, 1, 24 | 4.0 | 24.0 | 50 % of 2 | 50 % of 2 | 1 | 80 % of 5 |" in table
    assert "| producer | 2 | 2 | 1 |" in table
    assert "- circle: raylane.handle, raylane.options" in table
