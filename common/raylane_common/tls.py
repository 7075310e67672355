"""Options of connections to Redis and to Ray: the TLS context and TCP keep-alive."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

TlsVerify = Literal["full", "ca", "none"]
"""What a client checks: the certificate and its host name, the certificate alone, or nothing."""


def build_tls_context(
    *,
    verify: TlsVerify = "full",
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> ssl.SSLContext:
    """Returns the TLS context for a client.

    `ca_file` holds the trusted authorities in PEM; by default the system's are trusted. `cert_file` and `key_file`
    are the client's own certificate and key; the key may be in `cert_file`. Raises `OSError` (or `ssl.SSLError`, a
    subclass) for a file that is missing or invalid.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.check_hostname = verify == "full"
    if verify == "none":
        context.verify_mode = ssl.CERT_NONE
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file)
    return context


def keepalive_options(*, idle_s: int, interval_s: int, probes: int) -> dict[int, int]:
    """Returns the options of a TCP socket (`socket.IPPROTO_TCP`) on which `SO_KEEPALIVE` is set.

    After `idle_s` seconds of silence the system probes the peer every `interval_s` seconds, and closes the connection
    after `probes` probes without an answer. Options that this system does not have are left out.
    """
    wanted = {
        "TCP_KEEPIDLE": idle_s,
        "TCP_KEEPALIVE": idle_s,  # what macOS calls TCP_KEEPIDLE
        "TCP_KEEPINTVL": interval_s,
        "TCP_KEEPCNT": probes,
    }
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}
