"""What counts as a credential, and what does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.secrets import find_credential, names_credential, redact, redact_suspects
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from collections.abc import Callable

A_KEY = "a1B2c3D4e5F6g7H8"  # of no service
HEX = "0123456789abcdef"
PEM = "-----BEGIN PRIVATE KEY-----"
CREDENTIALS = {
    "AKIAABCDEFGHIJKLMNOP": "an AWS access key",
    "ASIAABCDEFGHIJKLMNOP": "an AWS access key",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI": "an AWS secret key",
    '"SecretAccessKey": "wJalrXUtnFEMI/hidden"': "an AWS secret key",
    "aws_session_token = hiddenhidden": "an AWS secret key",
    "ABSK" + "QmVkcm9jaw" * 4: "a Bedrock key",
    "-----BEGIN RSA PRIVATE KEY-----": "a private key",
    PEM: "a private key",
    "-----BEGIN OPENSSH PRIVATE KEY-----": "a private key",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----": "a private key",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----": "a private key",
    "PuTTY-User-Key-File-2": "a private key",
    "ghp_" + "a1" * 18: "a GitHub token",
    "ghs_" + "a1" * 18: "a GitHub token",
    "github_pat_" + "A1" * 15: "a GitHub token",
    f"glpat-{A_KEY}_xyz1": "a GitLab token",
    f"glrt-t1_{A_KEY}_xyz1": "a GitLab token",
    "xoxb-1234-abcd": "a Slack token",
    "xoxr-1234-abcd": "a Slack token",
    f"xoxe.xoxp-1-{A_KEY}": "a Slack token",
    f"xapp-1-A01-{A_KEY}": "a Slack token",
    f"https://hooks.slack.com/services/T0/B0/{A_KEY}": "a webhook address",
    f"https://discord.com/api/webhooks/12345/{A_KEY}": "a webhook address",
    "sk-abcdefghijklmnopqrstuvwxyz12": "an API key",
    "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWx": "an API key",
    f"sk_live_{A_KEY}": "a Stripe key",
    f"rk_live_{A_KEY}": "a Stripe key",
    f"pk_live_{A_KEY}": "a Stripe key",
    f"sk_test_{A_KEY}": "a Stripe key",
    f"whsec_{A_KEY}{A_KEY}": "a Stripe key",
    "AIza" + "a1B2c" * 7: "a Google key",
    f"ya29.{A_KEY}{A_KEY}": "a Google key",
    f"GOCSPX-{A_KEY}{A_KEY}": "a Google key",
    "hf_" + "aBcDe" * 7: "a Hugging Face token",
    "npm_" + "a1B2" * 9: "an npm token",
    f"pypi-AgEIcHlwaS5vcmc{A_KEY}": "a PyPI token",
    f"dop_v1_{HEX * 4}": "a DigitalOcean token",
    f"SG.{A_KEY}.{A_KEY}{A_KEY}": "a SendGrid key",
    f"SK{HEX * 2}": "a Twilio key",
    f"AccountKey={A_KEY * 4}==": "an Azure key",
    f"Endpoint=sb://x/;SharedAccessKey={A_KEY * 2}=": "an Azure key",
    f"SharedAccessSignature sr=x&sig={A_KEY}": "an Azure key",
    f"abc8Q~{A_KEY}{A_KEY}": "an Azure key",
    f"https://x.blob.core.windows.net/a?sv=1&sig={A_KEY}%3D": "a signed URL",
    f"https://b.s3.amazonaws.com/k?partNumber=1&Signature={A_KEY}%3D&Expires=1": "a signed URL",
    f"https://b.s3.amazonaws.com/k?X-Amz-Signature={HEX * 4}": "a signed URL",
    "raylane_tk_" + "a-1_B" * 8 + "c2D": "a gateway token",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl": "a JSON web token",
    f"eyJhbGciOiJkaXIi.{A_KEY}.{A_KEY}.{A_KEY}.{A_KEY}": "a JSON web token",
    f"eyJ1c2VyX2lkIjo1.{A_KEY}.{A_KEY}": "a JSON web token",
    "Authorization: Basic hidden": "an authorization header",
    '"authorization": "Token hidden"': "an authorization header",
    "Basic dXNlcjpwYXNzd29yZA==": "a basic login",
    "Basic dXNlcjpwYXNz": "a basic login",
    f"Bearer {A_KEY}": "a bearer token",
    "Cookie: session=hidden": "a cookie",
    f"dapi{HEX * 2}": "a key of a service",
    f"gsk_{A_KEY * 3}": "a key of a service",
    f"hvs.{A_KEY * 2}": "a key of a service",
    f"shpat_{HEX * 2}": "a key of a service",
    f"12345678:AA{A_KEY}{A_KEY}x": "a key of a service",
    "postgres://me:hidden@db/x": "a URL with a password",
    "redis://:hidden@db:6379/0": "a URL with a password",
    "mongodb+srv://me:hid@den@db/x": "a URL with a password",
    "git+https://me:hidden@example.org/x.git": "a URL with a password",
    "jdbc:postgresql://db/x?user=me&password=hidden": "a password",
    "Server=db;Uid=me;Pwd=hidden;": "a password",
    '{"user": "me", "password": "hidden"}': "a password",
    "api_key=hidden": "a password",
    json.dumps({"type": "service_account", "private_key": f"{PEM}\nMIIB"}): "a private key",
}


@pytest.mark.parametrize(("text", "kind"), CREDENTIALS.items())
def test_a_credential_is_found_wherever_it_is_in_a_text(text: str, kind: str) -> None:
    assert find_credential(text) == kind
    assert find_credential(f"print({text!r})") == kind
    assert find_credential(f"key: {text}\nnext line") == kind
    assert find_credential(repr(f"first line\n{text}")) == kind


def test_the_name_of_the_aws_secret_key_is_found_in_code_but_stays_in_a_message() -> None:
    assert find_credential("aws_secret_access_key") == "an AWS secret key"
    assert redact("env_vars.AWS_SECRET_ACCESS_KEY: is refused") == "env_vars.AWS_SECRET_ACCESS_KEY: is refused"


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
        *("basic statistics of the cars", "Basic JavaScript", "the bearer of bad news", "bearer tokens are refused"),
        *("https://example.org:8080/a", "redis://db:6379/0", "s3://b/a:b@c.csv", "http://[::1]:8265", "a@b.org"),
        *("password=", "password: must not be empty", "pwd=***", "secret={name}", "the token= of x", "tokens=5"),
        *("hf_hub", "npm_config", "pypi-server", "SG. 12", "AIza", "glpat-", "sk_live", "key-value", "cookie: yes"),
        *("sha256:" + HEX * 4, "run-" + HEX * 2, "gcs://_ray_pkg_" + HEX * 2 + ".zip", HEX * 2, "12345678:AA"),
        *("df['temp_max'] > 30.5", "rl-0123456789abcdef-1r0", "2026-01-01T10:00:00.000Z", "Größe/Länge"),
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
@pytest.mark.parametrize("remove", [redact, redact_suspects])
def test_a_redacted_text_holds_no_credential(text: str, remove: Callable[[str], str]) -> None:
    redacted = remove(f"refused: {text} (status 401)")
    assert find_credential(redacted) is None
    assert remove(redacted) == redacted
    assert redacted.startswith("refused: ")
    assert redacted.endswith(" (status 401)") or "Cookie" in text
    for secret in ("hid", "wJalrXUtnFEMI", A_KEY, HEX):
        assert secret not in redacted


def test_a_redacted_text_still_says_what_is_missing() -> None:
    said = "login failed: Server=db;Pwd=hidden;Port=1, password='hidden', Authorization: Basic dXNlcjpwYXNz, done"
    assert redact(said) == "login failed: Server=db;Pwd=***;Port=1, password='***', Authorization: ***, done"


@pytest.mark.parametrize("newline", ["\n", "\\n"])
def test_a_private_key_is_redacted_to_its_end(newline: str) -> None:
    body = newline.join(["Proc-Type: 4,ENCRYPTED", "MIIB", "A1b2" * 16, "VQ=="])
    assert redact(f"bad key {PEM}{newline}{body}{newline}-----END PRIVATE KEY----- here") == "bad key *** here"
    # A message may have been cut.
    assert redact(f"bad key {PEM}{newline}{'A1b2' * 16}{newline}{'A1b2' * 16}{newline}") == f"bad key ***{newline}"


@pytest.mark.parametrize("secret", ["abc", "Zm9vYmFy", "a.b-c_d"])
def test_a_bearer_token_of_any_length_is_redacted(secret: str) -> None:
    assert redact(f"Authorization: Bearer {secret}, and more") == "Authorization: ***, and more"
    assert redact_suspects(f"not a valid Bearer {secret}, and more") == "not a valid ***, and more"


@pytest.mark.parametrize("part", ["sk-abc***xyz", "pk-12345678", "AKIAIOSFODNN"])
def test_what_a_service_quotes_of_a_key_is_redacted(part: str) -> None:
    assert part not in redact_suspects(f"Incorrect API key provided: {part}.")


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=32, max_size=60))
def test_a_long_run_of_letters_and_digits_may_be_a_key(token: str) -> None:
    assert redact_suspects(f"the token {token} is wrong") == "the token *** is wrong"


NAMES = [
    *("AUTH", "AUTHORIZATION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ACCESS_TOKENS", "APIKEY", "API_KEY"),
    *("AZURE_STORAGE_KEY", "COOKIE", "CONNECTION_STRING", "DB_PASS", "DB_PASSWORD_PROD", "DB_PWD", "DSN"),
    *("FERNET_KEY", "GITHUB_TOKEN", "GITHUBTOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "HTTP_COOKIE", "JWT"),
    *("JWT_SECRET", "LICENSE_KEY", "MYSQL_PWD", "OPENAI_API_KEY", "OPENAI_KEY", "PASS", "PASSPHRASE", "PASSWD"),
    *("PGPASSWORD", "PRIVATE_KEY", "PWD", "REDIS_AUTH", "SECRET", "SENTRY_DSN", "SESSION_KEY", "SESSION_SECRET"),
    *("SIGNING_KEY", "SMTP_PASS", "SSHPASS", "SSH_KEY", "STRIPE_KEY", "TOKEN", "TOKEN_2", "apiKey", "authToken"),
    *("dbPassword", "db_password", "proxy-authorization", "x-api-key"),
]
PLAIN_NAMES = [
    *("A", "AUTHOR", "AUTHORS", "AUTH_MODE", "AUTH_URL", "AUTH_USER", "BYPASS", "CACHE_KEY", "COMPASS"),
    *("COOKIE_DOMAIN", "COUNT_KEY", "ENCOMPASS", "EOS_TOKEN", "FIRST_PASS", "FOREIGN_KEY", "GROUP_KEY", "HIGH_PASS"),
    *("JOIN_KEY", "JWT_ISSUER", "KEY", "KEYBOARD", "KEY_COLUMN", "LOW_PASS", "MAX_TOKENS", "MONKEY", "N_TOKENS"),
    *("NUM_PASSES", "OLDPWD", "PAD_TOKEN", "PARTITION_KEY", "PASSAGE", "PASSENGERS", "PASSES", "PASSWORD_FILE"),
    *("PASSWORD_MIN_LENGTH", "PASS_RATE", "PASS_THRESHOLD", "PRIMARY_KEY", "PUBLIC_KEY", "RAY_AUTH_MODE"),
    *("RAY_DATA_LOG_LEVEL", "SECOND_PASS", "SECRETARY", "SECRET_NAME", "SORT_KEY", "SURPASS", "TOKENIZER"),
    *("TOKENIZERS_PARALLELISM", "TOKENS_PER_SECOND", "TOKEN_COUNT", "TOKEN_TTL", "TOKEN_URL", "TRESPASS", "URL"),
    *("author", "compassHeading", "keyboard", "passengerCount", "tokenCount"),
]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_credential_is_known(name: str) -> None:
    assert names_credential(name)


@pytest.mark.parametrize("name", ["", "_", "é", *PLAIN_NAMES])
def test_a_name_that_only_resembles_one_is_plain(name: str) -> None:
    assert not names_credential(name)


PIECES = [
    *("a", "a.", "a:", "a-", "://", "://a:", "://a:b", "a:b@", "eyJ", "eyJ-", "eyJaaaaaaaaaaa.", "eyJaaaaaaaaaaa.."),
    *("sk-", "sk-1", "SG.", "SG.aaaaaaaaaaaaaaaaaa", "Aa=", "1Q~", "aaa1Q~", "\\nghp_", "glpat-", "xoxb-"),
    *("12345678:AA", "pat.aaaaaaaaaaaaaaaaaaaaaa.", "?sig=", "&sig=", "password=", '"password":"', "cookie:a="),
    *("AccountKey=", "X-Amz-Signature=", "-----BEGIN", "-----END", "-----", "bearer ", "Basic aAaA ", " ", "\n"),
    *("-----BEGIN A ", f"{PEM}\n", f"{PEM}\nAAAA-"),
]
STARTS = [
    *("basic ", "bearer ", "-----BEGIN ", f"{PEM}-", "://", "://a:", "eyJ", "eyJaaaaaaaaaaaaa.", "cookie: a=", "sk-"),
    *("authorization:", "secretaccesskey=", "password=", "sha256~", "secret_", "hooks.slack.com/services/"),
]
HOSTILE = [
    *(("", piece) for piece in PIECES),
    *((start, run) for start in STARTS for run in ("a", " ", "a.", "-a", "a:", "A ")),
]
# In the deep profile, a pattern of quadratic time needs a minute for a few of these texts.
SIZE = by_profile(fast=4, ci=8, deep=64) * 1024


@pytest.mark.timeout(60)
def test_a_hostile_text_is_read_in_linear_time() -> None:
    for start, run in HOSTILE:
        text = start + run * (SIZE // len(run))
        find_credential(text)
        assert find_credential(redact_suspects(text)) is None


@given(st.text(st.sampled_from("aA1 .:/@=-_\n\"'~+%?&") | st.characters(), max_size=300))
def test_any_text_can_be_judged_and_redacted(text: str) -> None:
    find_credential(text)
    names_credential(text)
    assert redact(redact(text)) == redact(text)
