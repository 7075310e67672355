"""`raylane mcp`: what it refuses before it serves, and what it needs to be installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from raylane.cli.app import app
from raylane.cli.mcp_commands import serve_mcp
from raylane.mcp.local_files import allowed, directories
from raylane_common.errors import InvalidRequest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--session", "a b"], "session_id: must be 1 to 128 letters"),
        (["--files", f"{__file__}/absent"], "files: is not a directory that can be read"),
        (["--files", __file__], "is not a directory"),
        (["--port", "1"], "--port: only with --http"),
        (["--host", "::1"], "--host: only with --http"),
        (["--http", "--files", "/"], "--files: not with --http"),
        (["--http", "--host", "0.0.0.0"], "gateway.host: must be a loopback address"),
        (["--http", "--port", "70000"], "port: must be at most 65535"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(arguments: list[str], message: str) -> None:
    ran = CliRunner().invoke(app, ["mcp", *arguments])
    assert (ran.exit_code, message in ran.stderr) == (2, True), ran.stderr


def test_a_closed_stdin_is_named() -> None:
    code = "import sys; sys.stdin = None; sys.argv[1:] = ['mcp']; from raylane.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: stdio: stdin or stdout is closed")
    assert "Traceback" not in ran.stderr


def test_a_missing_package_is_named() -> None:
    code = "import sys; sys.modules['mcp'] = None; sys.argv[1:] = ['mcp']; from raylane.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "error: raylane mcp needs more packages: pip install 'raylane[mcp]' [missing_package]\n"


def test_the_extra_of_the_server_is_enough() -> None:
    absent = ("fastapi", "vl_convert", "pyarrow", "pandas", "opentelemetry.sdk", "prometheus_client")
    code = f"import sys; sys.modules |= dict.fromkeys({absent}); import raylane.mcp.stdio, raylane.mcp.http"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_root_is_no_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert directories([]) == (tmp_path.resolve(),)
    assert directories([Path("/usr")]) == (Path("/usr"),)
    monkeypatch.chdir("/")
    assert directories([]) == ()
    with pytest.raises(InvalidRequest, match="start the server with --files"):
        allowed((), "/etc/hostname")


def test_whoever_types_it_hears_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("raylane.mcp.stdio.serve_stdio", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    serve_mcp()
    assert "waiting for a client on stdin" in capsys.readouterr().err
