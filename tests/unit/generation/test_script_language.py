"""A script means the same to every Python: what Python 3.11 cannot read is refused by newer ones, too."""

from __future__ import annotations

import builtins

import pytest

from raylane_worker.generation.checks.allowed.exceptions import EXCEPTIONS
from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import WEATHER

# Each reaches Python's `open` by a name that is the script's own only for an old reading of the new syntax.
NEW_SYNTAX = {
    "a type parameter named like a builtin": """
def f():
    type Box[open] = int
    return open("/etc/passwd").read()
""",
    "a bound of a type parameter beside a variable": """
def f[T: open("/etc/passwd")]():
    open = 1
    return open
""",
    "a default of a type parameter beside a variable": """
def f[T = open("/etc/passwd")]():
    open = 1
    return open
""",
    "a generic class": "class Box[T]:\n    value: T",
    "a type statement": "type Number = int | float",
    "exceptions without parentheses": "try:\n    x = 1\nexcept ValueError, TypeError:\n    x = 2",
    "a template string": "x = t'{ds}'",
}
NEW_TEXTS = {
    "the quotes of the text": "print(f'{x['a']}')",
    "the quotes of the text, in a text inside": """print(f"{f'{x["a"]}'}")""",
    "the quotes of a text inside": """print(f"{f'{x['a']}'}")""",
    "three quotes": "print(f'''{x['''a''']}''')",
    "a backslash": r"""print(f"{'\n'.join(x)}")""",
    "a backslash in a text inside": r"""print(f"{f'\n{x}'}")""",
    "a backslash at the end of a line": "print(f'''{x[\\\n'a']}''')",
    "a comment": "print(f'''{x  # the x\n}''')",
    "a line break": "print(f'{x[\n1]}')",
    "a part of a longer text": "print('a' f'{x['a']}' 'b')",
    "a raw text": r"print(rf'{x['a']}')",
    "a text in a specification": "print(f'{x:{x['a']}}')",
}
OLD_TEXTS = {
    "other quotes": """print(f"{x['a']}", f'{x["a"]}')""",
    "three quotes around one": '''print(f"""{x["a"]}""")''',
    "a line break in three quotes": "print(f'''{x\n}''')",
    "a backslash and a comment sign outside": r"""print(f"\n# \\ {x:>5} \{x}")""",
    "the quotes outside": r'''print(f"\"{x!r}\"", f"""a "quoted" {x}""")''',
    "a specification": "print(f'{x:{x}.2f} {x=} {{x}}')",
    "a comment sign in a text inside": """print(f'{x or "#"}')""",
    "texts in a row": """print(f'{x}' "a" f"{x['b']}")""",
    "no field": "print(f'', f'a', Rf'{x}')",
}


def script(body: str) -> str:
    return f"from raylane_run import answer, read\nx = ds = read({WEATHER.location!r})\n{body}\nanswer.table(ds)\n"


@pytest.mark.parametrize("body", [*NEW_SYNTAX.values(), *NEW_TEXTS.values()], ids=[*NEW_SYNTAX, *NEW_TEXTS])
def test_syntax_of_a_newer_python_is_refused(body: str) -> None:
    assert [finding.rule for finding in verify(script(body), [WEATHER])] == ["syntax"]


@pytest.mark.parametrize("body", OLD_TEXTS.values(), ids=OLD_TEXTS)
def test_formatted_texts_that_every_python_reads_are_accepted(body: str) -> None:
    assert verify(script(body), [WEATHER]) == []


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_formatted_text_of_a_newer_python_is_found_on_its_line_whatever_ends_the_lines(line_end: str) -> None:
    code = script("print('''a\nb''')\nprint(f'{x['a']}')").replace("\n", line_end)
    assert [(finding.rule, finding.line) for finding in verify(code, [WEATHER])] == [("syntax", 5)]


def test_the_listed_exceptions_are_those_of_the_oldest_python() -> None:
    here = {name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, BaseException)}
    newer = here - EXCEPTIONS
    assert here >= EXCEPTIONS
    assert newer <= {"PythonFinalizationError", "_IncompleteInputError"}


def test_an_exception_of_a_newer_python_is_refused() -> None:
    body = "try:\n    x = 1\nexcept PythonFinalizationError:\n    x = 2"
    (finding,) = verify(script(body), [WEATHER])
    # A Python that has it says that it may not be used.
    assert finding.rule in ("undefined_name", "builtin_not_allowed")


@pytest.mark.parametrize("jump", ["return", "break", "continue"])
def test_a_jump_out_of_a_handler_of_exception_groups_is_refused(jump: str) -> None:
    handler = f"try:\n            x = 1\n        except* ValueError:\n            {jump}"
    body = f"def f():\n    for x in [1]:\n        {handler}\nf()"
    assert [finding.rule for finding in verify(script(body), [WEATHER])] == ["syntax"]


def test_a_loop_or_a_function_in_a_handler_of_exception_groups_may_jump() -> None:
    body = """
try:
    x = 1
except* ValueError:
    for y in [1]:
        if y:
            continue
        break
    def f():
        return 1
    print(f())
"""
    assert verify(script(body), [WEATHER]) == []
