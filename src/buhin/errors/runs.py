"""Pipelines that cannot go on."""

from __future__ import annotations

from typing import Any

import grpc

from buhin.errors.base import BuhinError


class SpecError(BuhinError):
    """A pipeline spec is wrong, at a line."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = "INVALID_SPEC"
    text = "{file}:{line}: {problem}"
    text_ja = "{file}:{line}: {problem}"


class RunError(BuhinError):
    """A run of a pipeline cannot go on as it is. ``problem_ja`` is the problem in Japanese, where there is a text."""

    code = grpc.StatusCode.ABORTED
    reason = "RUN_FAILED"
    text = "{run}: {problem}"
    text_ja = "{run}: {problem_ja}"

    def __init__(self, *, problem: object = "", problem_ja: object = "", **values: Any) -> None:
        super().__init__(problem=problem, problem_ja=problem_ja or problem, **values)


class InputFileError(RunError):
    """A file of a run's input cannot be read, or is not what it was."""

    reason = "INPUT_FILE"
    text_ja = "入力ファイル {run}: {problem_ja}"


class RunStoppedError(RunError):
    """A run of a pipeline stopped at a step. What is done is kept; the same command goes on from there."""

    reason = "RUN_STOPPED"
    text = "{run} stopped at {step}: {problem}. What is done is kept: run the same command again to resume"
    text_ja = "{run} は {step} で停止しました: {problem_ja}。完了分は保存済みです。同じコマンドで再開できます"
