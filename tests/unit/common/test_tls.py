from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from raylane_common.tls import TlsVerify, build_tls_context, keepalive_options
from tests.helpers.tls import an_authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("verify", "checks_name", "mode"),
    [("full", True, ssl.CERT_REQUIRED), ("ca", False, ssl.CERT_REQUIRED), ("none", False, ssl.CERT_NONE)],
)
def test_verify_says_what_is_checked(verify: TlsVerify, checks_name: bool, mode: ssl.VerifyMode) -> None:
    context = build_tls_context(verify=verify)
    assert (context.check_hostname, context.verify_mode) == (checks_name, mode)


def test_a_ca_file_replaces_the_authorities_of_the_system(tmp_path: Path) -> None:
    context = build_tls_context(ca_file=an_authority(tmp_path, "ours").file)
    [trusted] = context.get_ca_certs()
    assert trusted["subject"] == ((("commonName", "ours"),),)


def test_a_client_certificate_is_loaded(tmp_path: Path) -> None:
    cert_file, key_file = an_authority(tmp_path, "ours").sign()
    build_tls_context(cert_file=cert_file, key_file=key_file)
    with pytest.raises(ssl.SSLError):
        build_tls_context(cert_file=key_file, key_file=key_file)


def test_files_that_cannot_be_used_raise_os_errors(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(ssl.SSLError):
        build_tls_context(ca_file=empty)
    with pytest.raises(FileNotFoundError):
        build_tls_context(ca_file=tmp_path / "missing.pem")


def test_a_socket_takes_the_keepalive_options() -> None:
    options = keepalive_options(idle_s=30, interval_s=10, probes=3)
    assert sorted(options.values()) == [3, 10, 30]
    with socket.socket() as connection:
        for option, value in options.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
            assert connection.getsockopt(socket.IPPROTO_TCP, option) == value
