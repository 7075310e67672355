"""The examples in docstrings run as they are printed, against `MemoryProducer` or `FakeRay`."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final

import pytest

import raylane
import raylane.ray
from raylane.cluster import ClusterActions
from raylane.given_files import new_upload
from raylane.handle import JobHandle
from raylane.job_actions import JobActions
from raylane.operator import OperatorActions
from raylane.options import new_job
from raylane.producer import Producer
from raylane.ray import RayClient, RaySettings
from raylane.settings import SettingsActions
from raylane.tables import TableActions
from raylane.testing import Address, FakeRay, MemoryProducer
from raylane_common.errors import StorageUnavailable
from raylane_common.ray.models import RayRun, RayVersion, RunStatus
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.ray import RayStatusResult, RayStopResult, RaySubmitResult
from raylane_common.wire.tables import (
    DatabasesResult,
    DeselectedTablesResult,
    SelectedTablesResult,
    TableRef,
    TablesResult,
    TableSummary,
)
from raylane_common.wire.upload import PurgeResult
from tests.unit.producer.samples import COLUMNS, CSV, CSV_BYTES, GENERATED, PREVIEWED, RUN, TABLE, UPLOADED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from raylane_common.errors import RaylaneError
    from raylane_common.wire.jobs import NewJob
    from raylane_common.wire.kinds import Result

SHOWN: Final = (
    *(Producer, JobActions, JobHandle, TableActions, ClusterActions, OperatorActions, SettingsActions),
    *(new_job, new_upload),
)
# What a service calls daily.
NEEDED: Final = (
    *(Producer.upload, Producer.upload_bytes, Producer.generate, Producer.enqueue_many),
    *(Producer.follow, Producer.wait, Producer.result, Producer.record, Producer.cancel, Producer.requeue),
    *(Producer.sources, Producer.restore, Producer.rerun, Producer.history, Producer.reset),
    *(JobHandle.result, JobHandle.wait, JobHandle.follow, JobHandle.cancel, JobHandle.record),
    *(RayClient.submit, RayClient.wait, RayClient.follow_logs),
)
_BLOCK: Final = re.compile(r"^Example:\n((?: {4}.*\n?|\n)+)", re.MULTILINE)

_RESULTS: Final[dict[str, Result]] = {
    "PurgeRequest": PurgeResult(sources=1, objects=2, bytes=2048, uploads=0),
    "UploadRequest": UPLOADED,
    "PreviewRequest": PREVIEWED,
    "ListDatabasesRequest": DatabasesResult(databases=("shop",)),
    "ListTablesRequest": TablesResult(
        tables=(TableSummary(database="shop", table="orders", location=None, columns=COLUMNS, supported=True),)
    ),
    "SelectTablesRequest": SelectedTablesResult(sources=(TABLE,)),
    "DeselectTablesRequest": DeselectedTablesResult(tables=(TableRef(database="shop", table="items"),)),
    "GenerateRequest": GENERATED.model_copy(update={"run": None}),
    "RayStatusRequest": RayStatusResult(version=RayVersion(ray_version="2.60.0"), endpoint="private", endpoints=()),
    "RayStopRequest": RayStopResult(stopped=True, run=RayRun(submission_id="rl-1", status=RunStatus.STOPPED)),
    "RaySubmitRequest": RaySubmitResult(run=RUN),
}


def example_of(shown: Callable[..., object]) -> str | None:
    """The code of the example in a docstring; None if it has none."""
    found = _BLOCK.search(inspect.getdoc(shown) or "")
    return found and textwrap.dedent(found[1])


def shown_functions(*places: Callable[..., object]) -> dict[str, FunctionType]:
    """The functions and methods whose examples are run, by qualified name."""
    found: list[FunctionType] = []
    for shown in places:
        found += (
            [shown]
            if isinstance(shown, FunctionType)
            else [member for member in vars(shown).values() if isinstance(member, FunctionType)]
        )
    return {function.__qualname__: function for function in found}


def examples_of(*places: Callable[..., object]) -> dict[str, str]:
    """The examples of these, by qualified name."""
    return {name: code for name, shown in shown_functions(*places).items() if (code := example_of(shown))}


EXAMPLES: Final = examples_of(*SHOWN)
RAY_EXAMPLES: Final = examples_of(RayClient)


@pytest.mark.parametrize("function", NEEDED, ids=lambda function: function.__qualname__)
def test_what_a_service_calls_daily_has_an_example(function: Callable[..., object]) -> None:
    assert function.__qualname__ in EXAMPLES | RAY_EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYLANE_RAY__ALLOWED_HOSTS", '["10.0.0.5", "ray.example.org"]')
    (tmp_path / "sales.csv").write_bytes(CSV_BYTES)
    async with MemoryProducer(answer_for_examples) as producer:
        await producer.put_sources("ada", CSV, TABLE)
        await producer.tables.databases(job_id="dead")
        await producer.settings.set("ray.private_url", "http://10.0.0.5:8265")
        names = {public: getattr(raylane, public) for public in raylane.__all__}
        names |= {"producer": producer, "data": CSV_BYTES.decode()}
        await run_example(EXAMPLES[name], names)


@pytest.mark.parametrize("name", RAY_EXAMPLES)
async def test_an_example_of_the_ray_client_runs(name: str) -> None:
    ray = FakeRay()
    # Runs last for as long as it takes to submit them.
    ray.on_start = ray.end
    async with Address(ray) as address, RayClient(RaySettings(private_url=address.url)) as client:
        names = {public: getattr(raylane.ray, public) for public in raylane.ray.__all__}
        await run_example(RAY_EXAMPLES[name], names | {"client": client})
    assert list(ray.jobs) == ["report-7"]


async def run_example(example: str, names: dict[str, Any]) -> None:
    code: CodeType = compile(example, "<example>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running: Any = eval(code, names)
    if running is not None:  # it awaits something
        await running


def answer_for_examples(job: NewJob) -> Result | RaylaneError | None:
    if job.id == "dead":
        return StorageUnavailable("S3 did not answer")
    if isinstance(job.request, GenerateRequest) and job.request.execute:
        return GENERATED
    return _RESULTS[type(job.request).__name__]
