"""Finds text and names that look like a credential: in what Ray shows to others, in generated code and in messages.

The forms of the services' keys were compared with the rules of gitleaks. See docs/decisions/0021.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

# A key starts where a word starts, or after the `\n` of a quoted text. So each run of letters is read only once, and
# the time is linear in the length of a hostile text. For the same reason no pattern may begin with a part that repeats.
_START: Final = r"(?:(?<![\w-])|(?<=\\[nrt]))(?=[A-Za-z0-9])"
_KEYS: Final = {
    "an AWS access key": r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[0-9A-Z]{16}\b",
    "a Bedrock key": r"ABSK[A-Za-z0-9+/]{40,}|bedrock-api-key-[\w+/=-]{20,}",
    "a GitHub token": r"gh[pousr]_\w{36,}|github_pat_\w{22,}",
    "a GitLab token": (
        r"gl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat)-[\w-]{20,}(?:\.\w{9,})?|GR1348941[\w-]{20,}"
    ),
    "a Slack token": r"xox[abceoprs]-[\w-]{7,}|xapp-\d-[\w-]{8,}",
    "a webhook address": (
        r"hooks\.slack\.com/(?:services|triggers|workflows)/[\w/+-]{20,}|discord(?:app)?\.com/api/webhooks/\d+/[\w-]+"
        r"|webhook\.office\.com/webhookb2/[\w@/-]{36,}"
    ),
    # OpenAI, Anthropic and others. Without a digit it may be a name such as `sk-learn-…`.
    "an API key": r"sk-(?=[\w-]*\d)[\w-]{20,}",
    "a Stripe key": r"[prs]k_(?:live|prod|test)_\w{10,}|whsec_[\w+/=]{20,}",
    "a Google key": r"AIza[\w-]{35}|ya29\.[\w-]{20,}|GOCSPX-[\w-]{20,}",
    "a Hugging Face token": r"(?:hf|api_org)_[A-Za-z0-9]{30,}",
    "an npm token": r"npm_[A-Za-z0-9]{36}",
    "a PyPI token": r"pypi-AgE[\w-]{16,}",
    "a DigitalOcean token": r"do[opr]_v1_[0-9a-f]{32,}",
    "a SendGrid key": r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "a Twilio key": r"(?:AC|SK)[0-9a-f]{32}\b",
    "an Azure key": (
        r"(?i:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{20,}={0,2}|(?i:SharedAccessSignature)(?:=|\s+sr=)[\w%&=.+/-]{8,}"
        r"|\w[\w.~]{2}\dQ~[\w.~-]{31,34}"
    ),
    "a gateway token": r"raylane_tk_[\w-]{43}",
    "a JSON web token": r"eyJ[\w-]{10,}\.(?:eyJ[\w-]{10,}\.[\w-]*|[\w-]*\.[\w-]{10,}(?:\.[\w-]*)*)",
    "a bearer token": r"(?i:bearer)\s+(?=[\w.~+/=-]*\d)[\w.~+/=-]{16,}",
    # Base64 of `user:password`: it is padded, or its case changes within a word.
    "a basic login": r"[Bb]asic\s+(?=[A-Za-z0-9+/]*(?:=|[a-z][A-Z][A-Za-z0-9+/]*[a-z][A-Z]))[A-Za-z0-9+/]{8,}={0,2}",
    "a key of a service": "|".join(
        (
            r"A3-[A-Z0-9]{6}-[A-Z0-9-]{23,}|ops_eyJ[\w+/=-]{50,}",  # 1Password
            r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
            r"AKCp[A-Za-z0-9]{60,}|cmVmd[A-Za-z0-9]{59}",  # Artifactory
            r"API-[A-Z0-9]{26}",  # Octopus Deploy
            r"ATATT3[\w=-]{60,}|ATCTT3[\w=-]{60,}",  # Atlassian
            r"CLOJARS_[a-z0-9]{60}",
            r"dapi[0-9a-f]{32}",  # Databricks
            r"dckr_[op]at_[\w-]{20,}",  # Docker
            r"dp\.(?:audit|ct|pt|scim|sa|st)\.[\w.-]{40,}",  # Doppler
            r"dt0c01\.\w{24}\.\w{64}",  # Dynatrace
            r"(?:duffel|shippo)_(?:live|test)_[\w=-]{40,}",
            r"EAA[MC][A-Za-z0-9]{60,}|EAAA[\w-]{22,}|sq0[a-z]{3}-[\w-]{22,}",  # Facebook, Square
            r"EZ[AT]K[A-Za-z0-9]{54}",  # EasyPost
            r"figd_[\w-]{30,}",  # Figma
            r"fio-u-[\w=-]{64}",  # Frame.io
            r"FLWSECK(?:_TEST)?-[0-9a-z]{12,}",  # Flutterwave
            r"fm[12][ar]?_[\w+/=-]{60,}|fo1_[\w-]{40,}",  # Fly.io
            r"glc_[A-Za-z0-9+/=]{32,}|glsa_\w{32,}|eyJrIjoi[A-Za-z0-9=]{40,}",  # Grafana
            r"gsk_[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{30,}",  # Groq, Perplexity, Replicate
            r"HRKU-[\w-]{36,}",  # Heroku
            r"hv[brs]\.[\w-]{24,}|[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}",  # HashiCorp
            r"ico-[A-Za-z0-9]{32}",  # Infracost
            r"key-[0-9a-f]{32}",  # Mailgun
            r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}",  # Linear
            r"lsv2_[ps][kt]_[0-9a-f_]{32,}",  # LangSmith
            r"LTAI[A-Za-z0-9]{16,}",  # Alibaba
            r"nfp_[A-Za-z0-9]{36,}",  # Netlify
            r"NR(?:AK|II|JS)-[\w-]{19,}",  # New Relic
            r"ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}",  # Notion
            r"p8e-[A-Za-z0-9]{32}",  # Adobe
            r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",  # Airtable
            r"[ps]at\.[\w-]{22}\.\w{24}\.\w{20}",  # Harness
            r"PMAK-[0-9A-Fa-f]{24}-[0-9A-Fa-f]{34}",  # Postman
            r"pnu_[A-Za-z0-9]{36}",  # Prefect
            r"pscale_(?:oauth|pw|tkn)_[\w=.-]{32,}",  # PlanetScale
            r"pul-[0-9a-f]{40}",  # Pulumi
            r"rdme_[a-z0-9]{70}",  # ReadMe
            r"rubygems_[0-9a-f]{48}",
            r"sbp_[0-9a-f]{40}|sb_secret_[\w-]{20,}",  # Supabase
            r"sgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}",  # Sourcegraph
            r"sha256~[\w-]{43}",  # OpenShift
            r"shp(?:at|ca|pa|ss|tka)_[0-9a-fA-F]{32}",  # Shopify
            r"sm_[aps]at_[A-Za-z0-9]{16}",  # SettleMint
            r"sntry[su]_[\w+/=-]{40,}",  # Sentry
            r"tk-us-[\w-]{48}",  # Scalingo
            r"tvly-[\w-]{30,}|xai-[A-Za-z0-9]{60,}",  # Tavily, xAI
            r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",  # Cloudflare
            r"xkeysib-[0-9a-f]{64}",  # Brevo
            r"ZXlK[A-Za-z0-9+/=]{40,}",  # a JSON web token in base64
            r"\d{8,10}:AA[\w-]{33}",  # Telegram
        )
    ),
}
_KEY: Final = rf"{_START}(?:{'|'.join(f'({pattern})' for pattern in _KEYS.values())})"
_TEXTS: Final = {
    # To its end; if that is missing, as far as the lines look like it.
    "a private key": (
        r"-----? ?BEGIN (?:[A-Z0-9]+ ){0,5}PRIVATE KEY(?: BLOCK)?(?:-{5}"
        r"(?:(?:[^-]|-(?!----))*+-----END [A-Z0-9 ]+-----|(?:(?:\s|\\[nr])*+[A-Za-z0-9+/=]{40,})*+))?"
        r"|PuTTY-User-Key-File-\d"
    ),
    "a URL with a password": r"(?<=://)[^/@\s:\"'<>]*:[^/\s\"'<>]+@",
}
# The group is the name. It stays in a redacted text, because it says what is missing.
_NAMED: Final = {
    "an AWS secret key": (
        r"((?i:aws_secret_access_key|secretaccesskey|aws_session_token)[\"']?\s{0,3}"
        r"(?:=\s{0,3}[\"']?(?=[^\s\"'*])|:\s{0,3}[\"']?(?=[A-Za-z0-9+/]{12})))[^\s\"']+"
    ),
    "an authorization header": (
        r"((?i:authorization)[\"']?\s{0,3}[:=]\s{0,3}[\"']?)(?i:apikey|basic|bearer|digest|token)\s+[^\s\"',;]+"
    ),
    "a cookie": r"((?i:cookie)[\"']?\s{0,3}:\s{0,3}[\"']?)[\w.-]+=[^\r\n\"']{4,}",
    "a signed URL": (
        r"((?i:X-(?:Amz|Goog)-(?:Credential|Security-Token|Signature)|[?&](?:sig|Signature))=)[\w%+/=-]{16,}"
    ),
    "a password": (
        r"((?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?=[aprsAPRS])(?i:pass(?:word|wd|phrase)|pwd|secret"
        r"|(?:access|account|api|private|secret|session)[_-]?key"
        r"|(?:access|api|auth|refresh|security|session)[_-]?token)"
        r"(?:\s{0,3}=\s{0,3}[\"']?|[\"']\s{0,3}:\s{0,3}[\"']))(?![*<{$%])[^\s\"'&;,<>{}()]{4,}"
    ),
}
# In code the name is enough: it configures a client with a secret.
_SETTING: Final = r"(?i:aws_secret_access_key)(?![\"']?\s{0,3}[=:]\s{0,3}[\"']?\*)"
# Parts of keys, and strings too long to be words: a service may quote a part of the key that it refuses.
_SUSPECT: Final = (
    rf"{_START}(?:(?i:bearer)\s+[\w.~+/=-]*\w|(?i:[sp]k-[\w*-]{{6,}}|(?:AKIA|ASIA)[A-Z0-9]{{8,}}))"
    r"|[A-Za-z0-9+/=_]{32,}"
)
# Compiled at the first use: all patterns take 20 ms, too long for `raylane --help`.
_compiled: Final = cache(re.compile)


def find_credential(text: str) -> str | None:
    """Returns the kind of credential that the text seems to hold, such as "a GitHub token", or None."""
    match = _compiled(_KEY).search(text)
    if match is not None:
        return list(_KEYS)[(match.lastindex or 1) - 1]
    # One search for each pattern is faster than one for all of them.
    found = next((kind for kind, pattern in {**_TEXTS, **_NAMED}.items() if _compiled(pattern).search(text)), None)
    return "an AWS secret key" if found is None and _compiled(_SETTING).search(text) else found


def redact(text: str) -> str:
    """Returns the text with `***` in place of every credential in it."""
    for pattern in (_KEY, *_TEXTS.values()):
        text = _compiled(pattern).sub("***", text)
    for pattern in _NAMED.values():
        text = _compiled(pattern).sub(r"\1***", text)
    return text


def redact_suspects(text: str) -> str:
    """Returns the text with `***` in place of everything that could be a credential, or a part of one.

    For what a service says about a key. It also removes long identifiers and paths.
    """
    return _compiled(_SUSPECT).sub("***", redact(text))


# A name is judged by its words, in capitals between underscores: `dbPassword` as `_DB_PASSWORD_`, but `COMPASS` as one.
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_NAME: Final = re.compile(
    r"_(?:BEARER|COOKIES?|CRED(?:ENTIAL)?S?|DSN|PASSCODE|PASSKEY|PWD|SECRETS?"
    r"|[A-Z]*(?:APIKEY|DBPASS|DBPWD|PASSPHRASE|PASSWD|PASSWORDS?|SECRET|SSHPASS|TOKEN)"
    # These as the last word only: `REDIS_AUTH`, but not `AUTH_USER`; `DB_PASS`, but not `PASS_RATE`.
    r"|(?:AUTH|AUTHORIZATION|JWT|PASS)(?=_$)"
    # Other keys, such as `SORT_KEY`, are plain.
    r"|(?:ACCESS|ACCOUNT|AES|ANTHROPIC|API|AUTH|AZURE|CRYPTO|DECRYPTION|DEPLOY|ENCRYPTION|FERNET|GPG|HMAC|JWT|LICENSE"
    r"|MASTER|OPENAI|PRIVATE|RSA|SAS|SECRET|SENDGRID|SERVICE|SESSION|SHARED|SIGNATURE|SIGNING|SSH|SSL|STORAGE|STRIPE"
    r"|SUBSCRIPTION|TLS|TWILIO)_KEY"
    r"|(?:ACCESS|API|REFRESH)_TOKENS|CONN(?:ECTION)?_STR(?:ING)?)_"
)
# Words of language models, of algorithms and of filters.
_PLAIN_WORDS: Final = re.compile(
    r"_(?:(?:BOS|CLS|END|EOS|MASK|NEXT|PAD|PER|SEP|SPECIAL|START|STOP|UNK)_TOKEN"
    r"|(?:ALL|BAND|BY|EACH|FIRST|HIGH|LOW|MULTI|ONE|PER|SECOND|SINGLE|TWO)_PASS)(?=_)"
)
# A name that ends with one of these is about a credential and does not hold it: `PASSWORD_FILE`, `AUTH_MODE`.
_ABOUT: Final = re.compile(
    r"_(?:ALGORITHM|AUDIENCE|COLUMN|COUNT|DAYS|DIR|DOMAIN|ENABLED|ENDPOINT|EXPIRY|FIELD|FILE|FORMAT|HEADER|HOST|ISSUER"
    r"|LEN|LENGTH|LIMIT|MAX|METHOD|MIN|MODE|NAME|PATH|POLICY|PORT|PROVIDER|RATE|REQUIRED|SECONDS|SECURE|SERVER|SIZE"
    r"|THRESHOLD|TIMEOUT|TTL|TYPE|URI|URL|VERSION)_$"
)


def names_credential(name: str) -> bool:
    """Returns whether a variable or field of this name seems to hold a credential."""
    words = "_".join(["", *_WORD.findall(name), ""]).upper()
    return _ABOUT.search(words) is None and _SECRET_NAME.search(_PLAIN_WORDS.sub("", words)) is not None
