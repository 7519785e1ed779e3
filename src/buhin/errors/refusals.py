"""Calls that are not let in: unknown callers, used quotas, full queues, deadlines."""

from __future__ import annotations

import grpc

from buhin.errors.base import BuhinError


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
