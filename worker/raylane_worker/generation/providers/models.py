"""Which generator writes the code, and the model behind it.

strands takes more than a second to import, so it is imported where a model is made.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from raylane_common.errors import ModelMisconfigured, RaylaneError
from raylane_common.wire.generate import GeneratorName
from raylane_worker.generation.providers.errors import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strands.models import Model

    from raylane_common.settings import GenerationSettings, Settings

DEFAULT_MODEL: Final = "bedrock:global.anthropic.claude-sonnet-4-6"

_CONNECT_TIMEOUT_S: Final = 5.0
_MAX_ANSWER_TOKENS: Final = 8192


@dataclass(frozen=True)
class Chosen:
    """What writes the code of one job: `template`, or `agent` with its `provider:model_id`."""

    generator: GeneratorName
    model_name: str | None = None


def choose(settings: Settings, requested: GeneratorName | None) -> Chosen:
    """The generator of one job: what the request says, else the setting; `auto` is `agent` only if a model is set."""
    name = requested or GeneratorName(settings.generation.generator)
    if name is GeneratorName.AUTO:
        name = GeneratorName.AGENT if settings.generation.model else GeneratorName.TEMPLATE
    if name is GeneratorName.TEMPLATE:
        return Chosen(name)
    return Chosen(name, settings.generation.model or DEFAULT_MODEL)


def make_model(chosen: Chosen, settings: Settings) -> Model:
    """The model for the agents of any number of jobs at once. It blocks for a second or two: call it in a thread.

    Raises `ModelMisconfigured` for an unknown provider, a package that is not installed, a missing region or key.
    """
    if chosen.generator is GeneratorName.TEMPLATE:
        from raylane_worker.generation.template.model import TemplateModel

        return TemplateModel()
    provider, separator, model_id = (chosen.model_name or DEFAULT_MODEL).partition(":")
    known = ["bedrock", *_PROVIDERS]
    if provider not in known or not separator or not model_id:
        raise ModelMisconfigured(
            f"generation.model: {chosen.model_name!r} is not `provider:model_id` with a provider that is known: "
            + ", ".join(known),
            details={"known": list(known)},
        )
    try:
        if provider == "bedrock":
            return _bedrock(model_id, settings)
        return _other(_PROVIDERS[provider], provider, model_id, settings.generation)
    except RaylaneError:
        raise
    except Exception as error:  # clients complain about their settings each in its own way, some quoting them
        told = explain(error, hide=_api_key(settings.generation))
        if isinstance(told, RaylaneError):
            raise told from None
        raise ModelMisconfigured(
            f"no client for {chosen.model_name} can be made ({type(error).__name__}): check RAYLANE_GENERATION__MODEL, "
            "MODEL_REGION and MODEL_ENDPOINT_URL"
        ) from None


def _bedrock(model_id: str, settings: Settings) -> Model:
    import boto3  # type: ignore[import-untyped]  # ships no types; strands takes its session
    from botocore.config import Config
    from strands.models import BedrockModel

    generation, aws = settings.generation, settings.aws
    if (aws.access_key_id is None) != (aws.secret_access_key is None):
        raise ModelMisconfigured("set both or none of RAYLANE_AWS__ACCESS_KEY_ID and RAYLANE_AWS__SECRET_ACCESS_KEY")
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
        # A retry in the client's thread would outlive the deadline of whoever waits for it.
        retries={"total_max_attempts": 1},
        # AWS_ENDPOINT_URL in the environment is the address of S3, not of the model.
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # missing in botocore-stubs
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
    """One of strands' own providers: where its class is, the extra it needs, and how its client is told what is set.

    `key_variables` are those that its client reads by itself; empty where it may work without a key.
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


def _set(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _http_client(settings: GenerationSettings) -> dict[str, object]:
    return _set(
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
    options = _set(base_url=settings.model_endpoint_url, timeout=int(settings.model_timeout_s * 1000))
    return {"client_args": _set(api_key=_api_key(settings), http_options=options), "model_id": model_id}


def _llamacpp(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    return _set(base_url=settings.model_endpoint_url, timeout=settings.model_timeout_s, model_id=model_id)


def _mistral(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    client = _set(server_url=settings.model_endpoint_url, timeout_ms=int(settings.model_timeout_s * 1000))
    return {"api_key": _api_key(settings), "client_args": client, "model_id": model_id}


def _ollama(model_id: str, settings: GenerationSettings) -> Mapping[str, object]:
    client = {"timeout": settings.model_timeout_s}
    return {"host": settings.model_endpoint_url, "ollama_client_args": client, "model_id": model_id}


# Left out: litellm, which fetches a file from the internet when it is imported and prints to stdout (its proxy speaks
# openai); llamaapi, whose client blocks the event loop; sagemaker, which needs more than a name.
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
