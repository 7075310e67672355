"""All modules that generated code may import, with the names of each that it may use."""

from __future__ import annotations

from typing import Final

from raylane_worker.generation.checks.allowed.arrow_names import PYARROW
from raylane_worker.generation.checks.allowed.numpy_names import NUMPY
from raylane_worker.generation.checks.allowed.pandas_names import PANDAS
from raylane_worker.generation.checks.allowed.ray_names import RAY
from raylane_worker.generation.checks.allowed.standard_library import STANDARD_LIBRARY

# A module that is not listed cannot be imported.
MODULES: Final = {
    module: frozenset(names.split())
    for library in (STANDARD_LIBRARY, NUMPY, PANDAS, PYARROW, RAY)
    for module, names in library.items()
}
