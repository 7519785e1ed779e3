"""The errors of the house. Each class carries its gRPC code, its reason and its text in two languages.

BuhinError
├── InvalidInputError                 INVALID_ARGUMENT
│   ├── MalformedRequestError           MALFORMED_REQUEST
│   ├── MissingFieldError               MISSING_FIELD
│   ├── InvalidValueError               INVALID_VALUE
│   ├── OutOfRangeError                 OUT_OF_RANGE
│   ├── EmptyInputError                 EMPTY_INPUT
│   ├── InputTooLargeError              INPUT_TOO_LARGE
│   ├── UnreadableMediaError            UNREADABLE_MEDIA
│   ├── UnsupportedLanguageError        UNSUPPORTED_LANGUAGE
│   ├── UnsupportedTaskError            UNSUPPORTED_TASK
│   └── NotTheSamePlaceError            NOT_THE_SAME_PLACE
├── UnavailableError                  UNAVAILABLE
│   ├── NotReadyError                   NOT_READY
│   ├── DrainingError                   DRAINING
│   ├── EngineLostError                 ENGINE_LOST
│   ├── ModelServerError                MODEL_SERVER_UNAVAILABLE
│   └── ModelError                      MODEL_UNAVAILABLE
│       ├── ModelMissingError             MODEL_MISSING
│       ├── DigestMismatchError           DIGEST_MISMATCH
│       ├── OfflineError                  OFFLINE
│       ├── SourceError                   SOURCE_FAILED
│       ├── UnusableModelError            UNUSABLE_MODEL
│       ├── ModelServerRefusedError       MODEL_SERVER_REFUSED
│       └── EngineFailedError             ENGINE_FAILED
├── UnauthenticatedError              UNAUTHENTICATED
│   ├── TokenMissingError               TOKEN_MISSING
│   ├── TokenExpiredError               TOKEN_EXPIRED
│   └── TokenInvalidError               TOKEN_INVALID
├── PermissionDeniedError             PERMISSION_DENIED
│   ├── UnknownCallerError              UNKNOWN_CALLER
│   ├── ScopeMissingError               SCOPE_MISSING
│   └── NotAllowedError                 NOT_ALLOWED
├── QuotaExceededError                RESOURCE_EXHAUSTED   QUOTA_EXCEEDED
├── QueueFullError                    RESOURCE_EXHAUSTED   QUEUE_FULL
├── DeadlineTooShortError             RESOURCE_EXHAUSTED   DEADLINE_TOO_SHORT
├── ModelServerBusyError              RESOURCE_EXHAUSTED   MODEL_SERVER_BUSY
├── TooManyStreamsError               RESOURCE_EXHAUSTED   TOO_MANY_STREAMS
├── DeadlineExceededError             DEADLINE_EXCEEDED    DEADLINE_EXCEEDED
├── StreamIdleError                   DEADLINE_EXCEEDED    STREAM_IDLE
├── CancelledError                    CANCELLED            CANCELLED
├── NotImplementedMethodError         UNIMPLEMENTED        NOT_IMPLEMENTED
├── UnknownModelError                 NOT_FOUND            UNKNOWN_MODEL
├── ClusterError                      FAILED_PRECONDITION  CLUSTER_FAILED
│   ├── NoClusterError                  NO_CLUSTER
│   ├── ClusterUnreachableError         CLUSTER_UNREACHABLE
│   ├── ClusterForbiddenError           CLUSTER_FORBIDDEN
│   ├── ServiceNotFoundError            SERVICE_NOT_FOUND
│   ├── NoReadyPodError                 NO_READY_POD
│   ├── ServiceWithoutTlsError          SERVICE_WITHOUT_TLS
│   └── OutsideClusterError             OUTSIDE_CLUSTER
├── SpecError                         INVALID_ARGUMENT     INVALID_SPEC
├── RunError                          ABORTED              RUN_FAILED
│   ├── InputFileError                  INPUT_FILE
│   └── RunStoppedError                 RUN_STOPPED
├── BundleError                       FAILED_PRECONDITION  BUNDLE_FAILED
│   ├── BundleInputError                BUNDLE_INPUT
│   ├── BundleKeyError                  BUNDLE_KEY
│   ├── BundleUnreadableError           BUNDLE_UNREADABLE
│   ├── BundleSignatureError            BUNDLE_NOT_TRUSTED
│   ├── BundleCorruptError              BUNDLE_CORRUPT
│   ├── BundleTargetError               BUNDLE_TARGET
│   └── RegistryError                   REGISTRY_FAILED
└── InternalError                     INTERNAL             INTERNAL

Raise with the values that the text names: ``raise OutOfRangeError(field="config.min_length_px", value=-1,
minimum=0, maximum=100000)``. The values travel as ``ErrorInfo.metadata``, so a client rebuilds the same error.
"""

from buhin.errors.availability import (
    DigestMismatchError,
    DrainingError,
    EngineFailedError,
    EngineLostError,
    ModelError,
    ModelMissingError,
    ModelServerError,
    ModelServerRefusedError,
    NotReadyError,
    OfflineError,
    SourceError,
    UnavailableError,
    UnusableModelError,
)
from buhin.errors.base import (
    MAX_VALUE_BYTES,
    BuhinError,
    CancelledError,
    InternalError,
    NotImplementedMethodError,
    all_errors,
)
from buhin.errors.bundles import (
    BundleCorruptError,
    BundleError,
    BundleInputError,
    BundleKeyError,
    BundleSignatureError,
    BundleTargetError,
    BundleUnreadableError,
    RegistryError,
)
from buhin.errors.cluster import (
    ClusterError,
    ClusterForbiddenError,
    ClusterUnreachableError,
    NoClusterError,
    NoReadyPodError,
    OutsideClusterError,
    ServiceNotFoundError,
    ServiceWithoutTlsError,
)
from buhin.errors.inputs import (
    EmptyInputError,
    InputTooLargeError,
    InvalidInputError,
    InvalidValueError,
    MalformedRequestError,
    MissingFieldError,
    NotTheSamePlaceError,
    OutOfRangeError,
    UnknownModelError,
    UnreadableMediaError,
    UnsupportedLanguageError,
    UnsupportedTaskError,
)
from buhin.errors.refusals import (
    DeadlineExceededError,
    DeadlineTooShortError,
    ModelServerBusyError,
    NotAllowedError,
    PermissionDeniedError,
    QueueFullError,
    QuotaExceededError,
    ScopeMissingError,
    StreamIdleError,
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    TooManyStreamsError,
    UnauthenticatedError,
    UnknownCallerError,
)
from buhin.errors.runs import InputFileError, RunError, RunStoppedError, SpecError

__all__ = [
    "MAX_VALUE_BYTES",
    "BuhinError",
    "BundleCorruptError",
    "BundleError",
    "BundleInputError",
    "BundleKeyError",
    "BundleSignatureError",
    "BundleTargetError",
    "BundleUnreadableError",
    "CancelledError",
    "ClusterError",
    "ClusterForbiddenError",
    "ClusterUnreachableError",
    "DeadlineExceededError",
    "DeadlineTooShortError",
    "DigestMismatchError",
    "DrainingError",
    "EmptyInputError",
    "EngineFailedError",
    "EngineLostError",
    "InputFileError",
    "InputTooLargeError",
    "InternalError",
    "InvalidInputError",
    "InvalidValueError",
    "MalformedRequestError",
    "MissingFieldError",
    "ModelError",
    "ModelMissingError",
    "ModelServerBusyError",
    "ModelServerError",
    "ModelServerRefusedError",
    "NoClusterError",
    "NoReadyPodError",
    "NotAllowedError",
    "NotImplementedMethodError",
    "NotReadyError",
    "NotTheSamePlaceError",
    "OfflineError",
    "OutOfRangeError",
    "OutsideClusterError",
    "PermissionDeniedError",
    "QueueFullError",
    "QuotaExceededError",
    "RegistryError",
    "RunError",
    "RunStoppedError",
    "ScopeMissingError",
    "ServiceNotFoundError",
    "ServiceWithoutTlsError",
    "SourceError",
    "SpecError",
    "StreamIdleError",
    "TokenExpiredError",
    "TokenInvalidError",
    "TokenMissingError",
    "TooManyStreamsError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnknownCallerError",
    "UnknownModelError",
    "UnreadableMediaError",
    "UnsupportedLanguageError",
    "UnsupportedTaskError",
    "UnusableModelError",
    "all_errors",
]
