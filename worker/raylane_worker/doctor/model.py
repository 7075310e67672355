"""Checks the model as far as that costs nothing: its settings, packages and keys, and whether its address answers."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from raylane_common.wire.checks import not_tried, ok, problem
from raylane_common.wire.names import GeneratorName
from raylane_worker.generation.generators import choose_generator
from raylane_worker.generation.providers.addresses import address_of
from raylane_worker.generation.providers.models import make_model
from raylane_worker.importing import import_in_thread

if TYPE_CHECKING:
    from raylane_common.wire.checks import Check
    from raylane_worker.context import JobContext

_NOT_TRIED: Final = "not tried, because it costs tokens: whether its service takes the credentials and the model's id"
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_HTTPS_PORT, _HTTP_PORT = 443, 80


async def check_model(ctx: JobContext, limit_s: float) -> list[Check]:
    """Makes the model and connects to its address. Raises `ModelMisconfigured`."""
    settings = ctx.resources.settings
    chosen = choose_generator(settings, None)
    if chosen.name is not GeneratorName.AGENT or chosen.model is None:
        return [ok("model", "none is set, so templates write the code (RAYLANE_GENERATION__MODEL)")]
    model = await import_in_thread(make_model, chosen.model, settings)
    address = address_of(chosen.model, model, settings.generation)
    if address is None:
        return [not_tried("model", f"{chosen.model}: its address is not known here; {_NOT_TRIED}")]
    if any(os.environ.get(name) for name in _PROXIES):
        return [not_tried("model", f"{chosen.model}: {address} is behind a proxy; {_NOT_TRIED}")]
    try:
        # The other checks share the limit, which then would hide the reason.
        async with asyncio.timeout(limit_s / 2):
            await _connect(address)
    except TimeoutError:
        return [_unreachable(chosen.model, address, f"no connection within {limit_s / 2:g} s")]
    except (OSError, ValueError) as error:
        return [_unreachable(chosen.model, address, str(error))]
    return [ok("model", f"{chosen.model}: {address} accepts connections; {_NOT_TRIED}")]


def _unreachable(model: str, address: str, reason: str) -> Check:
    hint = "check RAYLANE_GENERATION__MODEL_ENDPOINT_URL, RAYLANE_GENERATION__MODEL_REGION and the worker's network"
    return problem("model", f"{model}: {address} does not answer: {reason}", hint)


async def _connect(address: str) -> None:
    """Opens and closes one connection, with TLS for https. Raises `OSError`, and `ValueError` for no address."""
    parts = urlsplit(address)
    is_tls = parts.scheme == "https"
    if not parts.hostname:
        raise ValueError("it is no address")
    port = parts.port or (_HTTPS_PORT if is_tls else _HTTP_PORT)
    context = ssl.create_default_context() if is_tls else None
    _, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    writer.close()
