"""Compares how public files are read, prints every difference, and fails if one of them has not been judged.

Run as `python -m tests.corpus.public [--match TEXT]`. Differences that were judged, and why Raylane is right, are in
`judged.toml`.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from tests.corpus.public import packages
from tests.corpus.public.compare import differences

FOLDER: Final = Path("build/public")


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--match", default="", metavar="TEXT", help="only files whose name has it")
    arguments = parser.parse_args()
    packages.download(FOLDER)
    sys.path.append(str(FOLDER))  # openpyxl and xlrd
    judged = tomllib.loads(Path(__file__).with_name("judged.toml").read_text("utf-8"))["judged"]
    counts: Counter[str] = Counter()
    started = time.monotonic()
    for path in packages.tables(FOLDER):
        name = packages.name_of(path, FOLDER)
        if arguments.match not in name:
            continue
        found = list(differences(path))
        counts["files"] += 1
        counts["files without a difference"] += not found
        for difference in found:
            reason = next((one["because"] for one in judged if _is(one, name, difference)), None)
            counts["differences that were judged" if reason else "differences that were not judged"] += 1
            print(f"{'judged  ' if reason else 'UNJUDGED'} {name}: {difference}", flush=True)
    print(*(f"{count:6} {what}" for what, count in counts.items()), f"{time.monotonic() - started:.0f} s", sep="\n")
    return int(counts["differences that were not judged"] > 0)


def _is(one: dict[str, Any], name: str, difference: str) -> bool:
    return any(fnmatch(name, file) for file in one["files"]) and re.search(one["difference"], difference) is not None


if __name__ == "__main__":
    sys.exit(main())
