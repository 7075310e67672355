"""Every error Raylane raises, as one tree.

    RaylaneError                     code                          retryable
    ├── InvalidRequest               invalid_request
    ├── QueueError
    │   ├── QueueUnavailable         queue_unavailable             yes
    │   ├── JobNotFound              job_not_found
    │   ├── JobIdTaken               job_id_taken
    │   ├── JobNotRequeued           job_not_requeued
    │   ├── WaitTimeout              wait_timeout                  yes
    │   └── LeaseLost                lease_lost
    ├── JobError
    │   ├── JobTimeout               job_timeout                   yes
    │   ├── JobCancelled             job_cancelled
    │   ├── JobExpired               expired
    │   ├── DependencyFailed         dependency_failed
    │   ├── WorkerLost               worker_lost
    │   ├── StagedBodyMissing        staged_body_missing
    │   └── InternalError            internal_error
    ├── SourceError
    │   ├── NoSources                no_sources
    │   └── InvalidCsv               invalid_csv
    ├── StorageError
    │   ├── StorageUnavailable       storage_unavailable           yes
    │   └── StorageRejected          storage_rejected
    ├── CatalogError
    │   ├── CatalogUnavailable       catalog_unavailable           yes
    │   ├── CatalogRejected          catalog_rejected
    │   ├── TableNotFound            table_not_found
    │   └── UnsupportedFormat        unsupported_format
    ├── GenerationError
    │   ├── NotUnderstood            not_understood
    │   ├── NeedsModel               needs_model
    │   ├── UnknownColumn            unknown_column
    │   ├── AmbiguousColumn          ambiguous_column
    │   ├── TypeMismatch             type_mismatch
    │   ├── UnknownSource            unknown_source
    │   ├── AmbiguousSource          ambiguous_source
    │   ├── VerificationFailed       verification_failed
    │   ├── GenerationRefused        generation_refused
    │   ├── ModelUnavailable         model_unavailable             yes
    │   └── ModelMisconfigured       model_misconfigured
    ├── RayError
    │   ├── RayUnreachable           ray_unreachable               yes
    │   │   ├── WrongCluster         wrong_cluster
    │   │   └── RayInsecure          ray_insecure
    │   ├── RayRejected              ray_rejected
    │   ├── RayAuth                  ray_auth
    │   ├── RayJobNotFound           ray_job_not_found
    │   ├── RayJobExists             ray_job_exists
    │   ├── RayServerError           ray_server_error              yes
    │   ├── SubmitOutcomeUnknown     submit_outcome_unknown        yes
    │   ├── JobLost                  job_lost
    │   ├── RunNotStarted            run_not_started
    │   ├── RunFailed                run_failed
    │   ├── RunStopped               run_stopped
    │   └── RunTimeout               run_timeout
    └── EmbeddedError                embedded_failed

`code` is stable and part of the wire format: records hold it, the CLI prints it, other languages match on it.
`retryable` is data: it says whether the same job may succeed when it is simply run again.
"""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError


class ErrorInfo(BaseModel):
    """An error as it stands in a record, an event and the CLI's `--json` output."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    retryable: bool = False
    details: dict[str, JsonValue] = Field(default_factory=dict)


class RaylaneError(Exception):
    """Base of every error that Raylane raises.

    `details` holds JSON values that a program may act on; `message` is for people and names what to do.
    `retry_after_s` becomes one of the details: the next attempt starts no sooner than that.
    """

    code: ClassVar[str] = "raylane_error"
    retryable_by_default: ClassVar[bool] = False
    _by_code: ClassVar[dict[str, type[RaylaneError]]] = {}

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.details: dict[str, JsonValue] = details or {}
        if retry_after_s is not None:
            self.details = {**self.details, "retry_after_s": retry_after_s}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in cls.__dict__:
            cls._by_code[cls.code] = cls

    def __str__(self) -> str:
        return f"{self.message} [{self.info().code}]"

    @property
    def retry_after_s(self) -> float | None:
        """When the other side said to come back, where it did."""
        seconds = self.details.get("retry_after_s")
        return float(seconds) if isinstance(seconds, int | float) else None

    def info(self) -> ErrorInfo:
        """This error in its wire form."""
        return ErrorInfo(code=self.code, message=self.message, retryable=self.retryable, details=self.details)

    @staticmethod
    def from_info(info: ErrorInfo) -> RaylaneError:
        """The typed error for a wire form; a code of a newer version becomes an `UnknownError` that keeps it."""
        known = RaylaneError._by_code.get(info.code)
        if known is None:
            return UnknownError(info)
        error = known.__new__(known)
        RaylaneError.__init__(error, info.message, retryable=info.retryable, details=info.details)
        return error


class UnknownError(RaylaneError):
    """An error whose code this version does not know; `info()` returns it unchanged."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message, retryable=info.retryable, details=info.details)
        self._info = info

    def info(self) -> ErrorInfo:
        """The wire form as it was received."""
        return self._info


class InvalidRequest(RaylaneError):
    """A request breaks the wire format; `details["field"]` names the field."""

    code = "invalid_request"

    @classmethod
    def field(cls, field: str, problem: str) -> Self:
        """An error about one named field."""
        return cls(f"{field}: {problem}", details={"field": field})

    @classmethod
    def from_validation(cls, error: ValidationError) -> Self:
        """The first finding of pydantic, with the field that it is about. Values are left out of the message."""
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "request"
        problem = first["msg"].removeprefix("Value error, ")
        return cls.field(field, problem)


class QueueError(RaylaneError):
    """The queue could not do what was asked."""


class QueueUnavailable(QueueError):
    """Redis did not answer in time. Nothing is known about the request unless the message says so."""

    code = "queue_unavailable"
    retryable_by_default = True


class JobNotFound(QueueError):
    """No record of this job id: never enqueued, or older than its time to live."""

    code = "job_not_found"


class JobIdTaken(QueueError):
    """The job id was used before for a different request; the same request would have returned the first job."""

    code = "job_id_taken"


class JobNotRequeued(QueueError):
    """Only a job that failed or was cancelled can be put back into the queue."""

    code = "job_not_requeued"


class WaitTimeout(QueueError):
    """The job had not ended when the caller's patience did. The job itself goes on."""

    code = "wait_timeout"
    retryable_by_default = True


class LeaseLost(QueueError):
    """This worker no longer owns the job, so what it wanted to write was refused."""

    code = "lease_lost"


class JobError(RaylaneError):
    """The job's execution went wrong for a reason outside its subject."""


class JobTimeout(JobError):
    """The job ran longer than its lane allows."""

    code = "job_timeout"
    retryable_by_default = True


class JobCancelled(JobError):
    """The job was cancelled on request."""

    code = "job_cancelled"


class JobExpired(JobError):
    """The job had not started by the time that its caller set."""

    code = "expired"


class DependencyFailed(JobError):
    """A job that this one waited for did not succeed; `details["job_id"]` names it."""

    code = "dependency_failed"


class WorkerLost(JobError):
    """Every attempt ended with the death of its worker."""

    code = "worker_lost"


class StagedBodyMissing(JobError):
    """The bytes of an upload are no longer in Redis; upload the file again."""

    code = "staged_body_missing"


class InternalError(JobError):
    """A defect in Raylane: an exception that no handler foresaw."""

    code = "internal_error"


class SourceError(RaylaneError):
    """Something about a session's sources."""


class NoSources(SourceError):
    """The session has no source to read; upload a CSV or select a table first."""

    code = "no_sources"


class InvalidCsv(SourceError):
    """The file cannot be read as a CSV with a header."""

    code = "invalid_csv"


class StorageError(RaylaneError):
    """Object storage (S3)."""


class StorageUnavailable(StorageError):
    """Object storage did not answer, or asked to be tried again."""

    code = "storage_unavailable"
    retryable_by_default = True


class StorageRejected(StorageError):
    """Object storage refused: no such bucket, no permission, bad credentials."""

    code = "storage_rejected"


class CatalogError(RaylaneError):
    """The table catalog (Glue)."""


class CatalogUnavailable(CatalogError):
    """The catalog did not answer, or asked to be tried again."""

    code = "catalog_unavailable"
    retryable_by_default = True


class CatalogRejected(CatalogError):
    """The catalog refused: no permission, bad credentials, bad name."""

    code = "catalog_rejected"


class TableNotFound(CatalogError):
    """No such database or table in the catalog; `details["missing"]` lists the names."""

    code = "table_not_found"


class UnsupportedFormat(CatalogError):
    """The table's format or SerDe is not one that generated code can read."""

    code = "unsupported_format"


class GenerationError(RaylaneError):
    """No code that may run came out of the generator. `details["supported"]` lists what the template understands."""


class NotUnderstood(GenerationError):
    """The template generator could not account for every word of the prompt; `details["unconsumed"]` lists them."""

    code = "not_understood"


class NeedsModel(GenerationError):
    """The request is beyond templates (plot, predict, clean …): configure a model and use generator `agent`."""

    code = "needs_model"


class UnknownColumn(GenerationError):
    """The prompt names a column that no source has; `details["nearest"]` suggests."""

    code = "unknown_column"


class AmbiguousColumn(GenerationError):
    """The prompt names a column that fits more than one column."""

    code = "ambiguous_column"


class TypeMismatch(GenerationError):
    """The operation does not fit the column's type, such as the mean of a string."""

    code = "type_mismatch"


class UnknownSource(GenerationError):
    """The prompt names a source that the session does not have."""

    code = "unknown_source"


class AmbiguousSource(GenerationError):
    """The session has several sources and the prompt does not say which."""

    code = "ambiguous_source"


class VerificationFailed(GenerationError):
    """The code broke a verification rule on every allowed attempt; `details["findings"]` holds the last ones."""

    code = "verification_failed"


class GenerationRefused(GenerationError):
    """The generator ended without code; its own words are in the message."""

    code = "generation_refused"


class ModelUnavailable(GenerationError):
    """The model's service did not answer, throttled, or broke off."""

    code = "model_unavailable"
    retryable_by_default = True


class ModelMisconfigured(GenerationError):
    """The model's service refused: no credentials, no access, unknown model or provider."""

    code = "model_misconfigured"


class RayError(RaylaneError):
    """The Ray cluster, or a run on it."""


class RayUnreachable(RayError):
    """No endpoint answered; `details["endpoints"]` holds each one's cause and elapsed seconds."""

    code = "ray_unreachable"
    retryable_by_default = True


class WrongCluster(RayUnreachable):
    """What answers is another cluster than the one first seen. Retryable while an address of ours may come back."""

    code = "wrong_cluster"
    retryable_by_default = False


class RayInsecure(RayUnreachable):
    """What answers has known holes, or a public address and no authentication; refused by `ray.insecure_cluster`.

    Retryable while an address that is safe may come back.
    """

    code = "ray_insecure"
    retryable_by_default = False


class RayRejected(RayError):
    """Ray answered 4xx: the request itself is wrong."""

    code = "ray_rejected"


class RayAuth(RayError):
    """Ray answered 401 or 403: set the endpoint's token (RAYLANE_RAY__TOKEN)."""

    code = "ray_auth"


class RayJobNotFound(RayError):
    """The cluster knows no job with this submission id."""

    code = "ray_job_not_found"


class RayJobExists(RayError):
    """The cluster already has a *different* job under this submission id."""

    code = "ray_job_exists"


class RayServerError(RayError):
    """Ray answered 500, or something that is not Ray's answer."""

    code = "ray_server_error"
    retryable_by_default = True


class SubmitOutcomeUnknown(RayError):
    """The submission may or may not have arrived; `details["submission_id"]` lets the caller find out later."""

    code = "submit_outcome_unknown"
    retryable_by_default = True


class JobLost(RayError):
    """Ray had taken the job and knows it no more: its head was restarted, or somebody deleted the job."""

    code = "job_lost"


class RunNotStarted(RayError):
    """Ray took the run and had not begun it by `ray.pending_timeout_s`; it was stopped."""

    code = "run_not_started"


class RunFailed(RayError):
    """The code ran on Ray and failed; `details["run"]` holds status, exit code and the tail of the output."""

    code = "run_failed"


class RunStopped(RayError):
    """The run was stopped before it ended."""

    code = "run_stopped"


class RunTimeout(RayError):
    """The run took longer than `ray.run_timeout_s` and was stopped."""

    code = "run_timeout"


class EmbeddedError(RaylaneError):
    """A part of the embedded stack did not start. `details` has `part` and, where there is one, `log_tail`."""

    code = "embedded_failed"
