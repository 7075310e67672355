"""Verification wants at most one start of Ray, and an answer that is reached."""

from __future__ import annotations

import pytest

from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import WEATHER

READ = f"read({WEATHER.location!r})"
STARTED = {
    # a way to start Ray once: the lines before and around a use of `ds`
    "never": f"print({READ}.count())",
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
    "in a loop": f"for _ in range(2):\n    ray.init()\nprint({READ}.count())",
    "in a lambda": f"start = lambda: ray.init()\nprint({READ}.count())",
    "in a function for Ray": f"def f(row):\n    ray.init()\n    return row\nprint({READ}.map(f).count())",
    "late": f"ds = {READ}\nray.init()\nprint(ds.count())",
}
ANSWERING = {
    # a way to give the answer
    "in a helper": "def out(n):\n    answer.value('n', n)\nout(ds.count())",
    "in a helper below main": "def main():\n    out(ds.count())\ndef out(n):\n    answer.value('n', n)\nmain()",
    "in a method": "class Report:\n    def show(self):\n        answer.table(ds)\nReport().show()",
    "by a table of functions": "def one():\n    answer.table(ds)\nfor f in (one,):\n    f()",
    "in a lambda": "list(map(lambda n: answer.value('n', n), [1, 2]))",
    "in a branch": "if ds.count():\n    answer.table(ds)\nelse:\n    answer.note('There are no rows.')",
    "as a chart": "answer.chart('histogram', data=ds, x='wind')",
    "as a file": "answer.file(ds, 'x.json')",
}
SILENT = {
    "nothing": "ds.count()",
    "print": "print(ds.count())",
    "rows": "ds.show(3)",
    "a note": "answer.note('none')",
    "main is never called": "def main():\n    answer.table(ds)",
    "a lambda with a name only": "def f():\n    return lambda: answer.table(ds)",
}


def rules(code: str) -> list[str]:
    start = "import ray\nfrom raylane_run import answer, read"
    return [finding.rule for finding in verify(f"{start}\n{code}\nanswer.value('done', True)\n", [WEATHER])]


@pytest.mark.parametrize("code", STARTED.values(), ids=STARTED)
def test_ray_may_be_started_once_in_any_style(code: str) -> None:
    assert rules(code) == []


@pytest.mark.parametrize("code", TWICE.values(), ids=TWICE)
def test_a_second_start_of_ray_is_found(code: str) -> None:
    assert rules(code) == ["ray_init"]


def reasons(lines: str) -> dict[str, str]:
    code = f"from raylane_run import answer, read\nds = {READ}\n{lines}\n"
    return {finding.rule: finding.message for finding in verify(code, [WEATHER])}


@pytest.mark.parametrize("lines", ANSWERING.values(), ids=ANSWERING)
def test_the_answer_may_be_given_in_any_style(lines: str) -> None:
    assert reasons(lines) == {}


@pytest.mark.parametrize("lines", SILENT.values(), ids=SILENT)
def test_a_script_that_gives_no_answer_is_found(lines: str) -> None:
    assert reasons(lines).keys() == {"no_answer"}


def test_the_message_names_the_function_that_is_never_called() -> None:
    message = "only main() gives an answer, but the script never calls it; call it at the end"
    assert reasons("def main():\n    answer.table(ds)") == {"no_answer": message}
