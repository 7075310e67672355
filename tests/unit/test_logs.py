from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import InternalError
from raylane_common.logs import get_logger
from raylane_common.ray.answers import FaultKind, PathFault
from raylane_common.telemetry.ids import bound
from raylane_common.telemetry.logs import FIELDS, LONGEST_LINE, JsonFormatter, SafeFormatter, SafeHandler
from raylane_worker.telemetry.logs import keep_content_private
from tests.helpers.hostile_text import FORGED, HOSTILE, is_safe

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


ROOT = Path(__file__).parents[2]
KEY = "AKIAABCDEFGHIJKLMNOP"
# What a worker logs: Raylane, a library, a traceback with a cause, a stack, a warning, and a task that nobody awaited.
LOGGED = f"""
import asyncio, logging, warnings
from raylane_common.logs import get_logger
from raylane_common.telemetry.logs import LogLevel, log_to_stderr
from tests.helpers.hostile_text import HOSTILE
log_to_stderr(LogLevel.INFO, "text")
get_logger("raylane.worker").info("settings changed: %s", HOSTILE)
logging.getLogger("aiohttp.access").warning("GET %s {KEY}", HOSTILE)
logging.getLogger("botocore").warning(HOSTILE)
try:
    try:
        raise ValueError(HOSTILE + " {KEY}")
    except ValueError as error:
        raise KeyError(HOSTILE) from error
except KeyError as error:
    get_logger("raylane.queue").error("bug in %s", HOSTILE, exc_info=True)
    logging.getLogger("arq").warning("stack of %s", HOSTILE, stack_info=True)
warnings.warn(HOSTILE)
async def main():
    asyncio.get_running_loop().call_exception_handler({{"message": HOSTILE, "exception": OSError(HOSTILE)}})
asyncio.run(main())
"""

# The same in JSON, within an attempt, and with what else goes wrong: arguments that do not fit, an object that has no
# text, an exception that nobody catches, structlog, a thread, a session that looks like a key.
LOGGED_AS_JSON = LOGGED.replace('LogLevel.INFO, "text"', "LogLevel.INFO").replace(
    "async def main():",
    f"""
import structlog, threading
from raylane_common.telemetry.ids import bound
class NoText:
    def __str__(self): raise ValueError("{KEY}")
with bound(job_id="j1", session_id="{KEY}", attempt=2):
    logging.getLogger("botocore").warning("%d", "{KEY}")
    logging.getLogger("botocore").warning("%s", NoText())
    theirs = structlog.get_logger("their.code")
    theirs.warning("kept %s", "this", job_id="forged", rows=3, share=float("nan"), api_key="hunter22", who=HOSTILE)
    try:
        raise OSError(HOSTILE)
    except OSError:
        theirs.exception("their bug", message="another")
many = {{"raylane_fields": {{"n" * 2000 + str(i): HOSTILE for i in range(900)}}}}
logging.getLogger("arq").warning("x" * 100_000 + " {KEY}", extra=many)
thread = threading.Thread(target=lambda: 1 / 0, name=HOSTILE)
thread.start(); thread.join()
async def main():""",
)


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


def test_the_setting_leaves_the_spans_of_agents_as_they_are() -> None:
    keep_content_private(except_traces=True)
    assert OPT_IN not in os.environ


def test_a_worker_logs_each_message_on_one_line_without_credentials() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGED], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert is_safe(done.stderr), done.stderr
    assert KEY not in done.stderr
    lines = [line.split(maxsplit=2) for line in done.stderr.splitlines() if line[:1].strip()]
    assert [(level, text.partition(":")[0]) for _, level, text in lines] == [
        ("INFO", "raylane.worker"),
        ("WARNING", "aiohttp.access"),
        ("WARNING", "botocore"),
        ("ERROR", "raylane.queue"),
        ("WARNING", "arq"),
        ("WARNING", "py.warnings"),
        ("ERROR", "asyncio"),
    ]
    assert done.stderr.count("\n  KeyError: ") == 1


def test_elsewhere_each_line_is_a_json_object_without_credentials_whatever_is_logged() -> None:
    program = f"{LOGGED_AS_JSON}\nraise RuntimeError(HOSTILE)\n"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.isascii()
    assert KEY not in done.stderr
    assert "hunter22" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["level"], line["logger"]) for line in lines] == [
        ("info", "raylane.worker"),
        ("warning", "aiohttp.access"),
        ("warning", "botocore"),
        ("error", "raylane.queue"),
        ("warning", "arq"),
        ("warning", "py.warnings"),
        ("warning", "botocore"),
        ("warning", "botocore"),
        ("warning", "their.code"),
        ("error", "their.code"),
        ("warning", "arq"),
        ("critical", "raylane.process"),
        ("error", "asyncio"),
        ("critical", "raylane.process"),
    ]
    assert max(map(len, done.stderr.splitlines())) < 16 * 1024
    for line in lines:
        assert all(is_safe(text) for text in line.values() if isinstance(text, str)), line
        assert "\n" not in line["message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    wrong, without_text, theirs, bug = lines[6:10]
    assert wrong["message"].endswith("logged a line that cannot be written: TypeError")
    assert without_text["message"].endswith("logged a line that cannot be written: ValueError")
    assert (theirs["message"], theirs["rows"], theirs["share"], theirs["api_key"]) == ("kept this", 3, "nan", "***")
    assert (theirs["job_id"], theirs["session_id"], theirs["attempt"]) == ("j1", "***", "2")
    assert bug["message"] == "their bug"
    assert "OSError: " in bug["exception"]
    assert "job_id" not in lines[0]
    assert "\n  RuntimeError: " in lines[-1]["exception"]


anything = st.one_of(
    st.text(), st.sampled_from([HOSTILE, KEY, f"password={KEY}", "\ud800", "%s%d%", "{x}"]), st.integers()
)
plain = st.one_of(anything, st.none(), st.booleans(), st.floats(), st.binary(), st.lists(anything, max_size=3))


@given(
    name=st.text(),
    message=anything,
    args=st.lists(plain, max_size=3),
    fields=st.dictionaries(st.one_of(st.text(), st.just(KEY)), plain, max_size=5),
    ids=st.dictionaries(st.sampled_from(["job_id", "session_id", "level", "message"]), anything, max_size=3),
    raised=st.none() | anything,
)
def test_a_line_is_one_json_object_whatever_a_library_logs(
    name: str, message: object, args: list[object], fields: dict[str, object], ids: dict[str, Any], raised: object
) -> None:
    written = io.StringIO()
    handler = SafeHandler(written)
    handler.setFormatter(JsonFormatter())
    error = None if raised is None else ValueError(raised)
    info = None if error is None else (ValueError, error, None)
    record = logging.LogRecord(name, logging.INFO, "", 0, message, tuple(args), info)
    setattr(record, FIELDS, fields)
    with bound(**ids):
        handler.handle(record)
    [line] = written.getvalue().splitlines()
    assert line.isascii()
    assert len(line) <= LONGEST_LINE
    found = json.loads(line)
    assert list(found)[:4] == ["time", "level", "logger", "message"]
    assert found["level"] == "info"
    assert KEY not in line
    for text in (*found, *found.values()):
        assert not isinstance(text, str) or is_safe(text)


def test_a_process_without_stderr_runs_and_logs_nothing() -> None:
    program = LOGGED_AS_JSON.replace('"', "'")
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, program], check=False, capture_output=True, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_the_traceback_that_another_handler_has_stored_is_not_used() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 0, "bug", None, sys.exc_info())
    logging.Formatter().format(record)
    assert is_safe(SafeFormatter().format(record))
    assert FORGED in (record.exc_text or "")


def test_our_messages_are_safe_in_any_process(caplog: pytest.LogCaptureFixture) -> None:
    """The program of a user has its own handlers."""
    logger = get_logger("raylane.ray")
    logger.warning("run %s is pending after %.0f s: %s", "rl-1", 5.0, HOSTILE)
    logger.warning("%s: %s", "away", InternalError(HOSTILE))
    logger.warning("plain")
    first, second, third = caplog.messages
    assert first.startswith("run rl-1 is pending after 5 s: a")
    assert is_safe(first)
    assert "\n" not in first
    assert "\x1b" not in second
    assert third == "plain"


def test_every_logger_of_ours_is_made_by_one_function() -> None:
    modules = [path for part in ("common", "producer", "worker") for path in (ROOT / part).rglob("*.py")]
    others = [path.stem for path in modules if 'logging.getLogger("raylane.' in path.read_text("utf-8")]
    assert others == []


def test_the_message_of_an_error_is_safe_and_its_details_are_as_they_were() -> None:
    error = InternalError(f"{HOSTILE} {KEY}", details={"name": HOSTILE})
    assert KEY not in error.message
    assert error.details == {"name": HOSTILE}
    assert error.info().message == error.message == error.args[0]
    for character in "\x1b\r\x85\u2028\u200b\u200e\u061c\u202e\U000e0041":
        assert character not in str(error)
    reason = PathFault(FaultKind.NOT_RAY, f"{HOSTILE} {KEY}").reason
    assert is_safe(reason)
    assert "\n" not in reason
