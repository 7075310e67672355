from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from raylane_worker.telemetry.logs import keep_content_private

if TYPE_CHECKING:
    from collections.abc import Iterator

OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
REDACT_ALL = "gen_ai_unredacted_attributes="
LIBRARIES = ("anthropic", "botocore", "google_genai", "httpcore", "httpx", "openai", "strands", "writerai")

IMPORTED = f"""
import logging, os
before = dict(os.environ)
import raylane_worker.app, raylane_worker.generation.generators
assert dict(os.environ) == before
changed = [name for name in {LIBRARIES!r} if logging.getLogger(name).level != logging.NOTSET]
assert not changed, changed
"""


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    # Set and then removed, so that what the test leaves in the environment is removed at its end.
    monkeypatch.setenv(OPT_IN, "")
    monkeypatch.delenv(OPT_IN)
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_importing_the_worker_changes_neither_loggers_nor_the_environment() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_library_logs_requests_even_where_the_root_logger_is_at_debug() -> None:
    keep_content_private()
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.DEBUG)
    try:
        assert [name for name in LIBRARIES if logging.getLogger(name).isEnabledFor(logging.INFO)] == []
    finally:
        root.setLevel(level)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, REDACT_ALL),
        ("http", f"http,{REDACT_ALL}"),
        (REDACT_ALL, REDACT_ALL),
        # An operator who unredacts an attribute has decided so.
        (f"{REDACT_ALL}gen_ai.prompt", f"{REDACT_ALL}gen_ai.prompt"),
    ],
)
def test_traces_are_redacted_unless_the_operator_has_set_it(
    before: str | None, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before is not None:
        monkeypatch.setenv(OPT_IN, before)
    keep_content_private()
    assert os.environ[OPT_IN] == after
