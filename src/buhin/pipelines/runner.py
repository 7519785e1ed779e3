"""Runs a pipeline durably: a finished step is never repeated, whatever happens to the process.

Each call of a service is a DBOS step of one DBOS workflow. A run that cannot go on (a service is down, Ctrl-C, a
crash) leaves its workflow PENDING, exactly as ``kill -9`` does, and DBOS recovers it when the run is opened again.
Each run has a database of its own, so opening one can never start another. DBOS is one per process: so is a run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy.exc import SQLAlchemyError

from buhin import telemetry
from buhin.config import ClientSettings
from buhin.errors import BuhinError, RunError
from buhin.pipelines import inputs
from buhin.pipelines.calling import RETRY_DELAYS_S, Caller
from buhin.pipelines.execution import Execution, Kept
from buhin.pipelines.results import StepResult
from buhin.pipelines.runs import FORMAT, Run, find_or_create
from buhin.pipelines.spec import Spec, Step


@dataclass(frozen=True)
class Progress:
    """How far a step is. ``reused``: items whose answers were there from before. ``waiting``: why it waits now."""

    step: str
    done: int
    total: int
    failed: int
    reused: int
    waiting: BuhinError | None = None


@dataclass(frozen=True)
class Report:
    """What came of a run."""

    run: Run
    outputs: list[Path]
    results: dict[str, StepResult]
    reused: int
    """Calls that were not made, because their answers were there from before."""


class Pause(BaseException):
    """Leaves a step and the workflow without an outcome. Not an Exception: DBOS records those for ever."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def configured(database_url: str, executor: str) -> DBOSConfig:
    """What every process tells DBOS; and keep DBOS from writing to standard error itself."""
    logging.getLogger("dbos").handlers = [logging.NullHandler()]
    return {
        "name": "buhin-pipelines",
        "system_database_url": database_url,
        "application_version": str(FORMAT),
        "executor_id": executor,
        "log_level": "CRITICAL",
        "enable_otlp": False,
        "use_listen_notify": False,
        "notification_listener_polling_interval_sec": 0.1,
    }


def run(
    spec: Spec,
    files: Iterable[Path],
    *,
    out: Path,
    parameters: Mapping[str, str] | None = None,
    settings: ClientSettings | None = None,
    fresh: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S,
) -> Report:
    """Run a pipeline, or go on with an unfinished run of the same on the same input, and write its outputs to ``out``.

    Raises InvalidInputError for a wrong input or parameter, RunStoppedError where a step could not be done and
    RunError where the run cannot be worked on. KeyboardInterrupt stops cleanly; the run can be resumed.
    """
    settings = settings or ClientSettings()
    found = inputs.collect(files, spec.input)
    if spec.input.kind == "file" and len(found) != 1:
        raise RunError(run=spec.name, problem=f"a run takes one file, not {len(found)}")
    values = inputs.parameters(spec.parameters, parameters or {})
    try:
        current = find_or_create(settings.state_dir, spec, found, values, fresh=fresh)
        with (
            current.locked(),
            telemetry.span("pipeline", pipeline=spec.name, run=current.id),
            Caller(spec, settings, retry_delays_s) as caller,
        ):
            execution = Execution(spec, found, values, current, caller)
            return _Process(spec, current, execution, caller, out, on_progress).run()
    except (OSError, SQLAlchemyError) as error:
        said = error.strerror if isinstance(error, OSError) else getattr(error, "orig", error)
        raise RunError(run=spec.name, problem=f"its state cannot be kept in {settings.state_dir}: {said}") from error


class Steps:
    """The steps of a run one after another, within a DBOS workflow: each call is a DBOS step."""

    def __init__(self, spec: Spec, execution: Execution, on_progress: Callable[[Progress], None]) -> None:
        self.reused = 0
        self._spec = spec
        self._execution = execution
        self._on_progress = on_progress

    def run(self) -> None:
        """Do them all. Raises Pause where one cannot be done."""
        for step in self._spec.steps.values():
            self._step(step)

    def _step(self, step: Step) -> None:
        elements = self._execution.elements(step)
        kept: list[Kept] = []
        failed = reused = 0
        progress = Progress(step.id, 0, len(elements), 0, 0)
        self._on_progress(progress)
        for index, element in enumerate(elements):
            called: list[bool] = []

            def call(
                index: int = index, element: Any = element, called: list[bool] = called, now: Progress = progress
            ) -> Kept:
                called.append(True)
                try:
                    return self._execution.call(
                        step, index, element, lambda error: self._on_progress(replace(now, waiting=error))
                    )
                except BaseException as error:  # whatever it is, the step is done again on resume
                    raise Pause(error) from error

            kept.append(DBOS.run_step({"name": f"{step.id}[{index}]"}, call))
            failed += "reason" in kept[-1]
            reused += not called
            progress = Progress(step.id, index + 1, len(elements), failed, reused)
            self._on_progress(progress)
        self.reused += reused
        self._execution.keep(step, elements, kept)


class _Process:
    """One process's work on a run."""

    def __init__(
        self,
        spec: Spec,
        current: Run,
        execution: Execution,
        caller: Caller,
        out: Path,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._run = current
        self._execution = execution
        self._caller = caller
        self._out = out
        self._steps = Steps(spec, execution, on_progress)
        self._outcome: Future[Report] = Future()

    def run(self) -> Report:
        DBOS(config=configured(self._run.database_url, "pipeline"))
        try:

            @DBOS.workflow(name="pipeline", max_recovery_attempts=None)
            def workflow() -> None:
                self._workflow()

            DBOS.launch()
            if DBOS.get_workflow_status(self._run.id) is None:
                with SetWorkflowID(self._run.id):
                    DBOS.start_workflow(workflow)
            return self._wait()
        finally:
            DBOS.destroy(destroy_registry=True)

    def _wait(self) -> Report:
        try:
            while not self._outcome.done():
                wait([self._outcome], timeout=2)
                status = DBOS.get_workflow_status(self._run.id)
                if status is not None and status.status == "ERROR":
                    raise RunError(run=self._run.id, problem="its database is damaged; start anew with --fresh")
            report = self._outcome.result()
        except KeyboardInterrupt:
            self._caller.stop()
            wait([self._outcome], timeout=30)
            raise
        DBOS.retrieve_workflow(self._run.id).get_result(polling_interval_sec=0.02)
        return report

    def _workflow(self) -> None:
        try:
            self._steps.run()
            outputs = self._execution.write(self._out)
        except BaseException as raised:  # noqa: BLE001 - handed to the thread that waits
            error = raised.error if isinstance(raised, Pause) else raised
            self._outcome.set_exception(error)
            raise Pause(error) from error
        self._outcome.set_result(Report(self._run, outputs, self._execution.results, self._steps.reused))
