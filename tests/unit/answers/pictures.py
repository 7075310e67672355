"""Draws the charts of the tests into a directory, to look at them, and writes their hashes.

Run as `python -m tests.unit.answers.pictures DIRECTORY`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from raylane.answers.drawing import png, svg
from tests.unit.answers.samples import CHARTS


def main(directory: Path) -> None:
    for name, chart in CHARTS.items():
        (directory / f"{name}.png").write_bytes(png(chart))
    hashes = {name: hashlib.sha256(svg(chart).encode()).hexdigest() for name, chart in CHARTS.items()}
    golden = Path(__file__).parent / "golden" / "charts.json"
    golden.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
