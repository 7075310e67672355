"""Where the service of a model is, as far as that is known without asking it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane_common.settings import GenerationSettings

# The addresses that the clients use by default, and the variables with which their users change them.
_DEFAULTS: Final = {
    "anthropic": ("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    "gemini": ("GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"),
    "llamacpp": ("", "http://localhost:8080"),
    "mistral": ("", "https://api.mistral.ai"),
    "ollama": ("OLLAMA_HOST", "http://localhost:11434"),
    "openai": ("OPENAI_BASE_URL", "https://api.openai.com"),
    "openai_responses": ("OPENAI_BASE_URL", "https://api.openai.com"),
    "writer": ("OPENAI_BASE_URL", "https://api.writer.com"),
}


def address_of(name: str, model: object, settings: GenerationSettings) -> str | None:
    """Returns the URL of the service of the `model`, whose `name` is `provider:model_id`; None if it is not known."""
    if settings.model_endpoint_url is not None:
        return settings.model_endpoint_url
    provider = name.partition(":")[0]
    if provider in _DEFAULTS:
        variable, default = _DEFAULTS[provider]
        address = os.environ.get(variable, "").strip() or default
        return address if "://" in address else f"http://{address}"
    # Bedrock's depends on the region, and its client knows it.
    found = getattr(getattr(getattr(model, "client", None), "meta", None), "endpoint_url", None)
    return found if isinstance(found, str) else None
