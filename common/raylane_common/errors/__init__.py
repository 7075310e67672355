"""Every error Raylane raises, as one tree.

    RaylaneError                     code                          retryable
    ├── InvalidRequest               invalid_request
    ├── NotFound                     not_found
    ├── MissingPackage               missing_package
    ├── NotOffered                   not_offered
    ├── AccessError
    │   ├── Unauthenticated          unauthenticated
    │   ├── Forbidden                forbidden
    │   ├── TooManyRequests          too_many_requests             yes
    │   ├── RequestTooLarge          request_too_large
    │   ├── RequestTimeout           request_timeout               yes
    │   ├── GatewayBusy              gateway_busy                  yes
    │   ├── ForeignRequest           foreign_request
    │   └── KeysUnavailable          keys_unavailable              yes
    ├── HttpError
    │   ├── MethodNotAllowed         method_not_allowed
    │   ├── NotAcceptable            not_acceptable
    │   └── UnsupportedMediaType     unsupported_media_type
    ├── QueueError
    │   ├── QueueUnavailable         queue_unavailable             yes
    │   │   ├── ClusterUnsupported   cluster_unsupported
    │   │   └── WriteNotConfirmed    write_not_confirmed           yes
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
    │   ├── ScratchFull              scratch_full                  yes
    │   └── InternalError            internal_error
    ├── SourceError
    │   ├── NoSources                no_sources
    │   ├── SourceReplaced           source_replaced
    │   ├── SessionFull              session_full
    │   └── InvalidFile              invalid_file
    ├── StorageError
    │   ├── StorageUnavailable       storage_unavailable           yes
    │   │   └── StorageThrottled     storage_throttled             yes
    │   ├── StorageRejected          storage_rejected
    │   │   ├── BucketNotFound       bucket_not_found
    │   │   ├── StorageDenied        storage_denied
    │   │   └── StorageCredentials   storage_credentials
    │   └── AnswerFileGone           answer_file_gone
    ├── DiskFull                     disk_full
    ├── CatalogError
    │   ├── CatalogUnavailable       catalog_unavailable           yes
    │   ├── CatalogRejected          catalog_rejected
    │   ├── TableChanged             table_changed
    │   ├── TableNotFound            table_not_found
    │   └── UnsupportedFormat        unsupported_format
    ├── GenerationError
    │   ├── NotUnderstood            not_understood
    │   ├── NeedsModel               needs_model
    │   ├── UnknownColumn            unknown_column
    │   ├── AmbiguousColumn          ambiguous_column
    │   ├── AmbiguousPrompt          ambiguous
    │   ├── TypeMismatch             type_mismatch
    │   ├── UnknownSource            unknown_source
    │   ├── AmbiguousSource          ambiguous_source
    │   ├── NoCode                   no_code
    │   ├── VerificationFailed       verification_failed
    │   ├── InvalidAnswer            invalid_answer
    │   ├── NoAnswer                 no_answer
    │   ├── GenerationRefused        generation_refused
    │   ├── ModelUnavailable         model_unavailable             yes
    │   └── ModelMisconfigured       model_misconfigured
    ├── RayError
    │   ├── RayUnreachable           ray_unreachable               yes
    │   │   ├── WrongCluster         wrong_cluster
    │   │   └── RayInsecure          ray_insecure
    │   ├── RayRejected              ray_rejected
    │   ├── RayAuth                  ray_auth
    │   ├── RunNotFound              run_not_found
    │   ├── RunExists                run_exists
    │   ├── RayServerError           ray_server_error              yes
    │   ├── SubmitOutcomeUnknown     submit_outcome_unknown        yes
    │   ├── RunLost                  run_lost
    │   ├── RunNotStarted            run_not_started
    │   ├── RunFailed                run_failed
    │   ├── RunStopped               run_stopped
    │   └── RunTimeout               run_timeout
    └── EmbeddedError                embedded_failed

`code` is stable and part of the wire format: records hold it, the CLI prints it, other languages match on it.
`retryable` says whether the same job may succeed if it is simply run again.
"""

from __future__ import annotations

from raylane_common.errors.access import (
    AccessError,
    Forbidden,
    ForeignRequest,
    GatewayBusy,
    KeysUnavailable,
    RequestTimeout,
    RequestTooLarge,
    TooManyRequests,
    Unauthenticated,
)
from raylane_common.errors.base import (
    ErrorInfo,
    RaylaneError,
    UnknownError,
)
from raylane_common.errors.cluster import (
    RayAuth,
    RayError,
    RayInsecure,
    RayRejected,
    RayServerError,
    RayUnreachable,
    RunExists,
    RunFailed,
    RunLost,
    RunNotFound,
    RunNotStarted,
    RunStopped,
    RunTimeout,
    SubmitOutcomeUnknown,
    WrongCluster,
)
from raylane_common.errors.data import (
    AnswerFileGone,
    BucketNotFound,
    CatalogError,
    CatalogRejected,
    CatalogUnavailable,
    DiskFull,
    InvalidFile,
    NoSources,
    SessionFull,
    SourceError,
    SourceReplaced,
    StorageCredentials,
    StorageDenied,
    StorageError,
    StorageRejected,
    StorageThrottled,
    StorageUnavailable,
    TableChanged,
    TableNotFound,
    UnsupportedFormat,
)
from raylane_common.errors.embedded import (
    EmbeddedError,
)
from raylane_common.errors.execution import (
    DependencyFailed,
    InternalError,
    JobCancelled,
    JobError,
    JobExpired,
    JobTimeout,
    ScratchFull,
    StagedBodyMissing,
    WorkerLost,
)
from raylane_common.errors.generation import (
    AmbiguousColumn,
    AmbiguousPrompt,
    AmbiguousSource,
    GenerationError,
    GenerationRefused,
    InvalidAnswer,
    ModelMisconfigured,
    ModelUnavailable,
    NeedsModel,
    NoAnswer,
    NoCode,
    NotUnderstood,
    TypeMismatch,
    UnknownColumn,
    UnknownSource,
    VerificationFailed,
)
from raylane_common.errors.http import (
    HttpError,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
)
from raylane_common.errors.queue import (
    ClusterUnsupported,
    JobIdTaken,
    JobNotFound,
    JobNotRequeued,
    LeaseLost,
    QueueError,
    QueueUnavailable,
    WaitTimeout,
    WriteNotConfirmed,
)
from raylane_common.errors.requests import (
    InvalidRequest,
    MissingPackage,
    NotFound,
    NotOffered,
    invalid_requests,
)

__all__ = [
    "AccessError",
    "AmbiguousColumn",
    "AmbiguousPrompt",
    "AmbiguousSource",
    "AnswerFileGone",
    "BucketNotFound",
    "CatalogError",
    "CatalogRejected",
    "CatalogUnavailable",
    "ClusterUnsupported",
    "DependencyFailed",
    "DiskFull",
    "EmbeddedError",
    "ErrorInfo",
    "Forbidden",
    "ForeignRequest",
    "GatewayBusy",
    "GenerationError",
    "GenerationRefused",
    "HttpError",
    "InternalError",
    "InvalidAnswer",
    "InvalidFile",
    "InvalidRequest",
    "JobCancelled",
    "JobError",
    "JobExpired",
    "JobIdTaken",
    "JobNotFound",
    "JobNotRequeued",
    "JobTimeout",
    "KeysUnavailable",
    "LeaseLost",
    "MethodNotAllowed",
    "MissingPackage",
    "ModelMisconfigured",
    "ModelUnavailable",
    "NeedsModel",
    "NoAnswer",
    "NoCode",
    "NoSources",
    "NotAcceptable",
    "NotFound",
    "NotOffered",
    "NotUnderstood",
    "QueueError",
    "QueueUnavailable",
    "RayAuth",
    "RayError",
    "RayInsecure",
    "RayRejected",
    "RayServerError",
    "RayUnreachable",
    "RaylaneError",
    "RequestTimeout",
    "RequestTooLarge",
    "RunExists",
    "RunFailed",
    "RunLost",
    "RunNotFound",
    "RunNotStarted",
    "RunStopped",
    "RunTimeout",
    "ScratchFull",
    "SessionFull",
    "SourceError",
    "SourceReplaced",
    "StagedBodyMissing",
    "StorageCredentials",
    "StorageDenied",
    "StorageError",
    "StorageRejected",
    "StorageThrottled",
    "StorageUnavailable",
    "SubmitOutcomeUnknown",
    "TableChanged",
    "TableNotFound",
    "TooManyRequests",
    "TypeMismatch",
    "Unauthenticated",
    "UnknownColumn",
    "UnknownError",
    "UnknownSource",
    "UnsupportedFormat",
    "UnsupportedMediaType",
    "VerificationFailed",
    "WaitTimeout",
    "WorkerLost",
    "WriteNotConfirmed",
    "WrongCluster",
    "invalid_requests",
]
