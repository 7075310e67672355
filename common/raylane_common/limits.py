"""The limits of requests, which the producer and the worker both enforce, and the patterns of names."""

from __future__ import annotations

from typing import Final

# Staged bytes take up memory of Redis, which all jobs share.
MAX_STAGED_BYTES: Final = 8 * 1024 * 1024
# S3's own limits: of an object, of its key, of the number of its parts, and of every part but the last.
MAX_UPLOAD_BYTES: Final = 5 * 2**40
MAX_KEY_BYTES: Final = 1024
MAX_PARTS: Final = 10_000
MIN_PART_BYTES: Final = 5 * 1024 * 1024
MAX_PROMPT_BYTES: Final = 16 * 1024
MAX_CODE_BYTES: Final = 1024 * 1024
MAX_FILES_BYTES: Final = 4 * 1024 * 1024
# With more than about 100 KiB, Ray leaves this run pending, and others too (ray-project/ray#47432).
MAX_ENV_BYTES: Final = 32 * 1024
# Far above any machine, so that a wrong unit or a typing error is refused at once.
MAX_RUN_CPUS: Final = 10_000
MAX_RUN_MEMORY_BYTES: Final = 2**50
# The longest file name that common file systems hold.
MAX_FILENAME_BYTES: Final = 255
MAX_CODE_VERSIONS: Final = 5
# The time for which dead letters are kept: a job must not outlive its own keys.
MAX_DELAY_S: Final = 30 * 24 * 3600

SESSION_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
# Braces would end a hash tag, and some other characters would change what a SCAN matches.
PREFIX_PATTERN: Final = r"^[A-Za-z0-9._-]{0,64}$"
# A job's id becomes part of its runs' submission ids, for which Ray allows 64 of these characters.
JOB_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,55}$"
SUBMISSION_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
# Names appear in messages, logs and the audit. Those of JWTs have a colon, so no other caller can take one of them.
CALLER_NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$"
# How a session's id begins; written as * for all sessions, so that an empty text never means all of them.
SESSION_PREFIX_PATTERN: Final = r"^([A-Za-z0-9][A-Za-z0-9._-]{0,127}|\*)$"
ENV_NAME_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
ENDPOINT_NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,31}$"
NO_CONTROLS_PATTERN: Final = r"^[^\x00-\x1f\x7f]+$"
CATALOG_NAME_PATTERN: Final = r"^[^\x00-\x1f/]+$"
SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"
TRANSFER_ID_PATTERN: Final = r"^[0-9a-f]{32}$"
CHARACTER_PATTERN: Final = r"^[^\r\n\x00]$"
OPTIONAL_CHARACTER_PATTERN: Final = r"^[^\r\n\x00]?$"
IDEMPOTENCY_KEY_PATTERN: Final = r"^[!-~]([ -~]*[!-~])?$"
EVENT_POSITION_PATTERN: Final = r"^[0-9]{1,19}(-[0-9]{1,20})?$"
AUDIT_POSITION_PATTERN: Final = r"^[0-9]{1,19}-[0-9]{1,19}$"

IN_WORDS: Final = {
    SESSION_ID_PATTERN: "1 to 128 letters, digits, '.', '_' and '-', the first a letter or digit",
    PREFIX_PATTERN: "at most 64 letters, digits, '.', '_' and '-'",
    JOB_ID_PATTERN: "1 to 56 letters, digits, '_' and '-', the first a letter or digit",
    SUBMISSION_ID_PATTERN: "1 to 64 letters, digits, '_' and '-', the first a letter or digit",
    CALLER_NAME_PATTERN: "1 to 100 letters, digits, '.', '_', '-' and '@', the first a letter or digit",
    SESSION_PREFIX_PATTERN: "the beginning of session ids: letters, digits, '.', '_' and '-'; or * for all sessions",
    ENV_NAME_PATTERN: "letters, digits and '_', the first no digit",
    ENDPOINT_NAME_PATTERN: "1 to 32 lower-case letters, digits, '_' and '-', the first a letter",
    NO_CONTROLS_PATTERN: "text without control characters",
    CATALOG_NAME_PATTERN: "text without control characters or '/'",
    SHA256_PATTERN: "64 hexadecimal digits in lower case",
    TRANSFER_ID_PATTERN: "32 hexadecimal digits in lower case",
    CHARACTER_PATTERN: "one character, but no line break",
    OPTIONAL_CHARACTER_PATTERN: "one character, but no line break, or empty",
    IDEMPOTENCY_KEY_PATTERN: "letters, digits and marks of ASCII, without a space at an end",
    EVENT_POSITION_PATTERN: "the id of an event, such as 1795334676336-0, or 0",
    AUDIT_POSITION_PATTERN: "the `before` of an earlier answer, such as 1795334676336-0",
}
"""The patterns, as the end of "must be …"."""
