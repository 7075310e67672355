"""The command line offers what the wire format knows: all choices of options, and all types of results."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, get_args, get_type_hints

import pytest

from raylane.cli import render
from raylane.cli.app import run_app
from raylane.cli.render import RENDERERS
from raylane.cli.terminal import Terminal
from raylane_common.wire import kinds
from raylane_common.wire.base import OpaqueResult
from raylane_common.wire.kinds import KINDS
from raylane_common.wire.names import GeneratorName, JobKind, JobStatus, Priority

if TYPE_CHECKING:
    from collections.abc import Iterable

# Several lanes have the same checks.
RESULTS = list(dict.fromkeys(result for kind in KINDS.values() for result in kind.results))


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("jobs --kind", JobKind),
        ("jobs --kind", KINDS),
        ("dead list --kind", JobKind),
        ("jobs --state", JobStatus),
        ("generate prompt --generator", GeneratorName),
        ("run file prompt --generator", GeneratorName),
        ("generate prompt --priority", Priority),
    ],
)
def test_an_option_offers_every_name_of_the_wire_format(
    command: str, names: Iterable[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app([*command.split(), "no-such-name", "--json"]) == 2
    message = json.loads(capsys.readouterr().out)["message"]
    assert re.findall("'([a-z]+)'", message.partition(" is not one of ")[2]) == [str(name) for name in names]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.__name__)
def test_every_result_has_a_function_that_prints_it(result: type) -> None:
    renderer = RENDERERS[result.__name__]
    taken = get_type_hints(renderer, vars(inspect.getmodule(renderer)) | vars(kinds) | {"Terminal": Terminal})["result"]
    assert taken is result


def test_nothing_else_is_registered() -> None:
    assert sorted(RENDERERS) == sorted(result.__name__ for result in RESULTS)
    assert set(get_args(kinds.KnownResult)) == set(RESULTS)
    assert OpaqueResult.__name__ not in RENDERERS


async def test_a_result_of_a_newer_version_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(OpaqueResult.model_validate({"type": "upload", "parts": 3}), Terminal(as_json=False))
    assert capsys.readouterr().out == '{"type":"upload","parts":3}\n'
