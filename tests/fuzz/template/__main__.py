"""Runs the fuzz: `python -m tests.fuzz.template [PROMPTS [SEED]]`. Ends with 1 if an answer is wrong."""

from __future__ import annotations

import sys

from tests.fuzz.template.fuzz import fuzz
from tests.helpers.profiles import seed


def main() -> int:
    prompts, chosen = [*map(int, sys.argv[1:]), *(10_000, seed())[len(sys.argv) - 1 :]]
    counts = fuzz(prompts, chosen)
    print(counts.report())
    return bool(counts.wrong)


if __name__ == "__main__":
    sys.exit(main())
