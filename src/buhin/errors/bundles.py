"""Bundles that cannot be made, trusted or placed. ``problem`` and ``problem_ja`` say what it is."""

from __future__ import annotations

import grpc

from buhin.errors.base import BuhinError


class BundleError(BuhinError):
    """A bundle cannot be made or used as it is."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = "BUNDLE_FAILED"


class BundleInputError(BundleError):
    """What goes into a bundle is not there, or is not what it should be."""

    reason = "BUNDLE_INPUT"
    text = "the bundle cannot be made: {problem}"
    text_ja = "バンドルを作成できません: {problem_ja}"
    causes: tuple[BundleInputError, ...] = ()
    """Each problem on its own, where there are several."""


class BundleKeyError(BundleError):
    """A file is not the key that is needed."""

    reason = "BUNDLE_KEY"
    text = "key {file}: {problem}"
    text_ja = "鍵 {file}: {problem_ja}"


class BundleUnreadableError(BundleError):
    """A file is not a bundle, or one of a format that this version does not know."""

    reason = "BUNDLE_UNREADABLE"
    text = "{bundle} is not a bundle that this version reads: {problem}"
    text_ja = "{bundle} はこの版で読み取れるバンドルではありません: {problem_ja}"


class BundleSignatureError(BundleError):
    """A bundle was not signed by the key, or its manifest was changed since."""

    reason = "BUNDLE_NOT_TRUSTED"
    text = "{bundle} is not trusted: {problem}"
    text_ja = "{bundle} は信頼できません: {problem_ja}"


class BundleCorruptError(BundleError):
    """A member of a bundle is not as it was signed."""

    code = grpc.StatusCode.DATA_LOSS
    reason = "BUNDLE_CORRUPT"
    text = "{bundle} is not as it was signed, {member}: {problem}. Copy the bundle again from where it was made"
    text_ja = "{bundle} は署名時の内容と異なります。{member}: {problem_ja}。作成元からもう一度コピーしてください"


class BundleTargetError(BundleError):
    """A bundle cannot be placed where it was asked for."""

    reason = "BUNDLE_TARGET"
    text = "{folder}: {problem}"
    text_ja = "配置先 {folder}: {problem_ja}"


class RegistryError(BundleError):
    """A registry of images does not answer, or does not take an image."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = "REGISTRY_FAILED"
    text = "registry {registry}: {problem}. What it has taken stays: run the same command again to resume"
    text_ja = (
        "レジストリ {registry}: {problem}。送信済みのイメージは残ります。同じコマンドをもう一度実行すると再開します"
    )
