"""The errors of the house. Each class carries its gRPC code, its reason and its text in two languages.

BuhinError
├── InvalidInputError                 INVALID_ARGUMENT
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
├── SpecError                         INVALID_ARGUMENT     INVALID_SPEC
├── RunError                          ABORTED              RUN_FAILED
│   └── RunStoppedError                 RUN_STOPPED
└── InternalError                     INTERNAL             INTERNAL

Raise with the values that the text names: ``raise OutOfRangeError(field="config.min_length_px", value=-1,
minimum=0, maximum=100000)``. The values travel as ``ErrorInfo.metadata``, so a client rebuilds the same error.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, ClassVar

import grpc

MAX_VALUE_BYTES = 400
"""A longer value is cut, in UTF-8, so that the details of an error stay below 4 KiB."""


class BuhinError(Exception):
    """Any error of the house. ``field`` names the request field at fault, ``retry_after_s`` when a retry may help."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    reason: ClassVar[str] = "UNKNOWN"
    text: ClassVar[str] = "{message}"
    text_ja: ClassVar[str] = "{message}"

    def __init__(self, *, field: str = "", retry_after_s: float | None = None, **values: object) -> None:
        self.field = field
        self.retry_after_s = retry_after_s
        self.metadata = {key: _shorten(str(value)) for key, value in values.items()}
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.field, self.retry_after_s, self.metadata)

    @property
    def message(self) -> str:
        """The text in English."""
        return self._fill(self.text)

    @property
    def message_ja(self) -> str:
        """The text in Japanese."""
        return self._fill(self.text_ja)

    def _fill(self, template: str) -> str:
        return template.format_map(defaultdict(lambda: "?", self.metadata, field=self.field))


class InvalidInputError(BuhinError):
    """The request cannot be answered as it is; the same request will fail again."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_INPUT"


class MissingFieldError(InvalidInputError):
    """A required field is not set."""

    reason = "MISSING_FIELD"
    text = "{field} is required"
    text_ja = "{field} を指定してください"


class InvalidValueError(InvalidInputError):
    """A value is not one of those accepted."""

    reason = "INVALID_VALUE"
    text = "{field} is {value}; accepted: {accepted}"
    text_ja = "{field} の値 {value} は使えません。使える値: {accepted}"


class OutOfRangeError(InvalidInputError):
    """A number is not finite, or outside its range."""

    reason = "OUT_OF_RANGE"
    text = "{field} is {value}; accepted: {minimum} to {maximum}"
    text_ja = "{field} の値 {value} は範囲外です。範囲: {minimum} から {maximum}"


class EmptyInputError(InvalidInputError):
    """There is nothing to work on."""

    reason = "EMPTY_INPUT"
    text = "{field} is empty"
    text_ja = "{field} が空です"


class InputTooLargeError(InvalidInputError):
    """The input is over a limit of the service."""

    reason = "INPUT_TOO_LARGE"
    text = "{field} has {size} {unit}, more than the limit of {limit}"
    text_ja = "{field} の大きさ {size} {unit} は上限 {limit} を超えています"


class UnreadableMediaError(InvalidInputError):
    """Bytes are not a whole file of an accepted format."""

    reason = "UNREADABLE_MEDIA"
    text = "{field} cannot be read ({problem}); accepted: {accepted}"
    text_ja = "{field} を読み取れません ({problem})。使える形式: {accepted}"


class UnsupportedLanguageError(InvalidInputError):
    """The language, or the direction, is not one of the engine's."""

    reason = "UNSUPPORTED_LANGUAGE"
    text = "{field} is {value}; accepted: {accepted}"
    text_ja = "{field} の言語 {value} には対応していません。対応する言語: {accepted}"


class UnsupportedTaskError(InvalidInputError):
    """What is asked for is not something that the engine's model can write."""

    reason = "UNSUPPORTED_TASK"
    text = "the model of this service cannot do {value}; it can do: {accepted}"
    text_ja = "このサービスのモデルは {value} に対応していません。対応できるもの: {accepted}"


class NotTheSamePlaceError(InvalidInputError):
    """One photograph cannot be laid upon the other."""

    reason = "NOT_THE_SAME_PLACE"
    text = "{field} does not show the same place as the other photograph, or too little of it"
    text_ja = "{field} はもう一方の写真と同じ場所を写していないか、重なりが少なすぎます"


class UnavailableError(BuhinError):
    """The service does not answer now; a later try may succeed."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "UNAVAILABLE"
    text = "no answer from {address}: {problem}"
    text_ja = "{address} から応答がありません: {problem}"


class NotReadyError(UnavailableError):
    """The service is still loading its model."""

    reason = "NOT_READY"
    text = "the service is still loading its model"
    text_ja = "サービスはモデルを読み込んでいます"


class DrainingError(UnavailableError):
    """The service is stopping."""

    reason = "DRAINING"
    text = "the service is stopping and takes no more requests"
    text_ja = "サービスは停止中のため、新しい要求を受け付けません"


class EngineLostError(UnavailableError):
    """The process of the engine ended while it worked on the request. Another takes its place."""

    reason = "ENGINE_LOST"
    text = "the engine stopped while it worked on this; it is being started again, try again"
    text_ja = "処理中にエンジンが停止しました。再起動していますので、もう一度お試しください"


class ModelServerError(UnavailableError):
    """The server that runs the model does not answer, or broke an answer off."""

    reason = "MODEL_SERVER_UNAVAILABLE"
    text = "the server of model {model} does not answer: {problem}"
    text_ja = "モデル {model} のサーバーが応答しません: {problem}"


class ModelError(UnavailableError):
    """A model cannot be used."""

    reason = "MODEL_UNAVAILABLE"
    text = "model {model} cannot be used: {problem}"
    text_ja = "モデル {model} を使えません: {problem}"


class ModelMissingError(ModelError):
    """A model is not in the store."""

    reason = "MODEL_MISSING"
    text = "model {model} is not in the store; run: buhin models pull {model}"
    text_ja = "モデル {model} がありません。実行してください: buhin models pull {model}"


class DigestMismatchError(ModelError):
    """A file is not the one that the manifest names."""

    reason = "DIGEST_MISMATCH"
    text = (
        "model {model}: {file} has digest {actual}, the manifest says {expected}; "
        "run: buhin models pull --force {model}"
    )
    text_ja = (
        "モデル {model}: {file} のダイジェスト {actual} が台帳の {expected} と一致しません。"
        "実行してください: buhin models pull --force {model}"
    )


class OfflineError(ModelError):
    """A fetch is needed and forbidden."""

    reason = "OFFLINE"
    text = "model {model} is not here and BUHIN_OFFLINE forbids fetching it: buhin models pull {model} --from FOLDER"
    text_ja = "モデル {model} がなく、BUHIN_OFFLINE により取得できません: buhin models pull {model} --from フォルダ"


class SourceError(ModelError):
    """No source of a model could deliver it."""

    reason = "SOURCE_FAILED"
    text = "model {model}: no source could deliver it: {problem}"
    text_ja = "モデル {model} をどの取得元からも取得できませんでした: {problem}"


class UnusableModelError(ModelError):
    """The files of a model are right and are not what the engine can run."""

    reason = "UNUSABLE_MODEL"
    text = "the engine {engine} cannot run model {model}: {problem}"
    text_ja = "エンジン {engine} ではモデル {model} を実行できません: {problem}"


class ModelServerRefusedError(ModelError):
    """The server that runs the model does not take the request: its settings or this service's are wrong."""

    reason = "MODEL_SERVER_REFUSED"
    text = "the server of model {model} refuses: {problem}"
    text_ja = "モデル {model} のサーバーが要求を拒否しました: {problem}"


class EngineFailedError(ModelError):
    """The engine could not load its model or did not answer its warm-up."""

    reason = "ENGINE_FAILED"
    text = "the engine could not start; error {error_id} in the service's log"
    text_ja = "エンジンを起動できませんでした。サービスのログのエラー {error_id} を確認してください"


class UnauthenticatedError(BuhinError):
    """The caller did not show who it is."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class TokenMissingError(UnauthenticatedError):
    """The service asks for a token, and there is none."""

    reason = "TOKEN_MISSING"
    text = "a token is required: send the metadata authorization: Bearer TOKEN"
    text_ja = "トークンが必要です。メタデータ authorization: Bearer トークン を送ってください"


class TokenExpiredError(UnauthenticatedError):
    """The token was valid once."""

    reason = "TOKEN_EXPIRED"
    text = "the token has expired; ask its issuer for a new one"
    text_ja = "トークンの有効期限が切れています。発行元から新しいトークンを取得してください"


class TokenInvalidError(UnauthenticatedError):
    """The token is not one that the service trusts."""

    reason = "TOKEN_INVALID"
    text = "the token is not accepted: {problem}"
    text_ja = "トークンを受け付けられません: {problem}"


class PermissionDeniedError(BuhinError):
    """It is known who the caller is, and it may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class UnknownCallerError(PermissionDeniedError):
    """No entry of the policy is for this caller."""

    reason = "UNKNOWN_CALLER"
    text = "{caller} is not in the policy of this service"
    text_ja = "{caller} はこのサービスのポリシーに登録されていません"


class ScopeMissingError(PermissionDeniedError):
    """The token was not issued for this service."""

    reason = "SCOPE_MISSING"
    text = "the token lacks the scope {scope}"
    text_ja = "トークンにスコープ {scope} がありません"


class NotAllowedError(PermissionDeniedError):
    """The policy does not allow the caller this method."""

    reason = "NOT_ALLOWED"
    text = "{caller} may not call {method}"
    text_ja = "{caller} には {method} の呼び出しが許可されていません"


class QuotaExceededError(BuhinError):
    """The caller has used what the policy gives it for now."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "QUOTA_EXCEEDED"
    text = "the quota of {limit} {unit} a {period} is used up; try again later"
    text_ja = "割当量({period} あたり {limit} {unit})を使い切りました。しばらくしてから再試行してください"


class QueueFullError(BuhinError):
    """The service has as much work waiting as it takes."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "QUEUE_FULL"
    text = "{waiting} requests are waiting already, as many as the service takes; try again later"
    text_ja = "{waiting} 件が待っており、これ以上受け付けられません。しばらくしてから再試行してください"


class DeadlineTooShortError(BuhinError):
    """So much work waits before the request that its deadline would pass first."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "DEADLINE_TOO_SHORT"
    text = "an answer would take about {needed_s} s and the deadline leaves {left_s} s; try again later"
    text_ja = (
        "応答まで約 {needed_s} 秒かかりますが、期限まで {left_s} 秒しかありません。しばらくしてから再試行してください"
    )


class ModelServerBusyError(BuhinError):
    """The server that runs the model has as much work as it takes."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "MODEL_SERVER_BUSY"
    text = "the server of model {model} has as much work as it takes; try again later"
    text_ja = "モデル {model} のサーバーが混み合っています。しばらくしてから再試行してください"


class TooManyStreamsError(BuhinError):
    """The service holds as many streams open as it takes."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_STREAMS"
    text = "{limit} streams are open already, the limit; try again later"
    text_ja = "開いているストリームが上限の {limit} 本に達しています。しばらくしてから再試行してください"


class DeadlineExceededError(BuhinError):
    """The caller's deadline passed."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"
    text = "the deadline passed before the answer was ready"
    text_ja = "期限までに応答できませんでした"


class StreamIdleError(BuhinError):
    """The caller neither sent nor took anything for too long."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = "STREAM_IDLE"
    text = "nothing was sent or taken for {limit_s} s; the stream was ended"
    text_ja = "{limit_s} 秒間送受信がなかったため、ストリームを終了しました"


class CancelledError(BuhinError):
    """The caller went away."""

    code = grpc.StatusCode.CANCELLED
    reason = "CANCELLED"
    text = "the call was cancelled"
    text_ja = "呼び出しは取り消されました"


class NotImplementedMethodError(BuhinError):
    """The method is declared and not implemented yet."""

    code = grpc.StatusCode.UNIMPLEMENTED
    reason = "NOT_IMPLEMENTED"
    text = "{method} is not implemented in this version; the service card lists the methods that are"
    text_ja = "{method} はこの版では実装されていません。実装済みのメソッドはサービスカードにあります"


class UnknownModelError(BuhinError):
    """The manifest has no such model."""

    code = grpc.StatusCode.NOT_FOUND
    reason = "UNKNOWN_MODEL"
    text = "there is no model {model} in the manifest; known: {accepted}"
    text_ja = "モデル {model} は台帳にありません。登録済み: {accepted}"


class SpecError(BuhinError):
    """A pipeline spec is wrong, at a line."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_SPEC"
    text = "{file}:{line}: {problem}"
    text_ja = "{file}:{line}: {problem}"


class RunError(BuhinError):
    """A run of a pipeline cannot go on as it is."""

    code = grpc.StatusCode.ABORTED
    reason = "RUN_FAILED"
    text = "{run}: {problem}"
    text_ja = "{run}: {problem}"


class RunStoppedError(RunError):
    """A run of a pipeline stopped at a step. What is done is kept; the same command goes on from there."""

    reason = "RUN_STOPPED"
    text = "{run} stopped at {step}: {problem}. What is done is kept: run the same command again to resume"
    text_ja = "{run} は {step} で停止しました: {problem_ja}。完了分は保存済みです。同じコマンドで再開できます"


class InternalError(BuhinError):
    """A fault of the service. What happened is in its log under the same id, and nowhere else."""

    code = grpc.StatusCode.INTERNAL
    reason = "INTERNAL"
    text = "internal error {error_id}; give this id to the operator"
    text_ja = "内部エラー {error_id} が発生しました。この番号を運用担当者に伝えてください"


def all_errors(base: type[BuhinError] = BuhinError) -> list[type[BuhinError]]:
    """The class and all its descendants, depth first."""
    return [base, *(found for child in base.__subclasses__() for found in all_errors(child))]


def _rebuilt(kind: type[BuhinError], field: str, retry_after_s: float | None, metadata: dict[str, str]) -> BuhinError:
    return kind(field=field, retry_after_s=retry_after_s, **metadata)


def _shorten(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MAX_VALUE_BYTES:
        return encoded.decode()
    return encoded[: MAX_VALUE_BYTES - 3].decode("utf-8", "ignore") + "…"
