"""Limits of what may be asked for. Both sides hold to them, and `docs/wire-format.md` tells them to others."""

from __future__ import annotations

from typing import Final

MAX_STAGED_BYTES: Final = 8 * 1024 * 1024
MAX_PROMPT_BYTES: Final = 16 * 1024
MAX_CODE_BYTES: Final = 1024 * 1024
MAX_FILES_BYTES: Final = 4 * 1024 * 1024
# Beyond some 100 KiB Ray leaves the job pending, and others with it (ray-project/ray#47432).
MAX_ENV_BYTES: Final = 32 * 1024
MAX_FILENAME_BYTES: Final = 255
MAX_CODE_VERSIONS: Final = 5
MAX_DELAY_S: Final = 30 * 24 * 3600

SESSION_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
# A job's id becomes part of the submission id of its runs, which Ray holds to 64 of these characters.
JOB_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,55}$"
SUBMISSION_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
