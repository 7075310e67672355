"""`generate` jobs: code that answers a prompt from the session's sources, its versions, and its run.

See docs/decisions/0010 and 0011.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal, get_args

from pydantic import ConfigDict, Field

from raylane_common.limits import MAX_CODE_VERSIONS
from raylane_common.model import Model
from raylane_common.ray.models import Run
from raylane_common.rules import Code, JobId, Prompt
from raylane_common.wire.answer import Answer, AnswerColumn
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.checks import ChecksRequest, ChecksResult
from raylane_common.wire.names import Engine, GeneratorName
from raylane_common.wire.sources import AnySource, Partition

__all__ = [
    "Checkpoint",
    "CodeVersion",
    "Engine",
    "Finding",
    "GenerateChecksRequest",
    "GenerateRequest",
    "GenerateResult",
    "GeneratorName",
    "Predecessor",
    "Rerun",
    "Usage",
]

# What version 1 wrote before there were engines says nothing of it.
_ENGINE: Engine = Field(
    default=Engine.DISTRIBUTED,
    exclude_if=lambda engine: engine is Engine.DISTRIBUTED,
    description="Absent: distributed",
)


class Rerun(Model):
    """Code that is there already, to be verified and run: an earlier job's, perhaps changed since, or the caller's own.

    The other fields are what the earlier job knew about it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    job_id: JobId | None = Field(
        default=None,
        exclude_if=lambda job_id: job_id is None,
        description="The earlier job; absent if the caller wrote the code",
    )
    code: Code
    sources_used: tuple[AnySource, ...] = Field(min_length=1, description="The snapshot that the code reads")
    engine: Engine | None = Field(default=Engine.DISTRIBUTED, description="null: by the size of the sources")
    generator: GeneratorName
    model: str | None = None
    interpreted_as: str = ""


class Predecessor(Model):
    """The job that a follow-up continues: what was asked so far, and how it was answered."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    job_id: JobId
    prompts: tuple[Prompt, ...] = Field(
        min_length=1, max_length=20, description="The prompts so far, the first one first"
    )
    question: str = Field(default="", description="The whole question in one prompt, if templates wrote the code")
    code: Code
    sources_used: tuple[AnySource, ...] = Field(min_length=1, description="The snapshot that the code reads")
    interpreted_as: str = ""
    columns: tuple[AnswerColumn, ...] = Field(default=(), description="The columns of the answer's first table")


class GenerateRequest(BaseRequest):
    """Write code that answers the prompt from the session's sources; run it if `execute` is set.

    With `rerun`, the job verifies and runs that code, and writes none. With `continues`, it changes the question of an
    earlier job, and reads the snapshot of that job.
    """

    kind: ClassVar[JobKind] = JobKind.GENERATE

    # Left out of the JSON, because older workers know no action of this kind.
    action: Literal["generate"] = Field(default="generate", exclude=True)
    prompt: Prompt
    execute: bool = False
    generator: GeneratorName | None = Field(default=None, description="None: the worker's setting")
    max_versions: int = Field(
        default=MAX_CODE_VERSIONS,
        ge=1,
        le=MAX_CODE_VERSIONS,
        description="Maximum number of versions of the code that the job may write",
    )
    keep_sources: bool = Field(default=False, description="Leave the session's sources in place after the run")
    rerun: Rerun | None = Field(default=None, exclude_if=lambda rerun: rerun is None)
    engine: Engine | None = Field(
        default=None,
        exclude_if=lambda engine: engine is None,
        description="None: by the size of the sources",
    )
    chart: bool = Field(default=True, exclude_if=lambda chart: chart, description="Whether templates draw a chart")
    continues: Predecessor | None = Field(default=None, exclude_if=lambda continues: continues is None)


class Finding(Model):
    """One broken verification rule. `line` starts at 1; it is None if the finding is about the whole script."""

    rule: str
    message: str
    line: int | None = None


class CodeVersion(Model):
    """One version of a job's code, with its verification findings, and its run if there was one."""

    number: int
    code: str
    findings: tuple[Finding, ...] = ()
    run: Run | None = None
    doubt: str | None = Field(
        default=None,
        exclude_if=lambda doubt: doubt is None,
        description="Why the answer of a run that succeeded was not taken: it is missing, invalid or empty",
    )


class Usage(Model):
    """Tokens that all agents of the job used, as the model's service counts them."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


class Checkpoint(Model):
    """What a `generate` job has done and must not do again: read its sources, write versions, start a run.

    It is written before each next step, so that the job's next attempt continues from there.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    sources_used: tuple[AnySource, ...]
    engine: Engine = _ENGINE
    partitions: dict[str, tuple[Partition, ...]] = Field(
        default_factory=dict,
        exclude_if=lambda partitions: not partitions,
        description="The registered partitions of each table that has partition keys, by the name of the table",
    )
    table_bytes: dict[str, int | None] = Field(
        default_factory=dict,
        exclude_if=lambda table_bytes: not table_bytes,
        description="About how many bytes a run reads of each table, by its name; null: too many, or unknown",
    )
    generator: GeneratorName
    model: str | None = None
    interpreted_as: str = ""
    question: str = Field(default="", exclude_if=lambda question: not question)
    versions: tuple[CodeVersion, ...] = ()
    usage: Usage | None = None
    answer: Answer | None = Field(
        default=None, exclude_if=lambda answer: answer is None, description="That of the last version's run"
    )


class GenerateResult(BaseResult):
    """The answer, the code that found it, how the prompt was read, and the run if it was executed."""

    type: Literal["generate"] = "generate"
    generator: GeneratorName
    model: str | None = Field(default=None, description="`provider:model_id`; None for the template generator")
    engine: Engine = _ENGINE
    answer: Answer | None = Field(
        default=None, exclude_if=lambda answer: answer is None, description="What the run found; None if there was none"
    )
    code: str
    interpreted_as: str
    question: str = Field(
        default="",
        exclude_if=lambda question: not question,
        description="The whole question in one prompt, if templates wrote the code",
    )
    sources_used: tuple[AnySource, ...]
    versions: tuple[CodeVersion, ...]
    usage: Usage | None = None
    run: Run | None = None


class GenerateChecksRequest(ChecksRequest):
    """Look at the model, S3, the catalog and the addresses of Ray."""

    kind: ClassVar[JobKind] = JobKind.GENERATE


AnyGenerateRequest = GenerateRequest | GenerateChecksRequest
AnyGenerateResult = GenerateResult | ChecksResult


def _describe(payload: Payload) -> str:
    prompt, rerun = text(payload, "prompt"), payload.get("rerun")
    earlier = text(rerun, "job_id") if isinstance(rerun, dict) else ""
    return f"{prompt} (again, as in {earlier})" if earlier else prompt


KIND: Final = Kind(
    name=JobKind.GENERATE,
    lane=Lane.GENERATE,
    requests=get_args(AnyGenerateRequest),
    results=get_args(AnyGenerateResult),
    describe=_describe,
    default_action="generate",
)
