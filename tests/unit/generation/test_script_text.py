"""Verification reads the text of a script exactly as Python reads the file."""

from __future__ import annotations

import codecs
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import WEATHER

if TYPE_CHECKING:
    from pathlib import Path

CODE = f"""import ray.data
from raylane_run import answer, read
ds = read({WEATHER.location!r})
if ds.count():
    answer.value("rows", ds.count())
"""
BOM = codecs.BOM_UTF8.decode()

SAME = {
    "a byte order mark": BOM + CODE,
    "the line ends of Windows": CODE.replace("\n", "\r\n"),
    "the line ends of an old Mac": CODE.replace("\n", "\r"),
    "tabs": CODE.replace("    ", "\t"),
    "form feeds": CODE.replace("ds =", "\f\nds ="),
    "no line end": CODE.rstrip(),
    "a cookie": "# -*- coding: utf-8 -*-\n" + CODE,
    "a cookie below a shebang": "#!/usr/bin/env python3\n# vim: set fileencoding=UTF8 :\n" + CODE,
    "a byte order mark and a cookie": BOM + "# coding: utf-8\n" + CODE,
    "a cookie that is too late": "import ray.data\n\n# coding: utf-7\n" + CODE,
    "a comment that is no cookie": "# The encoding of the file = whatever it is\n" + CODE,
}


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_a_script_passes_in_any_form_of_text_that_python_reads(code: str) -> None:
    assert verify(code, [WEATHER]) == []


@pytest.mark.parametrize("cookie", ["# coding: utf-7", "#!/x\n# -*- coding: latin-1 -*-", "# coding: rot13"])
@pytest.mark.parametrize("start", ["", BOM])
def test_no_encoding_can_make_python_read_other_code_than_verification(cookie: str, start: str) -> None:
    found = verify(f"{start}{cookie}\n{CODE}", [WEATHER])
    assert [finding.rule for finding in found] == ["encoding"]
    assert "UTF-8" in found[0].message


def test_code_hidden_in_a_comment_by_utf_7_would_run_but_is_found(tmp_path: Path) -> None:
    code = "# coding: utf-7\n# +AAo-print('hidden')\n"
    (tmp_path / "main.py").write_text(code, encoding="utf-8")
    ran = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, check=True)
    assert ran.stdout == "hidden\n"
    assert [finding.rule for finding in verify(code, [WEATHER])] == ["encoding"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print 'x'", "Python 3.11: Missing parentheses in call to 'print'"),
        (CODE.replace("ds.count():\n    ", "ds.count():\n\tpass\n    "), "Python 3.11: "),
        ("Here is the script:\n```python\nprint(1)\n```", "Python 3.11: "),
        (f"x = 1\n{BOM}y = 2", "U+FEFF"),
    ],
)
def test_text_that_python_cannot_read_is_found_with_its_line_and_the_reason(code: str, said: str) -> None:
    (finding,) = verify(code, [WEATHER])
    assert finding.rule == "syntax"
    assert finding.line is not None
    assert said in finding.message


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("return ds", "'return' outside function"),
        ("yield 1", "'yield' outside function"),
        ("await ds", "'await' outside async function"),
        ("break", "'break' outside loop"),
        ("continue", "'continue' outside loop"),
        ("from __future__ import annotations", "must be the first statement"),
        ("def f():\n    for _ in ds:\n        pass\n    else:\n        break", "'break' outside loop"),
        ("class A:\n    return 1", "'return' outside function"),
        ("def f():\n    async with ds:\n        pass", "'async with' outside async function"),
        ("async def f():\n    yield 1\n    return 2", "'return' with value in async generator"),
        ("async def f():\n    yield from []", "'yield from' inside async function"),
        ("def f():\n    print(ds)\n    global ds", "name 'ds' is used prior to global declaration"),
        ("def f(ds):\n    global ds", "name 'ds' is parameter and global"),
        ("def f():\n    nonlocal zz", "no binding for nonlocal 'zz' found"),
        ("def f(a, a):\n    pass", "duplicate argument 'a' in function definition"),
        ("[i := 0 for i in [1]]", "assignment expression cannot rebind comprehension iteration variable 'i'"),
        ("dict(a=1, b=2, a=3)", "keyword argument repeated: a"),
        ("a, *b, *c = 1, 2", "multiple starred expressions in assignment"),
        ("*a = [1]", "can't use starred expression here"),
        ("x = *[1]", "can't use starred expression here"),
        ("try:\n    pass\nexcept:\n    pass\nexcept ValueError:\n    pass", "default 'except:' must be last"),
        ("match 1:\n    case x:\n        pass\n    case 2:\n        pass", "matches everything"),
        ("match 1:\n    case x | 2:\n        pass", "matches everything"),
        ("match 1:\n    case [*a, *b]:\n        pass", "multiple starred names in sequence pattern"),
        ("match 1:\n    case [a, [b, a]]:\n        pass", "multiple assignments to name 'a' in pattern"),
        ("match 1:\n    case int(x=1, x=2):\n        pass", "attribute name repeated in class pattern: x"),
    ],
)
def test_what_python_refuses_only_when_it_compiles_is_found(line: str, said: str) -> None:
    with pytest.raises(SyntaxError):
        compile(CODE + line, "main.py", "exec")
    (finding,) = (one for one in verify(CODE + line, [WEATHER]) if one.rule == "syntax")
    assert said in finding.message
    assert finding.line is not None
    assert finding.line > 5


@pytest.mark.parametrize(
    "lines",
    [
        "for _ in range(3):\n    if _:\n        break\n    try:\n        continue\n    finally:\n        pass",
        "def f():\n    return (yield 1)",
        "async def f():\n    await f()\n    return [x async for x in f()]",
        "f = lambda: (yield)",
        "while False:\n    with ds:\n        break",
        "def f():\n    async def g():\n        yield 1\n    return g",
        "async def f():\n    g = lambda: (yield)\n    return 3",
        "a, *b = 1, 2\n[a, *b] = *b, a\nprint(*b, *b)\nfor a, *b in [(1, 2)]:\n    pass",
        "try:\n    pass\nexcept ValueError:\n    pass\nexcept:\n    pass",
        "match 1:\n    case a if a:\n        pass\n    case [a, b] | [b, a]:\n        pass\n    case _:\n        pass",
        "match 1:\n    case {'k': a, **b}:\n        pass",
        "def f():\n    global ds\n    return ds",
        "def f(n):\n    def g():\n        nonlocal n\n        n += 1\n    return g",
    ],
)
def test_ordinary_jumps_are_no_finding(lines: str) -> None:
    compile(CODE + lines, "main.py", "exec")
    assert verify(CODE + lines, [WEATHER]) == []


@pytest.mark.parametrize("start", ["", '"""What it does."""\n', "# a comment\n\n"])
def test_a_future_import_may_begin_the_script(start: str) -> None:
    assert verify(f"{start}from __future__ import annotations\n{CODE}", [WEATHER]) == []
