"""Makes the model of the generator `agent`: Bedrock, or another provider that strands ships.

A provider is one row of `_PROVIDERS`. strands takes more than a second to import, so it is imported when a model is
made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from raylane_common.errors import ModelMisconfigured, RaylaneError
from raylane_worker.generation.providers.errors import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strands.models import Model

    from raylane_common.settings import GenerationSettings, Settings

DEFAULT_MODEL: Final = "bedrock:global.anthropic.claude-sonnet-4-6"

# An address that does not accept a connection within this time is down or wrong. An answer may take `model_timeout_s`.
_CONNECT_TIMEOUT_S: Final = 5.0
# Anthropic's API requires a limit. A script may have 64 KiB, but useful scripts have only a few KiB.
_MAX_ANSWER_TOKENS: Final = 8192


def make_model(name: str, settings: Settings) -> Model:
    """Makes the model `name`, a `provider:model_id`. It may serve the agents of any number of jobs at once.

    Blocks for a second or two: call it in a thread. Raises `ModelMisconfigured` for an unknown provider, a missing
    package, a missing region or a missing key.
    """
    provider, separator, model_id = name.partition(":")
    known = ["bedrock", *_PROVIDERS]
    if provider not in known or not separator or not model_id:
        raise ModelMisconfigured(
            f"generation.model: {name!r} is not `provider:model_id` with a known provider: {', '.join(known)}",
            details={"known": list(known)},
        )
    try:
        if provider == "bedrock":
            return _bedrock(model_id, settings)
        return _other(_PROVIDERS[provider], provider, model_id, settings.generation)
    except RaylaneError:
        raise
    except Exception as error:  # each client has its own exceptions for wrong settings, and some quote the values
        explained = explain(error, hide=_api_key(settings.generation))
        if isinstance(explained, RaylaneError):
            raise explained from None
        raise ModelMisconfigured(
            f"cannot make a client for {name} ({type(error).__name__}): check RAYLANE_GENERATION__MODEL, "
            "RAYLANE_GENERATION__MODEL_REGION and RAYLANE_GENERATION__MODEL_ENDPOINT_URL"
        ) from None


def _bedrock(model_id: str, settings: Settings) -> Model:
    import boto3  # type: ignore[import-untyped]  # ships no types; strands takes its session
    from botocore.config import Config
    from strands.models import BedrockModel

    generation, aws = settings.generation, settings.aws
    if (aws.access_key_id is None) != (aws.secret_access_key is None):
        raise ModelMisconfigured("set both RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY, or neither")
    session = boto3.Session(
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key.get_secret_value() if aws.secret_access_key else None,
        region_name=generation.model_region or aws.region or os.environ.get("AWS_REGION"),
    )
    if session.region_name is None:
        raise ModelMisconfigured("no region for Bedrock: set RAYLANE_GENERATION__MODEL_REGION")
    config = Config(
        connect_timeout=min(_CONNECT_TIMEOUT_S, generation.model_timeout_s),
        read_timeout=generation.model_timeout_s,
        # A retry in the client's thread could continue after the caller's deadline.
        retries={"total_max_attempts": 1},
        # AWS_ENDPOINT_URL in the environment is the address of S3, not of the model.
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # missing in its stubs
        tcp_keepalive=True,
    )
    return BedrockModel(
        boto_session=session,
        boto_client_config=config,
        endpoint_url=generation.model_endpoint_url,
        api_key=_api_key(generation),
        model_id=model_id,
    )


@dataclass(frozen=True)
class _Provider:
    """One of strands' providers.

    `class_name` is its class in `strands.models.<provider>`, `arguments` makes the arguments of that class from the
    model id and the settings, and `extra` is the extra of strands that installs its client. `key_variables` are the
    environment variables from which the client reads a key; empty if the provider may work without one.
    """

    class_name: str
    arguments: Callable[[str, GenerationSettings], Mapping[str, object]]
    extra: str | None = None
    key_variables: tuple[str, ...] = ()


def _other(provider: _Provider, name: str, model_id: str, settings: GenerationSettings) -> Model:
    if provider.key_variables and not _api_key(settings) and not any(map(os.environ.get, provider.key_variables)):
        raise ModelMisconfigured(
            f"provider {name} needs a key: set RAYLANE_GENERATION__MODEL_API_KEY (any text, if the service checks none)"
        )
    try:
        module = import_module(f"strands.models.{name}")
    except ImportError as error:
        raise ModelMisconfigured(
            f"provider {name} needs a package ({error.name}): pip install 'strands-agents[{provider.extra}]'"
        ) from error
    make = cast("Callable[..., Model]", getattr(module, provider.class_name))
    return make(**provider.arguments(model_id, settings))


def _api_key(settings: GenerationSettings) -> str | None:
    return settings.model_api_key.get_secret_value() if settings.model_api_key else None


def _without_none(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _http_client(settings: GenerationSettings) -> dict[str, object]:
    return _without_none(
        api_key=_api_key(settings),
        base_url=settings.model_endpoint_url,
        timeout=settings.model_timeout_s,
        max_retries=0,
    )


def _openai(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    return {"client_args": _http_client(settings), "model_id": model_id}


def _anthropic(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    return {"client_args": _http_client(settings), "model_id": model_id, "max_tokens": _MAX_ANSWER_TOKENS}


def _gemini(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    options = _without_none(base_url=settings.model_endpoint_url, timeout=int(settings.model_timeout_s * 1000))
    return {"client_args": _without_none(api_key=_api_key(settings), http_options=options), "model_id": model_id}


def _llamacpp(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    return _without_none(base_url=settings.model_endpoint_url, timeout=settings.model_timeout_s, model_id=model_id)


def _mistral(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    client = _without_none(server_url=settings.model_endpoint_url, timeout_ms=int(settings.model_timeout_s * 1000))
    return {"api_key": _api_key(settings), "client_args": client, "model_id": model_id}


def _ollama(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    client = {"timeout": settings.model_timeout_s}
    return {"host": settings.model_endpoint_url, "ollama_client_args": client, "model_id": model_id}


# Not supported: litellm downloads a file on import and prints to stdout (its proxy works with `openai`); llamaapi's
# client blocks the event loop; sagemaker needs more than a model id.
_PROVIDERS: Final = {
    "anthropic": _Provider("AnthropicModel", _anthropic, "anthropic", ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")),
    "gemini": _Provider("GeminiModel", _gemini, "gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
    "llamacpp": _Provider("LlamaCppModel", _llamacpp),
    "mistral": _Provider("MistralModel", _mistral, "mistral", ("MISTRAL_API_KEY",)),
    "ollama": _Provider("OllamaModel", _ollama, "ollama"),
    "openai": _Provider("OpenAIModel", _openai, "openai", ("OPENAI_API_KEY",)),
    "openai_responses": _Provider("OpenAIResponsesModel", _openai, "openai", ("OPENAI_API_KEY",)),
    "writer": _Provider("WriterModel", _openai, "writer", ("WRITER_API_KEY",)),
}
