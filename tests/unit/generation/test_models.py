"""The models of every provider, and the typed errors for what their clients raise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands.models import BedrockModel
from strands.models.llamacpp import LlamaCppModel
from strands.types.exceptions import ModelThrottledException

from raylane_common.errors import GenerationRefused, ModelMisconfigured, ModelUnavailable
from raylane_common.settings import Settings
from raylane_worker.generation.providers.errors import explain
from raylane_worker.generation.providers.models import make_model

if TYPE_CHECKING:
    from collections.abc import Mapping

NOVA = "bedrock:amazon.nova-pro-v1:0"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


def settings(*, aws: Mapping[str, object] | None = None, **generation: object) -> Settings:
    return Settings.model_validate({"generation": generation, "aws": aws or {}})


def bedrock(chosen: Settings) -> BedrockModel:
    model = make_model(chosen.generation.model or NOVA, chosen)
    assert isinstance(model, BedrockModel)
    return model


def test_bedrock_takes_model_region_and_timeouts_from_the_settings() -> None:
    model = bedrock(settings(model=NOVA, model_region="eu-central-1", model_timeout_s=7, aws={"region": "us-east-1"}))
    assert model.get_config()["model_id"] == "amazon.nova-pro-v1:0"
    client = model.client.meta
    assert client.region_name == "eu-central-1"
    assert client.config.read_timeout == 7
    assert client.config.connect_timeout <= 7
    assert client.config.retries["total_max_attempts"] == 1


def test_bedrock_uses_the_region_of_the_bucket_if_no_other_is_set() -> None:
    assert bedrock(settings(model=NOVA, aws={"region": "us-east-1"})).client.meta.region_name == "us-east-1"


def test_a_missing_region_is_an_error_and_not_a_default_of_the_client() -> None:
    with pytest.raises(ModelMisconfigured, match="MODEL_REGION"):
        bedrock(settings(model=NOVA))


def test_the_address_of_the_object_storage_is_never_used_for_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    aws = {"region": "us-east-1", "endpoint_url": "http://127.0.0.1:9000"}
    assert "127.0.0.1" not in bedrock(settings(model=NOVA, aws=aws)).client.meta.endpoint_url
    own = settings(model=NOVA, aws=aws, model_endpoint_url="http://127.0.0.1:9001")
    assert bedrock(own).client.meta.endpoint_url == "http://127.0.0.1:9001"


@pytest.mark.parametrize("name", ["openia:gpt", "gpt-5", "bedrock", "bedrock:", ":x", "us.anthropic.claude-v1:0", ""])
def test_an_unknown_provider_or_a_missing_model_lists_the_known_providers(name: str) -> None:
    with pytest.raises(ModelMisconfigured, match="anthropic") as caught:
        make_model(name, settings())
    assert "bedrock" in str(caught.value.details["known"])


@pytest.mark.parametrize(
    ("provider", "package"),
    [("openai", "openai"), ("anthropic", "anthropic"), ("ollama", "ollama"), ("openai_responses", "openai")],
)
def test_a_provider_whose_package_is_missing_says_what_to_install(
    provider: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"strands.models.{provider}", raising=False)
    with pytest.raises(ModelMisconfigured, match=rf"pip install 'strands-agents\[{package}\]'"):
        make_model(f"{provider}:m", settings(model_api_key="k"))


def test_a_provider_without_its_key_says_which_setting() -> None:
    with pytest.raises(ModelMisconfigured, match="RAYLANE_GENERATION__MODEL_API_KEY"):
        make_model("openai:gpt", settings())


async def test_llamacpp_is_made_with_the_address_and_timeout_of_the_settings() -> None:
    url = "http://127.0.0.1:9002"
    model = make_model("llamacpp:m", settings(model_endpoint_url=url, model_timeout_s=7))
    assert isinstance(model, LlamaCppModel)
    assert (model.base_url, model.client.timeout.read) == (url, 7)
    await model.client.aclose()


def test_a_client_that_cannot_be_made_is_a_configuration_error_without_the_values() -> None:
    with pytest.raises(ModelMisconfigured, match="MODEL_ENDPOINT_URL") as caught:
        bedrock(settings(model=NOVA, model_region="us-east-1", model_endpoint_url="user:secret"))
    assert "secret" not in str(caught.value)


def test_half_a_pair_of_credentials_names_the_missing_half() -> None:
    with pytest.raises(ModelMisconfigured, match="SECRET_ACCESS_KEY"):
        bedrock(settings(model=NOVA, aws={"region": "us-east-1", "access_key_id": "AKIAEXAMPLE"}))


TRACED = """
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from raylane_common.errors import GenerationRefused
from raylane_worker.telemetry.logs import keep_content_private
from tests.unit.generation.scripted_model import LOOK, ScriptedModel, task, write

keep_content_private()
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

model = ScriptedModel([LOOK, [("cannot", {"reason": "private reason"})]])
try:
    asyncio.run(write(task(prompt="private prompt"), model))
except GenerationRefused as error:
    assert "private reason" in str(error), error
traced = "".join(span.to_json() for span in spans.get_finished_spans())
assert "job-1" in traced and "get_data_sources" in traced, traced
assert "private" not in traced, traced
"""


def test_neither_prompt_nor_answers_are_put_into_traces() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", TRACED], check=False, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr


class ServiceError(Exception):
    def __init__(
        self,
        message: str,
        code: str | None = None,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.response = {
            "Error": {"Code": code},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
        }


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("throttlingException", None, ModelUnavailable),
        ("modelStreamErrorException", 400, ModelUnavailable),
        ("ServiceUnavailableException", 503, ModelUnavailable),
        ("ModelNotReadyException", 429, ModelUnavailable),
        ("SomethingNewException", 500, ModelUnavailable),
        ("ValidationException", 400, ModelMisconfigured),
        ("ResourceNotFoundException", 404, ModelMisconfigured),
        ("ExpiredTokenException", 403, ModelMisconfigured),
        ("AccessDeniedException", 403, ModelMisconfigured),
    ],
)
def test_a_services_refusal_is_typed_by_code_and_status(
    code: str, status: int | None, expected: type[Exception]
) -> None:
    typed = explain(ServiceError("no", code, status))
    assert type(typed) is expected
    assert code in str(typed)


class HttpxError(Exception):
    """The shape of the exceptions of the clients of OpenAI and Anthropic."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__("no")
        self.status_code = status
        self.response = httpx.Response(status, headers=headers)


@pytest.mark.parametrize(
    "error",
    [
        ServiceError("no", "ThrottlingException", 429, {"retry-after": "12"}),
        HttpxError(503, {"Retry-After": "12"}),
        HttpxError(429, {"Date": "Sun, 22 Nov 2020 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 2020 10:00:12 GMT"}),
    ],
)
def test_the_pause_that_a_service_asks_for_is_found_also_behind_an_exception_of_strands(error: Exception) -> None:
    throttled = ModelThrottledException("slow down")
    throttled.__cause__ = error
    for raised in (error, throttled):
        typed = explain(raised)
        assert isinstance(typed, ModelUnavailable)
        assert typed.retry_after_s == 12


@pytest.mark.parametrize("error", [ModelThrottledException("x"), HttpxError(500, {}), HttpxError(429, {"a": "b"})])
def test_without_a_pause_in_the_answer_there_is_none_in_the_error(error: Exception) -> None:
    typed = explain(error)
    assert isinstance(typed, ModelUnavailable)
    assert typed.retry_after_s is None


class MaxTokensReachedException(Exception):
    pass


class ContextWindowOverflowException(Exception):
    pass


@pytest.mark.parametrize("raised", [MaxTokensReachedException(), ContextWindowOverflowException()])
def test_an_answer_or_a_request_that_is_too_long_is_a_refusal(raised: Exception) -> None:
    assert isinstance(explain(raised), GenerationRefused)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=32, max_size=60))
def test_what_looks_like_a_credential_is_not_quoted(token: str) -> None:
    typed = explain(ServiceError(f"the token {token} for Bearer abc, AKIAIOSFODNN7EXAMPLE", "ValidationException", 400))
    for secret in (token, "abc", "AKIAIOSFODNN7EXAMPLE"):
        assert secret not in str(typed)
