"""Runs a pipeline durably: a finished step is never repeated, whatever happens to the process.

Each call of a service is a DBOS step of one DBOS workflow. A run that cannot go on (a service is down, Ctrl-C, a
crash) leaves its workflow PENDING, exactly as ``kill -9`` does, and DBOS recovers it when the run is opened again.
Each run has a database of its own, so opening one can never start another. DBOS is one per process: so is a run.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID
from google.protobuf import message_factory
from sqlalchemy.exc import SQLAlchemyError

from buhin import telemetry
from buhin.client.catalogue import service_info
from buhin.client.connection import Connection
from buhin.common.v1 import common_pb2
from buhin.config import ClientSettings
from buhin.errors import (
    BuhinError,
    CancelledError,
    ModelError,
    NotImplementedMethodError,
    QueueFullError,
    RunError,
    RunStoppedError,
    UnavailableError,
)
from buhin.pipelines import inputs
from buhin.pipelines.references import UNSET, value_of
from buhin.pipelines.request import fill
from buhin.pipelines.results import Failure, Item, Job, Scope, StepResult
from buhin.pipelines.runs import FORMAT, Run, Stored, find_or_create, write_whole
from buhin.pipelines.spec import Spec, Step
from buhin.pipelines.types import function_of

RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Waits before a service that does not answer is called again; after the last the run stops."""


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


class _Pause(BaseException):
    """Leaves a step and the workflow without an outcome. Not an Exception: DBOS records those for ever."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


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
        with current.locked():
            return _Execution(spec, found, values, current, settings, out, on_progress, retry_delays_s).run()
    except (OSError, SQLAlchemyError) as error:
        said = error.strerror if isinstance(error, OSError) else getattr(error, "orig", error)
        raise RunError(run=spec.name, problem=f"its state cannot be kept in {settings.state_dir}: {said}") from error


class _Execution:
    """One process's work on a run."""

    def __init__(
        self,
        spec: Spec,
        files: list[inputs.InputFile],
        parameters: Mapping[str, inputs.Value | None],
        current: Run,
        settings: ClientSettings,
        out: Path,
        on_progress: Callable[[Progress], None],
        retry_delays_s: tuple[float, ...],
    ) -> None:
        self._spec = spec
        self._files = files
        self._parameters = parameters
        self._run = current
        self._settings = settings.model_copy(update={"priority": "batch"})
        self._out = out
        self._on_progress = on_progress
        self._retry_delays_s = retry_delays_s
        self._source = files[0] if spec.input.kind == "file" else None
        self._connections: dict[str, Connection] = {}
        self._stopping = threading.Event()
        self._outcome: Future[Report] = Future()
        self._results: dict[str, StepResult] = {}
        self._reused = 0
        self._trace = telemetry.current()
        self._given: dict[str, Any] = {
            "input": self._source or {"files": files},
            "parameters": {name: UNSET if value is None else value for name, value in parameters.items()},
        }

    def run(self) -> Report:
        with ExitStack() as stack:
            stack.enter_context(telemetry.span("pipeline", pipeline=self._spec.name, run=self._run.id))
            self._trace = telemetry.current()
            for function in {function_of(step.method) for step in self._spec.steps.values()}:
                self._connections[function] = stack.enter_context(Connection(function, settings=self._settings))
            logging.getLogger("dbos").handlers = [logging.NullHandler()]  # else DBOS writes to standard error itself
            DBOS(
                config={
                    "name": "buhin-pipelines",
                    "system_database_url": self._run.database_url,
                    "application_version": str(FORMAT),
                    "executor_id": "pipeline",
                    "log_level": "CRITICAL",
                    "enable_otlp": False,
                    "use_listen_notify": False,
                    "notification_listener_polling_interval_sec": 0.1,
                }
            )
            try:

                @DBOS.workflow(name="pipeline", max_recovery_attempts=None)
                def workflow() -> None:
                    self._workflow()

                DBOS.launch()
                if DBOS.get_workflow_status(self._run.id) is None:
                    with SetWorkflowID(self._run.id):
                        DBOS.start_workflow(workflow)
                return self._wait(stack)
            finally:
                DBOS.destroy(destroy_registry=True)

    def _wait(self, connections: ExitStack) -> Report:
        try:
            while not self._outcome.done():
                wait([self._outcome], timeout=2)
                status = DBOS.get_workflow_status(self._run.id)
                if status is not None and status.status == "ERROR":
                    raise RunError(run=self._run.id, problem="its database is damaged; start anew with --fresh")
            report = self._outcome.result()
        except KeyboardInterrupt:
            self._stopping.set()
            connections.close()
            wait([self._outcome], timeout=30)
            raise
        DBOS.retrieve_workflow(self._run.id).get_result(polling_interval_sec=0.02)
        return report

    def _workflow(self) -> None:
        try:
            for step in self._spec.steps.values():
                self._results[step.id] = self._step(step)
            outputs = self._write()
            self._run.finish(outputs, sum(len(result.failures()) for result in self._results.values()))
        except BaseException as raised:  # noqa: BLE001 - handed to the thread that waits
            error = raised.error if isinstance(raised, _Pause) else raised
            self._outcome.set_exception(error)
            raise _Pause(error) from error
        self._outcome.set_result(Report(self._run, outputs, self._results, self._reused))

    def _step(self, step: Step) -> StepResult:
        scope = Scope(self._given, self._results)
        elements = [None] if step.for_each is None else list(value_of(step.for_each, scope))
        items: list[Item] = []
        failed = reused = 0
        progress = Progress(step.id, 0, len(elements), 0, 0)
        self._on_progress(progress)
        for index, element in enumerate(elements):
            called: list[bool] = []

            def call(
                index: int = index, element: Any = element, called: list[bool] = called, now: Progress = progress
            ) -> dict[str, str]:
                called.append(True)
                try:
                    return self._call(now, step, index, {} if step.for_each is None else {"item": element})
                except BaseException as error:  # whatever it is, the step is done again on resume
                    raise _Pause(error) from error

            kept: dict[str, str] = DBOS.run_step({"name": f"{step.id}[{index}]"}, call)
            items.append(self._item(step, element, index, kept))
            failed += items[-1].failure is not None
            reused += not called
            progress = Progress(step.id, index + 1, len(elements), failed, reused)
            self._on_progress(progress)
        self._reused += reused
        return StepResult(step.id, tuple(items), each=step.for_each is not None)

    def _item(self, step: Step, element: Any, index: int, kept: dict[str, str]) -> Item:
        source = element if isinstance(element, inputs.InputFile) else self._source
        label = element.name if isinstance(element, inputs.InputFile) else str(index + 1) if step.for_each else ""
        if "reason" in kept:
            return Item(label, source, Failure(**kept), lambda: None)
        message_class = message_factory.GetMessageClass(step.method.output_type)
        return Item(label, source, None, lambda: message_class.FromString(self._run.load(Stored(**kept))))

    def _call(self, now: Progress, step: Step, index: int, item: Mapping[str, Any]) -> dict[str, str]:
        request = message_factory.GetMessageClass(step.method.input_type)()
        fill(request, step.request, Scope({**self._given, **item}, self._results))
        position = list(self._spec.steps).index(step.id) + 1
        request_id = f"{self._run.id.removeprefix(f'{self._spec.name}-')}.{position}.{index + 1}"
        try:
            with telemetry.within(self._trace), telemetry.span("step", step=step.id, index=index):
                response = self._answer(now, step, request, request_id)
        except (UnavailableError, QueueFullError, CancelledError, NotImplementedMethodError) as error:
            raise self._stopped(step, error) from error
        except BuhinError as error:
            if step.for_each is None:
                raise self._stopped(step, error) from error
            return {"reason": error.reason, "message": error.message, "message_ja": error.message_ja}
        stored = self._run.store(step.id, index, response.SerializeToString())
        return {"path": stored.path, "sha256": stored.sha256}

    def _answer(self, now: Progress, step: Step, request: Any, request_id: str) -> Any:
        connection = self._connections[function_of(step.method)]
        for delay_s in (*self._retry_delays_s, None):
            if self._stopping.is_set():
                raise CancelledError
            try:
                return connection.unary(step.method, request, timeout_s=step.timeout_s, request_id=request_id)
            except (UnavailableError, QueueFullError) as error:
                if delay_s is None or isinstance(error, ModelError):
                    raise
                self._on_progress(replace(now, waiting=error))
                self._stopping.wait(max(delay_s, error.retry_after_s or 0))
        raise AssertionError("the last try returns or raises")

    def _stopped(self, step: Step, error: BuhinError) -> RunStoppedError:
        return RunStoppedError(run=self._run.id, step=step.id, problem=error.message, problem_ja=error.message_ja)

    def _cards(self) -> dict[str, common_pb2.ServiceInfo]:
        """The cards of the services, as far as they still answer."""
        cards = {}
        for function in self._connections:
            with suppress(BuhinError):
                info = service_info(function, settings=self._settings)
                cards[info.service] = info
        return cards

    def _write(self) -> list[Path]:
        written = []
        cards = self._cards()
        try:
            for output in self._spec.outputs:
                job = Job(
                    title_en=self._spec.title.en,
                    title_ja=self._spec.title.ja,
                    run=self._run.id,
                    began=self._run.record.began,
                    parameters=self._parameters,
                    source=self._source,
                    cards=cards,
                    results={need: self._results[step] for need, step in output.sources.items()},
                )
                path = self._out / output.file
                if output.writer.folder:
                    for name, data in output.writer.write(job):
                        write_whole(path / name, data)
                else:
                    write_whole(path, output.writer.write(job))
                written.append(path)
        except OSError as error:
            raise RunError(run=self._run.id, problem=f"cannot write {error.filename}: {error.strerror}") from error
        return written
