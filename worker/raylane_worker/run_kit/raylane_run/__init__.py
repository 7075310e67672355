"""Is shipped beside a script: gives it its sources, and takes its answer. Imports nothing of Raylane."""

from .answer import answer
from .missing_words import note_missing_words
from .reading import read
from .texts import require_text

__all__ = ["answer", "note_missing_words", "read", "require_text"]
