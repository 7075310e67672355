"""Verification wants one start of Ray, and some output that is reached."""

from __future__ import annotations

import pytest

from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import WEATHER

READ = f"ray.data.read_csv({WEATHER.location!r})"
STARTED = {
    # a way to start Ray once: the lines before and around a use of `ds`
    "at the top": f"ray.init()\nds = {READ}\nprint(ds.count())",
    "in main": f"def main():\n    ray.init()\n    print({READ}.count())\nmain()",
    "in a helper": f"def start():\n    ray.init()\ndef main():\n    start()\n    print({READ}.count())\nmain()",
    "in a method": f"class Job:\n    def run(self):\n        ray.init()\n        print({READ}.count())\nJob().run()",
    "when an object is made": f"class Job:\n    def __init__(self):\n        ray.init()\nJob()\nprint({READ}.count())",
    "quietly": f"ray.init(ignore_reinit_error=True, log_to_driver=False)\nprint({READ}.count())",
    "again without harm": 2 * "ray.init(ignore_reinit_error=True)\n" + f"print({READ}.count())",
    "late without harm": f"ds = {READ}\nray.init(ignore_reinit_error=True)\nprint(ds.count())",
    "in either branch": f"if 1:\n    ray.init()\nelse:\n    ray.init(address='auto')\nprint({READ}.count())",
    "or else without an address": (
        f"try:\n    ray.init(address='auto')\nexcept ConnectionError:\n    ray.init()\nprint({READ}.count())"
    ),
    "for a while": f"with ray.init():\n    print({READ}.count())",
}
TWICE = {
    # a way to start Ray twice, or never
    "twice": f"ray.init()\nray.init()\nprint({READ}.count())",
    "once without harm and then with": f"ray.init(ignore_reinit_error=True)\nray.init()\nprint({READ}.count())",
    "in an attempt and after it": f"try:\n    ray.init()\nfinally:\n    ray.init()\nprint({READ}.count())",
    "in a branch and after it": f"if 1:\n    ray.init()\nray.init()\nprint({READ}.count())",
    "twice in a branch": f"if 1:\n    ray.init()\n    ray.init()\nprint({READ}.count())",
    "without harm, hundreds of times": 900 * "ray.init(ignore_reinit_error=True)\n" + f"print({READ}.count())",
    "never": f"print({READ}.count())",
    "in a loop": f"for _ in range(2):\n    ray.init()\nprint({READ}.count())",
    "in a lambda": f"start = lambda: ray.init()\nprint({READ}.count())",
    "in a function for Ray": f"def f(row):\n    ray.init()\n    return row\nprint({READ}.map(f).count())",
    "late": f"ds = {READ}\nray.init()\nprint(ds.count())",
}
PRINTING = {
    # a way to show the result
    "in a helper": "def out(n):\n    print(n)\nout(ds.count())",
    "in a helper below main": "def main():\n    out(ds.count())\ndef out(n):\n    print(n)\nmain()",
    "in a method": "class Report:\n    def write(self):\n        print(ds.count())\nReport().write()",
    "by a table of functions": "def one():\n    print(1)\nfor f in (one,):\n    f()",
    "print as a function": "list(map(print, ds.take(3)))",
    "rows": "ds.show(3)",
}
SILENT = {
    "nothing": "ds.count()",
    "main is never called": "def main():\n    print(ds.count())",
    "print is only a keyword": "def out(print):\n    return 1\nout(print=2)",
}


def rules(code: str) -> list[str]:
    return [finding.rule for finding in verify(f"import ray\n{code}\n", [WEATHER])]


@pytest.mark.parametrize("code", STARTED.values(), ids=STARTED)
def test_ray_may_be_started_once_in_any_style(code: str) -> None:
    assert rules(code) == []


@pytest.mark.parametrize("code", TWICE.values(), ids=TWICE)
def test_a_second_start_of_ray_is_found(code: str) -> None:
    assert rules(code) == ["ray_init"]


@pytest.mark.parametrize("lines", PRINTING.values(), ids=PRINTING)
def test_the_result_may_be_printed_in_any_style(lines: str) -> None:
    assert rules(f"ray.init()\nds = {READ}\n{lines}") == []


@pytest.mark.parametrize("lines", SILENT.values(), ids=SILENT)
def test_a_script_that_prints_nothing_is_found(lines: str) -> None:
    assert rules(f"ray.init()\nds = {READ}\n{lines}") == ["no_output"]


def test_the_message_names_the_function_that_is_never_called() -> None:
    messages = {
        one.rule: one.message for one in verify(f"import ray\nray.init()\ndef main():\n    print({READ})\n", [WEATHER])
    }
    assert messages == {"no_output": "only main() prints something, but the script never calls it; call it at the end"}
