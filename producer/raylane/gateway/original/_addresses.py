"""Addresses of Ray as the original app writes them: a host alone, at port 8265."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_PORT: Final = 8265


def shown(url: str | None) -> str:
    """Returns the host if the URL is `http://HOST:8265`, else the URL without user and password; empty for None."""
    if not url:
        return ""
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    host, _, port = server.rpartition(":")
    is_usual = parts.scheme == "http" and port == str(_PORT) and parts.path in ("", "/")
    return host.strip("[]") if is_usual else parts._replace(netloc=server).geturl()


def address_of(text: str) -> str:
    """Returns the URL for what a user writes: a host, an address of IPv6, a host with its port, or a URL."""
    if "://" in text:
        return text
    if text.count(":") > 1 and not text.startswith("["):
        return f"http://[{text}]:{_PORT}"
    has_port = text.rpartition(":")[2].isdigit() and ":" in text
    return f"http://{text}" if has_port else f"http://{text}:{_PORT}"
