"""Results of jobs for tests, and the record of a job that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.testing.factories.answers import make_answer
from raylane.testing.factories.made import made
from raylane.testing.factories.sources import make_columns, make_source, make_table_source, s3_uri
from raylane_common.ray.models import Run, RunStatus
from raylane_common.wire.base import JobKind
from raylane_common.wire.generate import CodeVersion, GenerateResult
from raylane_common.wire.jobs import WIRE_VERSION, JobRecord, JobStatus
from raylane_common.wire.kinds import KINDS
from raylane_common.wire.names import Engine, GeneratorName
from raylane_common.wire.ray import RaySubmitResult
from raylane_common.wire.tables import DatabasesResult, SelectedTablesResult
from raylane_common.wire.upload import PreviewResult, UploadResult

if TYPE_CHECKING:
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource

_CODE: Final = """\
from raylane_run import answer, read

sales = read("s3://raylane/sessions/ada/csv/sales.csv")
answer.table(sales.groupby("region", dropna=False)["amount"].sum().reset_index(name="sum(amount)"))
"""
_PREVIEW: Final = (("EU", "3.5"), ("US", "7.25"))
# 2026-01-01, so that no test depends on the clock.
_STARTED_MS: Final = 1_767_225_600_000


def make_upload_result(filename: str = "sales.csv", *, session_id: str = "ada", **fields: object) -> UploadResult:
    """Returns the result of an upload. `fields` are those of `UploadResult`. Raises `InvalidRequest` for a wrong one.

    Example:
        upload = await producer.upload_bytes(data, filename="sales.csv", session_id="ada")
        await producer.succeed(upload.id, make_upload_result(rows=1))
        print(await producer.sources("ada"))
    """
    defaults = {
        "s3_uri": s3_uri(session_id, filename),
        "bucket": "raylane",
        "key": s3_uri(session_id, filename).removeprefix("s3://raylane/"),
        "bytes": 42,
        "rows": 2,
        "columns": make_columns(),
        "preview": _PREVIEW,
    }
    return made(UploadResult, defaults, fields)


def make_preview_result(filename: str = "sales.csv", **fields: object) -> PreviewResult:
    """Returns the result of a preview. `fields` are those of `PreviewResult`."""
    defaults = {
        "filename": filename,
        "bytes": 42,
        "rows": 2,
        "reading": {},
        "columns": make_columns(),
        "preview": _PREVIEW,
    }
    return made(PreviewResult, defaults, fields)


def make_selected_result(*sources: AnySource) -> SelectedTablesResult:
    """Returns the result of a selection of tables: by default, of one."""
    return made(SelectedTablesResult, {"sources": sources or (make_table_source(),)}, {})


def make_databases_result(*names: str) -> DatabasesResult:
    """Returns the names of the catalog's databases: by default, `lake` and `shop`."""
    return made(DatabasesResult, {"databases": names or ("lake", "shop")}, {})


def make_run(**fields: object) -> Run:
    """Returns a run that succeeded after 1.3 s. `fields` are those of `Run`."""
    defaults = {
        "submission_id": "rl-job-1",
        "status": RunStatus.SUCCEEDED,
        "endpoint": "private",
        "exit_code": 0,
        "started_at_ms": _STARTED_MS,
        "ended_at_ms": _STARTED_MS + 1_300,
    }
    return made(Run, defaults, fields)


def make_generate_result(*, code: str = _CODE, **fields: object) -> GenerateResult:
    """Returns the result of a `generate` job: of one that ran its code, unless `run` is None.

    `fields` are those of `GenerateResult`; the version of the code follows from them. Raises `InvalidRequest` for a
    wrong one.

    Example:
        job = await producer.generate("sum of amount by region", session_id="ada", execute=True)
        await producer.succeed(job.id, make_generate_result(answer=make_answer(make_value("rows", 2))))
        print((await job.result()).answer.items)
    """
    run = fields.get("run", make_run())
    defaults = {
        "generator": GeneratorName.TEMPLATE,
        "engine": Engine.LOCAL,
        "answer": None if run is None else make_answer(),
        "code": code,
        "interpreted_as": "The sum of 'amount' for each 'region' in sales.csv",
        "sources_used": (make_source(),),
        "versions": (made(CodeVersion, {"number": 1, "code": code, "run": run}, {}),),
        "run": run,
    }
    return made(GenerateResult, defaults, fields)


def make_submit_result(**fields: object) -> RaySubmitResult:
    """Returns the result of `producer.cluster.submit`. `fields` are those of `RaySubmitResult`."""
    return made(RaySubmitResult, {"run": make_run(output_tail="done\\n")}, fields)


def make_record(result: Result | None = None, **fields: object) -> JobRecord:
    """Returns the record of a job that has succeeded with this result: by default, with that of `generate`.

    `fields` are those of `JobRecord`. Raises `InvalidRequest` for a wrong one.
    """
    result = make_generate_result() if result is None else result
    kind = next((kind for kind in JobKind if type(result) in KINDS[kind].results), JobKind.GENERATE)
    defaults = {
        "id": "job-1",
        "v": WIRE_VERSION,
        "kind": kind,
        "lane": KINDS[kind].lane,
        "session_id": "ada",
        "status": JobStatus.SUCCEEDED,
        "attempt": 1,
        "enqueued_at": _STARTED_MS - 200,
        "started_at": _STARTED_MS - 100,
        "finished_at": _STARTED_MS + 1_400,
        "payload": {"prompt": "sum of amount by region", "execute": True} if kind is JobKind.GENERATE else {},
        "what": "sum of amount by region" if kind is JobKind.GENERATE else "",
        "result": result,
    }
    return made(JobRecord, defaults, fields)
