"""`generate` jobs: code that answers a prompt from the session's sources, its versions, and its run.

See docs/decisions/0010 and 0011.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from raylane_common.limits import MAX_CODE_VERSIONS
from raylane_common.ray.models import Run
from raylane_common.rules import Code, JobId, Prompt
from raylane_common.wire.base import BaseRequest, BaseResult, JobKind, Kind, Lane, Payload, text
from raylane_common.wire.names import GeneratorName
from raylane_common.wire.sources import AnySource, Partition

__all__ = [
    "Checkpoint",
    "CodeVersion",
    "Finding",
    "GenerateRequest",
    "GenerateResult",
    "GeneratorName",
    "Rerun",
    "Usage",
]


class Rerun(BaseModel):
    """The code of an earlier `generate` job, to be verified and run again, and what that job knew about it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    job_id: JobId = Field(description="The earlier job")
    code: Code
    sources_used: tuple[AnySource, ...] = Field(min_length=1, description="The snapshot that the code reads")
    generator: GeneratorName
    model: str | None = None
    interpreted_as: str = ""


class GenerateRequest(BaseRequest):
    """Write Ray code that answers the prompt from the session's sources; run it if `execute` is set.

    With `rerun`, the job verifies and runs that code, and writes none.
    """

    kind: ClassVar[JobKind] = JobKind.GENERATE

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


class Finding(BaseModel):
    """One broken verification rule. `line` starts at 1; it is None if the finding is about the whole script."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    rule: str
    message: str
    line: int | None = None


class CodeVersion(BaseModel):
    """One version of a job's code, with its verification findings, and its run if there was one."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    number: int
    code: str
    findings: tuple[Finding, ...] = ()
    run: Run | None = None


class Usage(BaseModel):
    """Tokens that all agents of the job used, as the model's service counts them."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


class Checkpoint(BaseModel):
    """What a `generate` job has done and must not do again: read its sources, write versions, start a run.

    It is written before each next step, so that the job's next attempt continues from there.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    sources_used: tuple[AnySource, ...]
    small: bool = Field(
        default=False,
        exclude_if=lambda small: not small,
        description="Whether the sources together are within `ray.small_source_bytes`",
    )
    partitions: dict[str, tuple[Partition, ...]] = Field(
        default_factory=dict,
        exclude_if=lambda partitions: not partitions,
        description="The registered partitions of each table that has partition keys, by the name of the table",
    )
    generator: GeneratorName
    model: str | None = None
    interpreted_as: str = ""
    versions: tuple[CodeVersion, ...] = ()
    usage: Usage | None = None


class GenerateResult(BaseResult):
    """The code that passed verification, how the prompt was read, and its run if it was executed."""

    type: Literal["generate"] = "generate"
    generator: GeneratorName
    model: str | None = Field(default=None, description="`provider:model_id`; None for the template generator")
    code: str
    interpreted_as: str
    sources_used: tuple[AnySource, ...]
    versions: tuple[CodeVersion, ...]
    usage: Usage | None = None
    run: Run | None = None


def _describe(payload: Payload) -> str:
    prompt, rerun = text(payload, "prompt"), payload.get("rerun")
    return f"{prompt} (again, as in {text(rerun, 'job_id')})" if isinstance(rerun, dict) else prompt


KIND: Final = Kind(
    name=JobKind.GENERATE,
    lane=Lane.GENERATE,
    requests=(GenerateRequest,),
    results=(GenerateResult,),
    describe=_describe,
)
