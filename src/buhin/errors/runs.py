"""Pipelines that cannot go on."""

from __future__ import annotations

import grpc

from buhin.errors.base import BuhinError


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
