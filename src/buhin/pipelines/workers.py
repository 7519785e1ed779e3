"""One of the workers that share a run: its parts are DBOS workflows on a queue, which whoever is free takes.

One workflow leads: it knows the steps, puts their items (or, in a pipeline on one file, the files) on the queue, waits
for them and writes the outputs. Every workflow has a name that says what it is, so nothing is put there twice. A part
that cannot be done now stays PENDING, as in ``runner``, and its worker ends; so it does where it is killed. Whoever
takes its place recovers its parts, or any other worker that finds its lock free (``presence``).
"""

from __future__ import annotations

import functools
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from dbos import DBOS, Queue, SetWorkflowID, WorkflowHandle
from sqlalchemy.exc import SQLAlchemyError

from buhin.config import ClientSettings
from buhin.errors import (
    BuhinError,
    CancelledError,
    InputFileError,
    NotImplementedMethodError,
    RunError,
    RunStoppedError,
)
from buhin.pipelines import inputs
from buhin.pipelines.calling import RETRY_DELAYS_S, Caller
from buhin.pipelines.execution import PASSING, Execution, Kept, failed
from buhin.pipelines.presence import CONNECTING, FileLock, Presence, SessionLocks
from buhin.pipelines.records import identified, token_of
from buhin.pipelines.runner import Pause, Steps, configured
from buhin.pipelines.runs import Stored, open_or_create, open_run
from buhin.pipelines.spec import Spec
from buhin.pipelines.submission import PIPELINE_FILE, SUBMISSION_FILE, Submission, schema_of, state_of

DONE, AGAIN, FAILED = 0, 1, 3
"""Exit codes of a worker: the run is finished; it may be tried again; that would not help."""

MAX_TOLD = 100
"""Most failures that the result of a run names; how many there were it always says."""

_GOING_ON = ("ENQUEUED", "DELAYED", "PENDING")
_POLL_S = 0.2
_LOOK_S = 1.0
_TELL_S = 2.0

Told = Callable[..., None]
"""Takes an event and its fields, which are plain JSON."""


@dataclass(frozen=True)
class Place:
    """Where a worker is: its number, which the one that takes its place has too, and where the volume is mounted."""

    number: int
    root: Path
    settings: ClientSettings


class Worker:
    """Takes part in a run until it is finished, or cannot go on. One in a process, which should end with it."""

    def __init__(
        self,
        spec: Spec,
        submission: Submission,
        place: Place,
        tell: Told,
        retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S,
    ) -> None:
        self._spec = spec
        self._submission = submission
        self._place = place
        self._name = f"worker-{place.number}"
        self._state = state_of(submission.run, place.settings.state_dir)
        self._workflow = f"run:{submission.run}"
        self._tell = tell
        self._values: dict[str, inputs.Value | None] = {}
        self._caller = Caller(spec, place.settings, retry_delays_s)
        self._stopped = threading.Event()
        self._problem: BaseException | None = None
        self._preparing = threading.Lock()
        self._told_at = 0.0

    def stop(self, error: BaseException | None = None) -> None:
        """End the work as soon as it can; what is in flight is done again later. Safe to call from any thread."""
        self._problem = self._problem or error or CancelledError()
        self._stopped.set()

    def run(self) -> int:
        """Work; the exit code. Tells what happened."""
        try:
            with ExitStack() as stack:
                stack.enter_context(self._caller)
                return self._work(stack)
        except BuhinError as error:
            self._tell("stopped", **failed(error))
            return AGAIN if _passing(error) else FAILED
        except (OSError, SQLAlchemyError) as error:
            problem = error.strerror if isinstance(error, OSError) else getattr(error, "orig", error)
            self._tell("stopped", **failed(RunError(run=self._submission.run, problem=f"its state: {problem}")))
            return AGAIN

    def _work(self, stack: ExitStack) -> int:
        self._values = inputs.parameters(self._spec.parameters, self._submission.parameters)
        url = self._place.settings.database_url
        presence: Presence
        if url is None:
            presence = stack.enter_context(FileLock(self._state))
            self._take(presence, self._name)
            identified(self._state, self._spec, self._submission)
            config = configured(f"sqlite:///{self._state.resolve() / 'steps.sqlite'}", self._name)
        else:
            address = url.get_secret_value()
            with SessionLocks(address, self._submission.run) as alone:
                self._take(alone, "record")
                token = identified(self._state, self._spec, self._submission)
            schema = schema_of(self._submission.run, token)
            presence = stack.enter_context(SessionLocks(address, schema))
            self._take(presence, self._name)
            config = configured(address, self._name)
            config["dbos_system_schema"] = schema
            config["sys_db_pool_size"] = self._submission.concurrency + 6
            config["db_engine_kwargs"] = {"connect_args": {"application_name": "buhin-parts", **CONNECTING}}
        DBOS(config=config)
        self._register()
        DBOS.launch()
        self._queue = DBOS.register_queue(
            "parts", worker_concurrency=self._submission.concurrency, polling_interval_sec=_POLL_S
        )
        leading = DBOS.register_queue("runs", polling_interval_sec=_POLL_S)
        self._enqueue(leading, self._workflow, self._leader)
        self._tell("began", concurrency=self._submission.concurrency)
        result = self._wait(presence)
        self._tell("finished", **result)
        DBOS.destroy(destroy_registry=True)
        return FAILED if any(step["done"] == 0 and step["failed"] for step in result["steps"].values()) else DONE

    def _take(self, presence: Presence, worker: str) -> None:
        waited = False
        while not presence.take(worker):
            if not waited:
                self._tell("waiting", problem=f"another {worker} is still there")
            waited = True
            if self._stopped.wait(_LOOK_S):
                raise CancelledError

    def _register(self) -> None:
        def workflow(name: str, work: Callable[..., Any]) -> Any:
            @functools.wraps(work)
            def whole(*arguments: Any) -> Any:
                return self._durably(work, *arguments)

            return DBOS.workflow(name=name, max_recovery_attempts=None)(whole)

        self._leader = workflow("run", self._lead)
        self._item = workflow("item", self._do_item)
        self._file = workflow("file", self._do_file)

    def _enqueue(self, queue: Queue, name: str, workflow: Any, *arguments: Any) -> WorkflowHandle[Any]:
        with SetWorkflowID(name):
            return queue.enqueue(workflow, *arguments)

    def _durably(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do something, or stop this worker without an outcome of it."""
        try:
            return work(*arguments)
        except BaseException as raised:  # noqa: BLE001 - handed to the thread that waits
            error = raised.error if isinstance(raised, Pause) else raised
            self.stop(error)
            raise Pause(error) from error

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        return DBOS.run_step({"name": name}, lambda: self._durably(work))

    def _wait(self, presence: Presence) -> dict[str, Any]:
        """What came of the run, when it is finished. Meanwhile takes over what dead workers left."""
        while True:
            status = DBOS.get_workflow_status(self._workflow)
            if status is not None and status.status == "SUCCESS":
                return cast(dict[str, Any], status.output)
            if status is not None and status.status not in _GOING_ON:
                problem = f"PostgreSQL or SQLite says of it {status.status}; delete it and submit it again"
                raise RunError(run=self._submission.run, problem=problem)
            if self._stopped.wait(_LOOK_S):
                self._caller.stop()
                raise self._problem or CancelledError()
            presence.check()
            pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
            for other in {str(each.executor_id) for each in pending} - {self._name}:
                if presence.take(other):
                    found = DBOS._recover_pending_workflows([other])
                    self._tell("recovered", of=other, parts=len(found))
                    presence.release(other)

    def _lead(self) -> dict[str, Any]:
        return self._lead_items() if self._spec.input.kind == "files" else self._lead_files()

    def _paths(self) -> list[Path]:
        return inputs.find([self._place.root / path for path in self._submission.inputs], self._spec.input)

    def _lead_items(self) -> dict[str, Any]:
        """One run on all files: every call is a part."""

        def begin() -> str:
            files = [inputs.InputFile.at(path) for path in self._paths()]
            return open_or_create(self._state, self._spec, files, self._values).id

        run = self._step("input", begin)
        execution = self._execution(run)
        everything: dict[str, list[Kept]] = {}
        failures: list[dict[str, str]] = []
        for step in self._spec.steps.values():
            elements = execution.elements(step)
            before = vars(execution.save(step, everything))
            parts = [
                self._enqueue(self._queue, f"item:{step.id}:{index}", self._item, run, step.id, index, before)
                for index in range(len(elements))
            ]
            everything[step.id] = self._gathered(step.id, parts)
            result = execution.keep(step, elements, everything[step.id])
            failures += [
                {"step": step.id, "item": label, "reason": why.reason, "message": why.message}
                for label, why in result.failures()
            ]
        self._step("outputs", lambda: self._write(execution, self._place.root / self._submission.out))
        return self._result(everything, failures)

    def _lead_files(self) -> dict[str, Any]:
        """A run for each file: every file is a part, whose calls are made one after another."""

        def begin() -> list[tuple[str, str]]:
            paths = self._paths()
            folders = inputs.folders(paths, self._place.root / self._submission.out)
            return [(str(path), str(folder)) for path, folder in zip(paths, folders, strict=True)]

        files = self._step("input", begin)
        parts = [self._enqueue(self._queue, f"file:{number}", self._file, *each) for number, each in enumerate(files)]
        kept = self._gathered("files", parts)
        failures = [
            {"step": each["step"], "item": Path(path).name, "reason": each["reason"], "message": each["message"]}
            for (path, _), each in zip(files, kept, strict=True)
            if "reason" in each
        ]
        return self._result({"files": kept}, failures)

    def _gathered(self, step: str, parts: list[WorkflowHandle[Any]]) -> list[Any]:
        """What came of the parts; tells how far they are."""
        kept: list[Any] = []
        bad = 0
        for part in parts:
            kept.append(part.get_result(polling_interval_sec=_POLL_S))
            bad += "reason" in kept[-1]
            if len(kept) == len(parts) or time.monotonic() - self._told_at > _TELL_S:
                self._told_at = time.monotonic()
                self._tell("progress", step=step, done=len(kept) - bad, failed=bad, total=len(parts))
        return kept

    def _result(self, steps: dict[str, list[Kept]], failures: list[dict[str, str]]) -> dict[str, Any]:
        counts = {step: sum("reason" in each for each in kept) for step, kept in steps.items()}
        return {
            "out": self._submission.out,
            "steps": {step: {"done": len(steps[step]) - bad, "failed": bad} for step, bad in counts.items()},
            "failures": failures[:MAX_TOLD],
        }

    def _execution(self, run: str) -> Execution:
        opened = open_run(self._state, run)
        return Execution(self._spec, opened.files, self._values, opened, self._caller)

    def _write(self, execution: Execution, out: Path) -> None:
        execution.write(out)

    @functools.lru_cache(maxsize=2)  # noqa: B019 - there is one worker in a process
    def _prepared(self, run: str, step: str, path: str, sha256: str) -> tuple[Execution, list[Any]]:
        execution = self._execution(run)
        execution.restore(Stored(path, sha256))
        return execution, execution.elements(self._spec.steps[step])

    def _do_item(self, run: str, step: str, index: int, before: dict[str, str]) -> Kept:
        with self._preparing:
            execution, elements = self._prepared(run, step, **before)
        try:
            kept = execution.call(self._spec.steps[step], index, elements[index], self._told_waiting(step))
        except InputFileError as error:
            kept = failed(error)
        if "reason" in kept:
            self._tell("failed", step=step, item=index + 1, **kept)
        return kept

    def _do_file(self, path: str, folder: str) -> Kept:
        def begin() -> Kept:
            try:
                file = inputs.InputFile.at(Path(path))
            except InputFileError as error:
                return failed(error)
            return {"run": open_or_create(self._state, self._spec, [file], self._values).id}

        begun = self._step("input", begin)
        if "run" not in begun:
            return self._told_failed(path, {"step": "input", **begun})
        execution = self._execution(begun["run"])

        def told(progress: Any) -> None:
            if progress.waiting:
                self._told_waiting(progress.step)(progress.waiting)

        try:
            Steps(self._spec, execution, told).run()
        except Pause as pause:
            error = pause.error
            if isinstance(error, InputFileError):
                return self._told_failed(path, {"step": "input", **failed(error)})
            if not isinstance(error, RunStoppedError) or isinstance(error.__cause__, PASSING):
                raise
            cause = error.__cause__ if isinstance(error.__cause__, BuhinError) else error
            return self._told_failed(path, {"step": error.metadata["step"], **failed(cause)})
        self._step("outputs", lambda: self._write(execution, Path(folder)))
        return {}

    def _told_failed(self, path: str, kept: Kept) -> Kept:
        self._tell("failed", item=Path(path).name, **kept)
        return kept

    def _told_waiting(self, step: str) -> Callable[[BuhinError], None]:
        return lambda error: self._tell("waiting", step=step, problem=error.message)


def _passing(error: BuhinError) -> bool:
    """Whether the same may go well later."""
    cause = error.__cause__ if isinstance(error, RunStoppedError) else error
    return isinstance(cause, (*PASSING, InputFileError)) and not isinstance(cause, NotImplementedMethodError)


def read(folder: Path) -> tuple[Spec, Submission]:
    """What a worker is given. Raises an ExceptionGroup of SpecErrors, OSError and ValidationError."""
    from buhin.pipelines.checker import load

    return load(folder / PIPELINE_FILE), Submission.model_validate_json((folder / SUBMISSION_FILE).read_bytes())


def forget(run: str, settings: ClientSettings) -> None:
    """Remove what is kept of a run that nobody works on: its schema of the database and its folder, not its outputs.

    Raises SQLAlchemyError and OSError.
    """
    folder = state_of(run, settings.state_dir)
    token = token_of(folder)
    if settings.database_url is not None and token:
        url = sa.make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"connect_timeout": 10})
        with engine.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = '30s'"))
            connection.execute(sa.schema.DropSchema(schema_of(run, token), cascade=True, if_exists=True))
    if folder.exists():
        shutil.rmtree(folder)
