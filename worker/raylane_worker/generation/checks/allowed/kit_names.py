"""The names of the kit that generated code may use."""

from __future__ import annotations

from typing import Final

from raylane_worker.generation.checks.allowed.listing import listed

KIT: Final = {"raylane_run": "answer note_missing_words read require_text"}
READ: Final = "raylane_run.read"
REQUIRE_TEXT: Final = "raylane_run.require_text"
NOTE_MISSING_WORDS: Final = "raylane_run.note_missing_words"
ANSWER: Final = "raylane_run.answer"
# What gives a part of the answer. `note` only explains it.
GIVES: Final = listed("chart file table value")
ANSWERS: Final = frozenset(f"{ANSWER}.{name}" for name in GIVES)
# Objects of the kit that have a list of names as modules have, although they cannot be imported.
OBJECTS: Final = {ANSWER: GIVES | {"note"}}
