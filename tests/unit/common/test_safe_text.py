"""What is shown of outside text."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.safe_text import safe_json, safe_line, safe_lines, safe_text
from tests.helpers.hostile_text import HOSTILE, is_safe

# Signs of Arabic and Kaithi that precede a number. They are visible, though Unicode counts them as format.
VISIBLE_FORMAT = {*range(0x600, 0x606), 0x6DD, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
# Letters and marks that no font shows.
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe00\ufe0e\ufe0f\U000e0100\U000e01ef"

texts = st.text(
    st.sampled_from(HOSTILE) | st.characters() | st.sampled_from("ab \u0628\u0915\u094d\u2764\U0001f525\u6f22\u070f1")
)


def test_a_megabyte_of_unsafe_characters_is_shown_within_a_limit_of_the_system() -> None:
    # If each character cost a copy of the text before it, any part would take half a minute on a fast machine. On a
    # slow one, all parts together take 18 s.
    code = """if True:
        import resource
        from raylane_common.safe_text import safe_json, safe_text
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        for part in "\\u200b", "\\x1b", "a\\u202e", "\\u200d\\ufe0f", "\\x1b[1;", "\\t", "\\r":
            print(ascii(part), flush=True)
            text = part * (1_000_000 // len(part))
            safe_text(text), safe_json(text)"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr or f"out of CPU time at {ran.stdout.splitlines()[-1]}"


def test_every_control_format_and_blank_character_is_shown_and_no_other_one() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Co")]
    unsafe = {character for character in every if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    selectors = {chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
    shown = {character: safe_line(character) for character in every}
    changed = {character: text for character, text in shown.items() if text != character}
    assert changed.keys() == (unsafe | selectors | {*BLANK}) - set(map(chr, VISIBLE_FORMAT))
    assert all(text == ascii(character)[1:-1] for character, text in changed.items())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada", "Ada"),
        ("Größe 東京 данные 🎉 e\u0301", "Größe 東京 данные 🎉 e\u0301"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\x1b[\x1b[0m31mb", r"a\x1b[31mb"),
        ("a\r\nFORGED\tb", r"a\r\nFORGED\tb"),
        ("pay\u202efdp.exe", r"pay\u202efdp.exe"),
        ("pay\u200bpal\ufeff", r"pay\u200bpal\ufeff"),
        ("a\U000e0041\U000e007fb", r"a\U000e0041\U000e007fb"),
        ("\udcff", r"\udcff"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("क्\u200dष and क्\u200cष", "क्\u200dष and क्\u200cष"),
        ("a\u200db", r"a\u200db"),
        ("\u0628\u200cb", "\u0628\\u200cb"),
        ("👩\u200d🚀 ❤\ufe0f\u200d🔥 👍🏽 1\ufe0f\u20e3", "👩\u200d🚀 ❤\ufe0f\u200d🔥 👍🏽 1\ufe0f\u20e3"),
        ("a\ufe0f 👩\u200d\u200d🚀", r"a\ufe0f 👩\u200d\u200d🚀"),
        ("葛\U000e0100 a\U000e0100", "葛\U000e0100 a\\U000e0100"),
        ("[red]x[/red] \\n", "[red]x[/red] \\n"),
    ],
)
def test_a_line_is_readable(text: str, shown: str) -> None:
    assert safe_line(text) == shown


def test_lines_and_tabs_of_a_text_stay() -> None:
    text = "10%\r20%\r\n\tdone\n\n\x1b[31mred\u2028\x85"
    assert safe_lines(text) == ["10%", "20%", "\tdone", "", "red\\u2028\\x85"]
    assert safe_text(text) == "10%\n20%\n\tdone\n\nred\\u2028\\x85"


@given(texts)
def test_what_is_shown_is_safe_and_is_shown_unchanged(text: str) -> None:
    for shown in (safe_line(text), safe_text(text)):
        assert is_safe(shown)
        assert safe_text(shown) == shown
    assert safe_line(safe_line(text)) == safe_line(text)
    assert "\n" not in safe_line(text)


@given(st.dictionaries(texts, texts))
def test_safe_json_means_the_same(value: dict[str, str]) -> None:
    document = json.dumps(value, ensure_ascii=False)
    assert json.loads(safe_json(document)) == json.loads(json.dumps(value))
    assert is_safe(safe_json(document))
    assert safe_json(safe_json(document)) == safe_json(document)
