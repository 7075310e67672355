"""Makes Arrow arrays of Python texts. For `pa.array`, pyarrow imports pandas wherever it is installed."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence


def texts(values: Sequence[str]) -> pa.StringArray:
    """Returns the values as an Arrow array."""
    encoded = [value.encode() for value in values]
    ends = array("i", accumulate(map(len, encoded), initial=0))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))
