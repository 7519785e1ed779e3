"""The work of a run, whoever does it: what is called with what, what came of it, and what is written of that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import message_factory

from buhin import telemetry
from buhin.errors import (
    BuhinError,
    CancelledError,
    NotImplementedMethodError,
    RunError,
    RunStoppedError,
)
from buhin.pipelines.calling import RETRIED, Caller
from buhin.pipelines.inputs import InputFile, Value
from buhin.pipelines.references import UNSET, value_of
from buhin.pipelines.request import fill
from buhin.pipelines.results import Failure, Item, Job, Scope, StepResult
from buhin.pipelines.runs import Run, Stored, write_whole
from buhin.pipelines.spec import Spec, Step

Kept = dict[str, str]
"""What is remembered of a call, in DBOS: where its result is (Stored), or why there is none (Failure)."""

PASSING = (*RETRIED, CancelledError, NotImplementedMethodError)
"""Errors of a call that say nothing about its request: the run stops, and the call is made again later."""


class Execution:
    """A run on its input. Steps are kept in their order; each sees the results of those before it."""

    def __init__(
        self,
        spec: Spec,
        files: Sequence[InputFile],
        parameters: Mapping[str, Value | None],
        run: Run,
        caller: Caller,
    ) -> None:
        self.results: dict[str, StepResult] = {}
        self._spec = spec
        self._parameters = parameters
        self._run = run
        self._caller = caller
        self._source = files[0] if spec.input.kind == "file" else None
        self._trace = telemetry.current()
        self._given: dict[str, Any] = {
            "input": self._source or {"files": list(files)},
            "parameters": {name: UNSET if value is None else value for name, value in parameters.items()},
        }

    def elements(self, step: Step) -> list[Any]:
        """What the step is called for: the elements of its ``for_each``, or once for nothing."""
        return [None] if step.for_each is None else list(value_of(step.for_each, Scope(self._given, self.results)))

    def call(
        self, step: Step, index: int, element: Any, on_wait: Callable[[BuhinError], None] = lambda error: None
    ) -> Kept:
        """Make one call and store its answer. Raises RunStoppedError where the run cannot go on: a service is down, or
        a step without ``for_each`` failed.
        """
        item = {} if step.for_each is None else {"item": element}
        request = message_factory.GetMessageClass(step.method.input_type)()
        fill(request, step.request, Scope({**self._given, **item}, self.results))
        position = list(self._spec.steps).index(step.id) + 1
        request_id = f"{self._run.id.removeprefix(f'{self._spec.name}-')}.{position}.{index + 1}"
        try:
            with telemetry.within(self._trace), telemetry.span("step", step=step.id, index=index):
                response = self._caller.answer(
                    step.method, request, timeout_s=step.timeout_s, request_id=request_id, on_wait=on_wait
                )
        except BuhinError as error:
            if isinstance(error, PASSING) or step.for_each is None:
                raise RunStoppedError(
                    run=self._run.id, step=step.id, problem=error.message, problem_ja=error.message_ja
                ) from error
            return failed(error)
        stored = self._run.store(step.id, index, response.SerializeToString())
        return {"path": stored.path, "sha256": stored.sha256}

    def keep(self, step: Step, elements: Sequence[Any], kept: Sequence[Kept]) -> StepResult:
        """Take what came of all calls of a step as its result."""
        items = tuple(self._item(step, *each) for each in zip(elements, range(len(kept)), kept, strict=True))
        self.results[step.id] = StepResult(step.id, items, each=step.for_each is not None)
        return self.results[step.id]

    def save(self, before: Step, kept: Mapping[str, Sequence[Kept]]) -> Stored:
        """Store what came of the steps before one, for other processes."""
        return self._run.store(".before", list(self._spec.steps).index(before.id), json.dumps(kept).encode())

    def restore(self, stored: Stored) -> None:
        """Take the results that another process has saved."""
        for step, kept in json.loads(self._run.load(stored)).items():
            self.keep(self._spec.steps[step], self.elements(self._spec.steps[step]), kept)

    def write(self, out: Path) -> list[Path]:
        """Write the outputs and mark the run as finished. Raises RunError where they cannot be written."""
        written = []
        cards = self._caller.cards()
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
                    results={need: self.results[step] for need, step in output.sources.items()},
                )
                path = out / output.file
                if output.writer.folder:
                    for name, data in output.writer.write(job):
                        write_whole(path / name, data)
                else:
                    write_whole(path, output.writer.write(job))
                written.append(path)
        except OSError as error:
            raise RunError(run=self._run.id, problem=f"cannot write {error.filename}: {error.strerror}") from error
        self._run.finish(written, sum(len(result.failures()) for result in self.results.values()))
        return written

    def _item(self, step: Step, element: Any, index: int, kept: Kept) -> Item:
        source = element if isinstance(element, InputFile) else self._source
        label = element.name if isinstance(element, InputFile) else str(index + 1) if step.for_each else ""
        if "reason" in kept:
            return Item(label, source, Failure(**kept), lambda: None)
        message_class = message_factory.GetMessageClass(step.method.output_type)
        return Item(label, source, None, lambda: message_class.FromString(self._run.load(Stored(**kept))))


def failed(error: BuhinError) -> Kept:
    """An error as what is kept of a call."""
    return {"reason": error.reason, "message": error.message, "message_ja": error.message_ja}
