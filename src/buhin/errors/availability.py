"""Services, models and engines that do not answer now."""

from __future__ import annotations

import grpc

from buhin.errors.base import BuhinError


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
