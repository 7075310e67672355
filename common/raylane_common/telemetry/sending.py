"""Sends the spans of a process of ours, if the usual variables of OpenTelemetry name an exporter.

A program that uses Raylane as a library sets up OpenTelemetry itself, or does not. See docs/tracing.md.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane_common.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_NONE: Final = "none"
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL_NAMES: Final = {"http/protobuf": "http"}


class Package(NamedTuple):
    """A module that is needed to send spans, and what to install for it."""

    module: str
    install: str


_SDK: Final = tuple(Package(module, "'raylane[tracing]'") for module in ("opentelemetry", "opentelemetry.sdk"))
PACKAGES: Final = {
    "otlp_proto_http": Package("opentelemetry.exporter.otlp.proto.http", "'raylane[tracing]'"),
    "otlp_proto_grpc": Package("opentelemetry.exporter.otlp.proto.grpc", "opentelemetry-exporter-otlp-proto-grpc"),
}
"""The packages of the exporters that we know, by the name of their entry point."""


def exporters(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Returns the names of the exporters that the variables ask for; none if traces are off."""
    environ = os.environ if environ is None else environ
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    named = [name.strip() for name in environ.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()]
    if named:
        return tuple(name for name in dict.fromkeys(named) if name != _NONE)
    return ("otlp",) if any(environ.get(name, "").strip() for name in _ENDPOINTS) else ()


def entry_point_of(exporter: str) -> str:
    """Returns the name of an exporter's entry point. That of `otlp` depends on the protocol in the variables."""
    if exporter != "otlp":
        return exporter
    protocol = next((said for name in _PROTOCOLS if (said := os.environ.get(name, "").strip())), "http/protobuf")
    return f"otlp_proto_{_PROTOCOL_NAMES.get(protocol, protocol)}"


def missing_package() -> Package | None:
    """Returns what the exporters that the variables ask for need and is not installed; None if all is there."""
    names = exporters()
    known = (PACKAGES.get(entry_point_of(name)) for name in names)
    needed = (*_SDK, *filter(None, known)) if names else ()
    return next((package for package in needed if not _is_installed(package.module)), None)


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # it is inside of one that is missing
        return False


@contextmanager
def spans_sent(service: str, *, flush_s: float, report: Callable[[str], None], content: bool = False) -> Iterator[None]:
    """Sends the spans of the block, in a thread of its own, if the variables ask for that.

    `service` is the name of this process unless the variables say otherwise. At the end, spans are sent for up to
    `flush_s` seconds more. `report` is told, at most once a minute and from any thread, what keeps them from being
    sent, also that a package is missing. `content` lets spans hold prompts, code and data.
    """
    tracing.allow_content(content)
    names = exporters()
    if not names:
        yield
        return
    try:
        from raylane_common.telemetry.provider import Sending
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        report(f"traces are not sent, because {error.name} is missing: pip install 'raylane[tracing]'")
        yield
        return
    try:
        sending = Sending.start(service, names, report)
    except Exception as error:  # the SDK has no exception of its own for a variable that is wrong
        report(f"traces are not sent: {error}; check the variables OTEL_…")
        yield
        return
    try:
        yield
    finally:
        sending.stop(flush_s)
