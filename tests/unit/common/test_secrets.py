"""What counts as a credential, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import InvalidRequest
from raylane_common.secrets import find_credential, redact, refuse_credentials

CREDENTIALS = {
    "AKIAABCDEFGHIJKLMNOP": "an AWS access key",
    "ASIAABCDEFGHIJKLMNOP": "an AWS access key",
    "aws_secret_access_key": "an AWS secret key",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI": "an AWS secret key",
    "-----BEGIN RSA PRIVATE KEY-----": "a private key",
    "-----BEGIN PRIVATE KEY-----": "a private key",
    "ghp_" + "a1" * 18: "a GitHub token",
    "github_pat_" + "A1" * 15: "a GitHub token",
    "xoxb-1234-abcd": "a Slack token",
    "xoxr-1234-abcd": "a Slack token",
    "sk-abcdefghijklmnopqrstuvwxyz12": "an API key",
    "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx": "an API key",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl": "a JSON web token",
    "postgres://me:hidden@db/x": "a URL with a password",
    "git+https://me:hidden@example.org/x.git": "a URL with a password",
}


@pytest.mark.parametrize(("text", "kind"), CREDENTIALS.items())
def test_a_credential_is_found_wherever_it_is_in_a_text(text: str, kind: str) -> None:
    assert find_credential(text) == kind
    assert find_credential(f"print({text!r})") == kind
    assert find_credential(f"key: {text}\nnext line") == kind


@pytest.mark.parametrize(
    "text",
    [
        *("", "AKIA", "Ada", "WARNING", "pandas==2.2.3", "s3://bucket/a.csv", "https://example.org/a:b@c"),
        *(
            "sk-learn",
            "sk-learn-pipeline-with-a-long-name",
            "risk-assessment-of-the-year-2024",
            "desk-2024-0123456789abcdefgh",
        ),
        *("xoxo-", "ghp_short", "eyJhbGciOiJIUzI1NiJ9", "-----BEGIN CERTIFICATE-----", "access_key", "secret"),
    ],
)
def test_plain_text_is_no_credential(text: str) -> None:
    assert find_credential(text) is None


@pytest.mark.parametrize(
    "text", ["", "the model 'gpt-5' does not exist", "ThrottlingException: Rate exceeded", "s3://bucket/sales-2024.csv"]
)
def test_a_plain_message_is_not_redacted(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", CREDENTIALS)
def test_a_redacted_text_holds_no_credential(text: str) -> None:
    redacted = redact(f"refused: {text} (status 401)")
    assert find_credential(redacted) is None
    assert redacted.startswith("refused: ")
    assert redacted.endswith(" (status 401)")
    assert "hidden" not in redacted
    assert "wJalrXUtnFEMI" not in redacted


def test_a_private_key_is_redacted_to_its_end() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIB\nVQIB\n-----END PRIVATE KEY-----"
    assert redact(f"bad key {key} in the file") == "bad key *** in the file"


@pytest.mark.parametrize("secret", ["abc", "Zm9vYmFy", "a.b-c_d"])
def test_a_bearer_token_of_any_length_is_redacted(secret: str) -> None:
    assert redact(f"Authorization: Bearer {secret}, and more") == "Authorization: ***, and more"


@pytest.mark.parametrize("part", ["sk-abc***xyz", "pk-12345678", "AKIAIOSFODNN"])
def test_what_a_service_quotes_of_a_key_is_redacted(part: str) -> None:
    assert part not in redact(f"Incorrect API key provided: {part}.")


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=32, max_size=60))
def test_a_long_run_of_letters_and_digits_is_redacted(token: str) -> None:
    assert redact(f"the token {token} is wrong") == "the token *** is wrong"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "x") for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "db_password", "OPENAI_API_KEY", "AUTH")],
        *[("COMMENT", text) for text in CREDENTIALS],
    ],
)
def test_an_environment_variable_with_a_credential_is_refused_without_its_value(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^env_vars\.{name}: looks like a credential") as refused:
        refuse_credentials({"PLAIN": "1", name: value})
    assert refused.value.details == {"field": f"env_vars.{name}"}
    assert value == "x" or value not in str(refused.value)


def test_a_requirement_with_a_credential_is_refused_without_its_value() -> None:
    with pytest.raises(InvalidRequest, match=r"^pip\.1: looks like a credential \(a URL with a password\)") as refused:
        refuse_credentials({}, ["pandas==2.2.3", "git+https://me:hidden@example.org/x.git"])
    assert "hidden" not in str(refused.value)


def test_plain_variables_and_requirements_pass() -> None:
    plain = {"RAY_DATA_LOG_LEVEL": "WARNING", "AUTHOR": "Ada", "MONKEY": "x", "URL": "https://example.org/a:b@c"}
    refuse_credentials(plain, ["pandas==2.2.3", "numpy>=2"])
