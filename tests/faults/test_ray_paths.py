"""Every fault of the path to the private address, with every kind of call of the Ray client.

The path is broken from the start (`cold`), or the fault begins after the address has worked (`warm`). The tables have
the outcome of the call, the requests that reach the private and the public address, and the states of both afterwards.
Each case also checks that a submission is one run, that each change of a state is one line of the log, that no token
reaches another server, and that nothing is left open after `aclose()`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from raylane.testing import Break
from raylane_common.errors import RayUnreachable
from raylane_common.ray import client, rounds, submission, tail
from raylane_worker.embedded import HOST
from tests.faults.ray_faults import (
    BLACK_HOLE,
    COMPRESSED,
    HTTP_204,
    HTTP_401,
    HTTP_403,
    HTTP_404,
    HTTP_407,
    HTTP_429,
    HTTP_500,
    HTTP_503,
    LOGIN,
    NEVER_ANSWERS,
    NO_TLS,
    PAGE,
    REDIRECT,
    REFUSED,
    RESET_IN_BODY,
    SLOW_HEADERS,
    UNTRUSTED,
    WRONG_CLUSTER,
    Certificates,
    Fault,
    Lab,
    Operation,
    Phase,
    Seen,
)
from tests.faults.ray_rig import JOB, rigged
from tests.helpers.tls import an_authority
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

OPERATIONS: Final[tuple[Operation, ...]] = ("job", "stop", "logs", "submit", "follow", "tail")
DONE: Final[dict[Operation, str]] = {
    "job": "public",
    "stop": "stopped",
    "logs": "public",
    "submit": "public",
    "follow": "all",
    "tail": "all",
}
UNREACHABLE: Final = dict.fromkeys(OPERATIONS, "ray_unreachable")
UNKNOWN: Final = UNREACHABLE | {"submit": "submit_outcome_unknown"}
AT_THE_STRANGERS: Final = dict.fromkeys(OPERATIONS, "run_not_found") | {"submit": "private"}
SENT_TO_STRANGERS: Final = DONE | {"submit": "private"}


@dataclass(frozen=True)
class Row:
    """`ask` is for job, stop and logs, whose own request is `*`. Requests that depend on timing are left empty.

    Following a short log is what following a long one is, without the websocket.
    """

    ask: str
    submit: str = ""
    tail: str = ""
    outcome: Mapping[Operation, str] = field(default_factory=lambda: DONE)
    states: str = "down up"
    states_after_submit: str = ""

    def check(self, seen: Seen, operation: Operation) -> None:
        asked = self.ask.replace("*", operation)
        follow = self.tail.replace(" tail job logs", " logs")
        by_operation = {"submit": self.submit, "follow": follow, "tail": self.tail}
        reached = by_operation.get(operation, asked) or seen.reached
        states = self.states_after_submit if operation == "submit" and self.states_after_submit else self.states
        assert seen == Seen(self.outcome[operation], reached, states)


FOLLOWED: Final = "version job tail job logs"

# A path that is broken from the start is found by the probe that the first call waits for.
NOT_REACHED: Final = Row("- | version *", "- | version submit", f"- | {FOLLOWED}")
PROBED: Final = Row("version | version *", "version | version submit", f"version | {FOLLOWED}")
# A path that has worked is probed as soon as an answer is late. A submission is looked up before it is sent again.
DOUBTED: Final = Row("* version | version *", "submit version | version look submit", f"job version | {FOLLOWED}")
LOST: Final = Row("- | version *", "- | version look submit", f"- | {FOLLOWED}")
# A 502 or a reset may be Ray's own failure, so the address stays up until another one has answered.
NO_GATE: Final = Row("* | version *", "submit look | version look submit", f"job | {FOLLOWED}")
HALF_ANSWERED: Final = Row(
    "* | version *", "submit look | version look", f"job | {FOLLOWED}", DONE | {"stop": "had ended"}
)
NOT_RAY: Final = Row("* | version *", "submit | version look submit", f"job | {FOLLOWED}")
# The first cluster that answers is ours, and its address is not probed again for ten seconds, unless a run is gone.
PINNED: Final = Row("version * | -", "version submit | -", "version job | -", AT_THE_STRANGERS, "up unknown")
BELIEVED: Final = Row(
    "* version | version version *", "submit | -", "", SENT_TO_STRANGERS, states_after_submit="up unknown"
)

TABLE: Final[dict[tuple[Fault, Phase], Row]] = {
    (REFUSED, "cold"): NOT_REACHED,
    (REFUSED, "warm"): NOT_REACHED,
    (BLACK_HOLE, "cold"): NOT_REACHED,
    (BLACK_HOLE, "warm"): LOST,
    (NEVER_ANSWERS, "cold"): PROBED,
    (NEVER_ANSWERS, "warm"): DOUBTED,
    (HTTP_503, "cold"): PROBED,
    (HTTP_503, "warm"): NO_GATE,
    (RESET_IN_BODY, "cold"): PROBED,
    (RESET_IN_BODY, "warm"): HALF_ANSWERED,
    (SLOW_HEADERS, "cold"): PROBED,
    (SLOW_HEADERS, "warm"): DOUBTED,
    (PAGE, "cold"): PROBED,
    (PAGE, "warm"): NOT_RAY,
    (REDIRECT, "cold"): PROBED,
    (REDIRECT, "warm"): NOT_RAY,
    (HTTP_401, "cold"): PROBED,
    (HTTP_404, "cold"): PROBED,
    (HTTP_204, "warm"): NOT_RAY,
    (HTTP_401, "warm"): NOT_RAY,
    (HTTP_403, "warm"): NOT_RAY,
    (HTTP_404, "warm"): NOT_RAY,
    (HTTP_407, "warm"): NOT_RAY,
    (LOGIN, "warm"): NOT_RAY,
    (COMPRESSED, "warm"): NOT_RAY,
    (HTTP_429, "warm"): NO_GATE,
    (HTTP_500, "warm"): NO_GATE,
    (WRONG_CLUSTER, "cold"): PINNED,
    (WRONG_CLUSTER, "warm"): BELIEVED,
    (UNTRUSTED, "cold"): NOT_REACHED,
    (UNTRUSTED, "warm"): NOT_REACHED,
    (NO_TLS, "cold"): NOT_REACHED,
    (NO_TLS, "warm"): NOT_REACHED,
}


# The same fault at both addresses. If the time runs out, the last requests depend on how much was left.
COLD_UP: Final = "unknown unknown"
WARM_UP: Final = "up unknown"
BOTH: Final[dict[tuple[Fault, Phase], Row]] = {
    (REFUSED, "cold"): Row("- | -", "- | -", "- | -", UNREACHABLE, "down down"),
    (REFUSED, "warm"): Row("- | -", "- | -", "- | -", UNREACHABLE, "down down"),
    (BLACK_HOLE, "cold"): Row("- | -", "- | -", "- | -", UNREACHABLE, "down down"),
    (BLACK_HOLE, "warm"): Row("- | -", "- | -", "- | -", UNKNOWN, "down down"),
    (NEVER_ANSWERS, "cold"): Row("version | version", "version | version", "", UNREACHABLE, COLD_UP),
    (NEVER_ANSWERS, "warm"): Row("", "", "", UNKNOWN, WARM_UP),
    (HTTP_503, "cold"): Row("version | version", "version | version", "", UNREACHABLE, COLD_UP),
    (HTTP_503, "warm"): Row("* | version", "", "", UNKNOWN, WARM_UP),
    (RESET_IN_BODY, "cold"): Row("version | version", "version | version", "", UNREACHABLE, COLD_UP),
    (RESET_IN_BODY, "warm"): Row("* | version", "", "", UNKNOWN, WARM_UP),
    (PAGE, "cold"): Row("version | version", "version | version", "", UNREACHABLE, "down down"),
    (PAGE, "warm"): Row("* | version", "", "", UNKNOWN, "down down"),
    (REDIRECT, "cold"): Row("version | version", "version | version", "", UNREACHABLE, "down down"),
    (REDIRECT, "warm"): Row("* | version", "", "", UNKNOWN, "down down"),
    (HTTP_401, "cold"): Row("version | version", "version | version", "", UNREACHABLE, "down down"),
    (HTTP_404, "warm"): Row("* | version", "", "", UNKNOWN, "down down"),
    (HTTP_429, "warm"): Row("* | version", "", "", UNKNOWN, WARM_UP),
    (UNTRUSTED, "cold"): Row("- | -", "- | -", "- | -", UNREACHABLE, "down down"),
    (UNTRUSTED, "warm"): Row("- | -", "- | -", "- | -", UNREACHABLE, "down down"),
    (NO_TLS, "cold"): Row("- | -", "- | -", "- | -", UNREACHABLE, "down down"),
    (NO_TLS, "warm"): Row("- | -", "- | -", "- | -", UNREACHABLE, "down down"),
}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> None:
    """Replaces the check of the queue, which these tests do not use."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (submission, tail):
        monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    trusted, unknown = (an_authority(tmp_path_factory.mktemp(name), name) for name in ("trusted", "unknown"))
    return Certificates(trusted.file, trusted.sign(HOST), unknown.sign(HOST))


@pytest.fixture
def lab(certificates: Certificates, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(certificates, caplog, monkeypatch)


def named(part: object) -> str:
    return part.name if isinstance(part, Fault) else str(part)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("fault", "phase"), TABLE, ids=named)
def test_a_broken_private_path_fails_no_call(lab: Lab, fault: Fault, phase: Phase, operation: Operation) -> None:
    TABLE[fault, phase].check(lab.run(fault, phase, operation), operation)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("fault", "phase"), BOTH, ids=named)
def test_when_both_paths_are_broken_the_error_says_what_is_certain(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, fault: Fault, phase: Phase, operation: Operation
) -> None:
    monkeypatch.setattr(client, "MAX_OUTAGE_S", 0.2)
    monkeypatch.setattr(rounds, "_PAUSES_S", ())
    # Only a silent fault takes all of the time. The others end a call at once, so a long limit costs nothing.
    timeouts = {"request_timeout_s": 1.5 if fault.is_silent else 5.0, "submit_timeout_s": 2.0}
    if fault is BLACK_HOLE:
        timeouts["connect_timeout_s"] = 0.5
    seen = lab.run(fault, phase, operation, on_both=True, **timeouts)
    BOTH[fault, phase].check(seen, operation)


async def test_another_cluster_at_the_private_address_gets_only_probes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rigged(reprobe_min_s=0.02, reprobe_max_s=0.05) as rig:
        rig.private.address.break_with(Break.UNAVAILABLE)
        assert await rig.job() == "public"
        rig.forget()
        rig.private.lead_to(rig.stranger)
        rig.private.cut()
        await until(lambda: len(rig.stranger.requests) >= 4)
        assert [await rig.job(), await rig.stop(), await rig.logs(), await rig.submit()] == [
            "public",
            "stopped",
            "public",
            "public",
        ]
        assert rig.states == "down up"
        # Also when no other address is left.
        await rig.public.refuse()
        rig.public.cut()
        with pytest.raises(RayUnreachable, match="WrongCluster"):
            await rig.job()
        assert set(rig.stranger.requests) == {"GET /api/version"}
    assert (rig.stranger.ray.submissions, rig.ray.submissions) == (0, 1)
    ours = [record.levelname for record in caplog.records if record.name == "raylane.ray"]
    assert ours == ["WARNING", "ERROR", "WARNING"], "the broken path, the other cluster, the second path"


async def test_a_stop_whose_answer_is_lost_counts_as_stopped() -> None:
    async with rigged(poll_interval_s=0.05) as rig:
        rig.private.address.break_with(Break.CUT_AFTER, only="POST")
        stop = await rig.client.stop(JOB)
        assert stop.run.status == "STOPPED"
        assert stop.stopped, "it ran until it was asked"
