"""Reads every file of the corpus. Fails if one is read wrong, or more than one in a hundred is refused."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.corpus.files import dialects, formats, special
from tests.corpus.files.check import check

_REPORT: Final = Path("build/corpus.json")
_LEAST_RIGHT: Final = 0.99


def main() -> None:
    """Prints what is not right, and writes all outcomes to `build/corpus.json`."""
    found: dict[str, dict[str, str]] = {}
    for case in (*special.cases(), *formats.cases(), *dialects.cases()):
        with TemporaryDirectory() as directory:
            outcome = check(case, Path(directory))
        found[case.name] = {
            "verdict": outcome.verdict,
            "problem": "" if outcome.verdict == "right" else outcome.problem,
        }
        if outcome.verdict != "right":
            print(f"{outcome.verdict}: {case.name}: {outcome.problem}")
    counts = Counter(each["verdict"] for each in found.values())
    _REPORT.parent.mkdir(exist_ok=True)
    _REPORT.write_text(json.dumps({"counts": counts, "files": found}, indent=1, ensure_ascii=False))
    print(f"{len(found)} files: {counts['right']} right, {counts['refused']} refused, {counts['wrong']} wrong")
    if counts["wrong"] or counts["right"] < _LEAST_RIGHT * len(found):
        sys.exit("the corpus is not read right")


if __name__ == "__main__":
    main()
