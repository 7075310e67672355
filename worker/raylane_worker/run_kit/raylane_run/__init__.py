"""Is shipped beside a script: gives it its sources, and takes its answer. Imports nothing of Raylane."""

from .answer import answer
from .reading import read
from .texts import require_text

__all__ = ["answer", "read", "require_text"]
