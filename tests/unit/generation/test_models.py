from __future__ import annotations

import subprocess
import sys
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
from raylane_common.wire.generate import GeneratorName
from raylane_worker.generation.providers.errors import explain
from raylane_worker.generation.providers.models import DEFAULT_MODEL, Chosen, choose, make_model
from raylane_worker.generation.template.model import TemplateModel

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT, TEMPLATE, AUTO = GeneratorName.AGENT, GeneratorName.TEMPLATE, GeneratorName.AUTO
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


@pytest.mark.parametrize(
    ("requested", "setting", "model", "expected"),
    [
        (None, "auto", None, Chosen(TEMPLATE)),
        (None, "auto", NOVA, Chosen(AGENT, NOVA)),
        (AUTO, "template", NOVA, Chosen(AGENT, NOVA)),
        (AUTO, "agent", None, Chosen(TEMPLATE)),
        (None, "template", NOVA, Chosen(TEMPLATE)),
        (None, "agent", None, Chosen(AGENT, DEFAULT_MODEL)),
        (TEMPLATE, "agent", NOVA, Chosen(TEMPLATE)),
        (AGENT, "template", NOVA, Chosen(AGENT, NOVA)),
        (AGENT, "auto", None, Chosen(AGENT, DEFAULT_MODEL)),
    ],
)
def test_a_request_wins_over_the_setting_and_auto_needs_a_model(
    requested: GeneratorName | None, setting: str, model: str | None, expected: Chosen
) -> None:
    assert choose(settings(generator=setting, model=model), requested) == expected


def test_the_template_generator_is_a_model_without_a_name() -> None:
    model = make_model(Chosen(TEMPLATE), settings(model=NOVA))
    assert isinstance(model, TemplateModel)
    assert "model_id" not in model.get_config()


def bedrock(chosen: Settings) -> BedrockModel:
    model = make_model(choose(chosen, AGENT), chosen)
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


def test_bedrock_is_in_the_region_of_the_bucket_unless_told_otherwise() -> None:
    assert bedrock(settings(model=NOVA, aws={"region": "us-east-1"})).client.meta.region_name == "us-east-1"


def test_no_region_at_all_is_an_error_and_not_somebody_elses_default() -> None:
    with pytest.raises(ModelMisconfigured, match="MODEL_REGION"):
        bedrock(settings(model=NOVA))


def test_the_address_of_the_object_storage_is_never_that_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    aws = {"region": "us-east-1", "endpoint_url": "http://127.0.0.1:9000"}
    assert "127.0.0.1" not in bedrock(settings(model=NOVA, aws=aws)).client.meta.endpoint_url
    own = settings(model=NOVA, aws=aws, model_endpoint_url="http://127.0.0.1:9001")
    assert bedrock(own).client.meta.endpoint_url == "http://127.0.0.1:9001"


@pytest.mark.parametrize("name", ["openia:gpt", "gpt-5", "bedrock", "bedrock:", ":x", "us.anthropic.claude-v1:0", ""])
def test_what_is_not_a_known_provider_and_a_model_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ModelMisconfigured, match="anthropic") as caught:
        make_model(Chosen(AGENT, name or "x"), settings())
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
        make_model(Chosen(AGENT, f"{provider}:m"), settings(model_api_key="k"))


def test_a_provider_without_its_key_says_which_setting() -> None:
    with pytest.raises(ModelMisconfigured, match="RAYLANE_GENERATION__MODEL_API_KEY"):
        make_model(Chosen(AGENT, "openai:gpt"), settings())


async def test_a_provider_of_the_base_install_is_made_with_address_and_timeout() -> None:
    url = "http://127.0.0.1:9002"
    model = make_model(Chosen(AGENT, "llamacpp:m"), settings(model_endpoint_url=url, model_timeout_s=7))
    assert isinstance(model, LlamaCppModel)
    assert (model.base_url, model.client.timeout.read) == (url, 7)
    await model.client.aclose()


def test_a_client_that_cannot_be_made_is_a_configuration_error_without_the_values() -> None:
    with pytest.raises(ModelMisconfigured, match="MODEL_ENDPOINT_URL") as caught:
        bedrock(settings(model=NOVA, model_region="us-east-1", model_endpoint_url="user:secret"))
    assert "secret" not in str(caught.value)


def test_half_a_pair_of_credentials_is_named() -> None:
    with pytest.raises(ModelMisconfigured, match="SECRET_ACCESS_KEY"):
        bedrock(settings(model=NOVA, aws={"region": "us-east-1", "access_key_id": "AKIAEXAMPLE"}))


def test_importing_the_package_does_not_import_strands() -> None:
    modules = "raylane_worker.generation.agents.team, raylane_worker.generation.providers.models"
    code = f"import sys, {modules}; print(sorted({{'strands', 'boto3', 'ray'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


TRACED = """
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from raylane_common.errors import GenerationError
from raylane_common.settings import GenerationSettings
from raylane_common.wire.sources import Column, ColumnType, CsvSource
from raylane_worker.generation.agents.team import WritingTask, write_code
from raylane_worker.generation.template.model import TemplateModel
from raylane_worker.telemetry.logs import keep_content_private

keep_content_private()
spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

column = Column(name="x", type=ColumnType.NUMBER, native_type="double")
source = CsvSource(filename="a.csv", s3_uri="s3://b/a.csv", size_bytes=1, rows=1, columns=(column,), job_id="upload-1")
task = WritingTask("job-1", "private prompt", (source,), True, GenerationSettings())
try:
    asyncio.run(write_code(task, TemplateModel()))
except GenerationError as error:
    assert "private" in str(error.info()), error
told = "".join(span.to_json() for span in spans.get_finished_spans())
assert "job-1" in told and "get_data_sources" in told, told
assert "private" not in told, told
"""


def test_neither_prompt_nor_answers_are_put_into_traces() -> None:
    done = subprocess.run([sys.executable, "-c", TRACED], check=False, capture_output=True, text=True)
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
    told = explain(ServiceError("no", code, status))
    assert type(told) is expected
    assert code in str(told)


class HttpxError(Exception):
    """As the clients of OpenAI and Anthropic have it."""

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
def test_a_service_that_says_when_to_come_back_is_heard_also_through_strands(error: Exception) -> None:
    throttled = ModelThrottledException("slow down")
    throttled.__cause__ = error
    for raised in (error, throttled):
        told = explain(raised)
        assert isinstance(told, ModelUnavailable)
        assert told.retry_after_s == 12


@pytest.mark.parametrize("error", [ModelThrottledException("x"), HttpxError(500, {}), HttpxError(429, {"a": "b"})])
def test_a_service_that_does_not_say_it_leaves_the_pause_to_us(error: Exception) -> None:
    told = explain(error)
    assert isinstance(told, ModelUnavailable)
    assert told.retry_after_s is None


class MaxTokensReachedException(Exception):
    pass


class ContextWindowOverflowException(Exception):
    pass


@pytest.mark.parametrize("raised", [MaxTokensReachedException(), ContextWindowOverflowException()])
def test_too_long_an_answer_or_request_is_a_refusal(raised: Exception) -> None:
    assert isinstance(explain(raised), GenerationRefused)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=32, max_size=60))
def test_what_looks_like_a_credential_is_not_quoted(token: str) -> None:
    told = explain(ServiceError(f"the token {token} for Bearer abc, AKIAIOSFODNN7EXAMPLE", "ValidationException", 400))
    for secret in (token, "abc", "AKIAIOSFODNN7EXAMPLE"):
        assert secret not in str(told)
