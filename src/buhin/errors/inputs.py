"""Requests that cannot be answered as they are."""

from __future__ import annotations

import grpc

from buhin.errors.base import BuhinError


class InvalidInputError(BuhinError):
    """The request cannot be answered as it is; the same request will fail again."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_INPUT"


class MalformedRequestError(InvalidInputError):
    """The bytes are not the method's message: another message, invalid UTF-8, or too deep."""

    reason = "MALFORMED_REQUEST"
    text = "the request is not a {message} that can be read"
    text_ja = "要求を {message} として読み取れません"


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


class UnknownModelError(BuhinError):
    """The manifest has no such model."""

    code = grpc.StatusCode.NOT_FOUND
    reason = "UNKNOWN_MODEL"
    text = "there is no model {model} in the manifest; known: {accepted}"
    text_ja = "モデル {model} は台帳にありません。登録済み: {accepted}"
