"""The CSV files of any size that benchmarks upload and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

KIB, MIB, GIB = 1024, 1024**2, 1024**3
CITIES: Final = ("oslo", "bergen", "paris", "lyon", "rome", "milan", "kyoto", "osaka")


def data_file(directory: Path, size_bytes: int) -> Path:
    """Returns a CSV of about this size in the directory, made once."""
    path = directory / f"{size_bytes}.csv"
    if not path.exists():
        rows = "".join(
            f"{number},{CITIES[number % 8]},{number * 7 % 1000}.{number % 10},2024-01-{number % 28 + 1:02}\n"
            for number in range(40_000)
        ).encode()
        with path.open("wb") as file:
            file.write(b"id,city,amount,day\n")
            while file.tell() + len(rows) <= size_bytes:
                file.write(rows)
            left = rows[: max(0, size_bytes - file.tell())]
            file.write(left[: left.rfind(b"\n") + 1])
    return path
