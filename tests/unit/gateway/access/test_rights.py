"""Who may do what: every endpoint, every kind of caller, the caller's own session and one of others."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.rights import Right
from raylane.gateway.app import create_app
from raylane.gateway.context import Gateway
from raylane.testing import MemoryProducer
from raylane_common.settings import Settings
from tests.helpers.gateways import write_callers
from tests.helpers.issuers import AUDIENCE, ISSUER, claims, issuer, signed
from tests.unit.gateway.access.rights_of_routes import CASES, Case, Of
from tests.unit.producer.samples import GENERATED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from fastapi import FastAPI
    from starlette.routing import BaseRoute

    from tests.helpers.servers import Background

ASK, READ, OPERATE = Right.ASK, Right.READ, Right.OPERATE
OWN, FOREIGN = "ada-1", "bob-1"
HOURS_AGO = int(time.time()) - 7200


class Holder(NamedTuple):
    """A token and what its holder may do; without rights and sessions, it is no token of the gateway."""

    token: str | None
    rights: tuple[Right, ...] | None = None
    sessions: tuple[str, ...] = ()

    def may(self, rights: Iterable[Right], session_id: str) -> bool:
        return set(rights) <= set(self.rights or ()) and session_id.startswith(self.sessions)


HOLDERS = {
    "no token": Holder(None),
    "a wrong token": Holder("wrong"),
    "an expired token": Holder("expired-token"),
    "an expired JWT": Holder(signed(claims(exp=HOURS_AGO))),
    "a JWT of another issuer": Holder(signed(claims(iss="https://other.example"))),
    "a JWT without rights": Holder(signed(claims(raylane_rights=None, raylane_sessions=None)), ()),
    "a JWT that may ask and read": Holder(signed(claims()), (ASK, READ), ("ada-",)),
    "may only ask": Holder("asker-token", (ASK,), ("ada-",)),
    "may only read": Holder("reader-token", (READ,), ("ada-",)),
    "may ask and read": Holder("both-token", (ASK, READ), ("ada-",)),
    "may only operate": Holder("operator-token", (OPERATE,)),
    "of another session": Holder("other-token", (ASK, READ), ("bob-",)),
    "may do everything": Holder("all-token", (ASK, READ, OPERATE), ("",)),
}


@pytest.fixture(scope="module")
def settings(background: Background, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    written = {
        holder.token.removesuffix("-token"): {
            "rights": list(holder.rights),
            "sessions": [prefix or "*" for prefix in holder.sessions],
        }
        for holder in HOLDERS.values()
        if holder.token is not None and holder.rights is not None and not holder.token.startswith("eyJ")
    }
    written["expired"] = {"rights": ["ask"], "sessions": ["*"], "expires": "2026-01-01T00:00:00Z"}
    path = tmp_path_factory.mktemp("rights") / "callers.json"
    return Settings.model_validate(
        {
            "gateway": {
                "tokens_file": write_callers(path, **written),
                "jwks_url": background.enter(issuer()).url,
                "jwt_issuer": ISSUER,
                "jwt_audience": AUDIENCE,
                "wait_timeout_s": 0.001,
                "failures_per_minute": 0,
                "requests_per_minute": 0,
                "audit_entries": 0,
            }
        }
    )


@pytest.fixture(scope="module")
def shared_app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
async def producer() -> AsyncIterator[MemoryProducer]:
    async with MemoryProducer() as opened:
        yield opened


@pytest.fixture
async def client(shared_app: FastAPI, settings: Settings, producer: MemoryProducer) -> AsyncIterator[httpx.AsyncClient]:
    shared_app.state.gateway = Gateway(settings, producer, Authentication(settings.gateway))
    transport = httpx.ASGITransport(shared_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.example") as opened:
        yield opened


@pytest.fixture
async def jobs(producer: MemoryProducer) -> dict[str, str]:
    """A job that has ended with an answer, for each session."""
    made = {}
    for session_id in (OWN, FOREIGN):
        job = await producer.generate("how warm?", session_id=session_id, execute=True)
        await producer.succeed(job.id, GENERATED)
        made[session_id] = job.id
    return made


def expected(case: Case, holder: Holder, session_id: str) -> int:
    """The status that the rules of decision 44 give."""
    if case.of is Of.ALL:
        return case.status
    if holder.rights is None:
        return 401
    is_operator = OPERATE in holder.rights
    match case.of:
        case Of.CALLERS:
            return case.status
        case Of.OPERATORS:
            return case.status if is_operator else 403
        case Of.SESSION:
            return case.status if holder.may(case.rights, session_id) else 403
        case Of.RUN if is_operator:
            return case.status
        case _:
            if holder.may(case.rights, session_id):
                return case.status
            may_know = holder.may((READ,), session_id) or holder.may(case.rights[:1], session_id)
            return 403 if may_know else 404


async def send(client: httpx.AsyncClient, case: Case, holder: Holder, session_id: str, job_id: str) -> httpx.Response:
    def filled(text: str) -> str:
        return text.replace("{session}", session_id).replace("{job}", job_id)

    headers = dict(case.headers)
    if holder.token is not None:
        headers["Authorization"] = f"Bearer {holder.token}"
    more: dict[str, Any] = {}
    if case.body is not None:
        more["json"] = json.loads(filled(json.dumps(case.body)))
    elif case.method == "PUT":
        more["content"] = b"a\n1\n"
    return await client.request(case.method, filled(case.path), headers=headers, **more)


@pytest.mark.parametrize("name", HOLDERS)
async def test_each_caller_may_do_what_its_rights_say_in_its_sessions_and_nothing_else(
    client: httpx.AsyncClient, producer: MemoryProducer, jobs: dict[str, str], name: str
) -> None:
    holder, wrong = HOLDERS[name], []
    # Whoever has no right token is refused for every session alike.
    tried = jobs if holder.rights is not None else {OWN: jobs[OWN]}
    for case in CASES:
        for session_id, job_id in tried.items():
            answer = await send(client, case, holder, session_id, job_id)
            if answer.status_code != expected(case, holder, session_id):
                found = f"{answer.status_code} and not {expected(case, holder, session_id)}: {answer.text[:120]}"
                wrong.append(f"{case.method} {case.path} in {session_id}: {found}")
    assert wrong == []


def endpoints(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """All endpoints of an app, also those of routers that it includes."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from endpoints(included.routes)
        else:
            methods = getattr(route, "methods", None) or {"any method"}
            yield from ((method, getattr(route, "path", repr(route))) for method in methods - {"HEAD"})


def test_the_table_has_every_endpoint_of_the_app(shared_app: FastAPI) -> None:
    assert sorted(set(endpoints(shared_app.routes))) == sorted({case.endpoint for case in CASES})


@pytest.mark.parametrize("name", ["may ask and read", "may only ask", "may only operate", "a JWT without rights"])
async def test_a_job_of_others_cannot_be_told_from_one_that_does_not_exist(
    client: httpx.AsyncClient, jobs: dict[str, str], name: str
) -> None:
    holder, unknown = HOLDERS[name], "0" * 32
    compared = 0
    for case in CASES:
        if case.of not in (Of.JOB, Of.RUN) or expected(case, holder, FOREIGN) != 404:
            continue
        foreign = await send(client, case, holder, FOREIGN, jobs[FOREIGN])
        missing = await send(client, case, holder, FOREIGN, unknown)
        assert _seen(foreign, jobs[FOREIGN]) == _seen(missing, unknown), case
        compared += 1
    assert compared >= 8


def _seen(answer: httpx.Response, job_id: str) -> tuple[int, str, list[tuple[str, str]]]:
    """All that a caller sees of an answer, without the job's id and the number of the request."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name != "x-request-id"]
    return answer.status_code, answer.text.replace(job_id, "ID"), headers


@pytest.mark.parametrize(
    ("field", "code"), [("after", "invalid_request"), ("continues", "job_not_found")], ids=["after", "continues"]
)
async def test_a_new_job_cannot_name_a_job_of_others(
    client: httpx.AsyncClient, jobs: dict[str, str], field: str, code: str
) -> None:
    holder, unknown = HOLDERS["may ask and read"], "0" * 32

    def case(job_id: str) -> Case:
        request = {"prompt": "count"} | ({"continues": job_id} if field == "continues" else {})
        options = {"after": [job_id]} if field == "after" else {}
        return Case(
            "POST", "/v1/jobs", Of.SESSION, body={"kind": "generate", "session_id": OWN, "request": request} | options
        )

    foreign = await send(client, case(jobs[FOREIGN]), holder, OWN, "")
    missing = await send(client, case(unknown), holder, OWN, "")
    own = await send(client, case(jobs[OWN]), holder, OWN, "")
    assert foreign.json()["code"] == code
    assert _seen(foreign, jobs[FOREIGN]) == _seen(missing, unknown)
    assert own.status_code == 202


@pytest.mark.parametrize("way", ["an idempotency key", "a unique key"])
async def test_names_that_clients_choose_lead_to_no_job_of_others(
    client: httpx.AsyncClient, producer: MemoryProducer, way: str
) -> None:
    case = next(case for case in CASES if case.endpoint == ("POST", "/v1/jobs") and case.of is Of.SESSION)
    if way == "a unique key":
        case = replace(case, body=case.body | {"unique": "k"})
    else:
        case = replace(case, headers={"Idempotency-Key": "k"})
    ids = {}
    for name, session_id in (("may ask and read", OWN), ("of another session", FOREIGN)):
        ids[session_id] = (await send(client, case, HOLDERS[name], session_id, "")).json()["id"]
        assert (await send(client, case, HOLDERS[name], session_id, "")).json()["id"] == ids[session_id]
    assert ids[OWN] != ids[FOREIGN]
    assert {session_id: (await producer.record(job_id)).session_id for session_id, job_id in ids.items()} == {
        session_id: session_id for session_id in ids
    }


async def test_an_id_that_a_producer_chose_does_not_tell_others_that_it_exists(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    holder = HOLDERS["may ask and read"]
    await producer.generate("count", session_id=FOREIGN, job_id="monthly-report")
    seen = []
    for job_id in ("monthly-report", "monthly-nothing"):
        case = Case("GET", "/v1/jobs/{job}", Of.JOB, (READ,))
        answer = await send(client, case, holder, FOREIGN, job_id)
        seen.append((answer.status_code, answer.text.replace(job_id, "ID")))
    assert seen[0] == seen[1]


async def test_a_cursor_of_another_list_shows_nothing_of_it(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    for session_id in (OWN, FOREIGN, OWN, FOREIGN):
        await producer.generate("count", session_id=session_id)
    everything = Case("GET", "/v1/jobs?limit=1", Of.OPERATORS)
    cursor = (await send(client, everything, HOLDERS["may do everything"], OWN, "")).json()["next_cursor"]
    mine = Case("GET", f"/v1/jobs?session_id={{session}}&cursor={cursor}", Of.SESSION)
    page = await send(client, mine, HOLDERS["may ask and read"], OWN, "")
    assert (page.status_code, page.json()["details"]) == (422, {"field": "cursor"})
    assert (await send(client, mine, HOLDERS["may ask and read"], FOREIGN, "")).status_code == 403


async def test_an_unreadable_record_of_others_is_one_that_does_not_exist(
    client: httpx.AsyncClient, producer: MemoryProducer, jobs: dict[str, str]
) -> None:
    redis = producer._backend.redis
    await redis.hset(f"raylane:job:{jobs[FOREIGN]}", "status", "garbage")  # type: ignore[misc]  # sync/async union
    case = Case("GET", "/v1/jobs/{job}", Of.JOB, (READ,))
    answer = await send(client, case, HOLDERS["may ask and read"], FOREIGN, jobs[FOREIGN])
    assert answer.json()["code"] == "job_not_found"
