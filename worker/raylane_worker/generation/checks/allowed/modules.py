"""All modules that generated code may import, with the names of each that it may use."""

from __future__ import annotations

from typing import Final

from raylane_common.wire.names import Engine
from raylane_worker.generation.checks.allowed.arrow_names import PYARROW
from raylane_worker.generation.checks.allowed.kit_names import KIT, OBJECTS
from raylane_worker.generation.checks.allowed.numpy_names import NUMPY
from raylane_worker.generation.checks.allowed.pandas_names import PANDAS
from raylane_worker.generation.checks.allowed.ray_names import RAY
from raylane_worker.generation.checks.allowed.standard_library import STANDARD_LIBRARY

# A module that is not listed cannot be imported.
MODULES: Final = {
    module: frozenset(names.split())
    for library in (STANDARD_LIBRARY, KIT, NUMPY, PANDAS, PYARROW, RAY)
    for module, names in library.items()
}
# The same, and the names of objects that are used as modules are.
NAMES: Final = MODULES | OBJECTS


def modules_of(engine: Engine) -> frozenset[str]:
    """Returns the modules that code for this engine may import."""
    if engine is Engine.DISTRIBUTED:
        return frozenset(MODULES)
    return frozenset(module for module in MODULES if not is_of_ray(module))


def is_of_ray(name: str) -> bool:
    """Returns whether the full name is that of Ray, or of something in it."""
    return name.partition(".")[0] == "ray"
