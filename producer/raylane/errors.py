"""Every error that Raylane raises. docs/errors.md says what to do about each.

The most common ones are importable from `raylane` as well.
"""

from raylane_common import errors as _errors
from raylane_common.errors import *  # noqa: F403  # the public names are listed there

__all__: list[str] = []
__all__ += _errors.__all__
# An internal helper, not an error.
__all__.remove("invalid_requests")
