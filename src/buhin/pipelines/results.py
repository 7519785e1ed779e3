"""The results of steps, as writers see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from buhin.common.v1 import common_pb2
from buhin.pipelines.inputs import InputFile, Value


@dataclass(frozen=True)
class Failure:
    """Why an item has no answer."""

    reason: str
    message: str
    message_ja: str


@dataclass(frozen=True)
class Item:
    """What came of one call. The answer is read from the run's folder each time, so hold it no longer than needed."""

    label: str
    """Name of the input file, or the number of the item; empty for a step that is called once."""
    source: InputFile | None
    """The input file that it is about."""
    failure: Failure | None
    load: Callable[[], Any]

    @property
    def answer(self) -> Any:
        """The response message. Only where there is no failure."""
        return self.load()


@dataclass(frozen=True)
class StepResult:
    """What came of a step."""

    step: str
    items: tuple[Item, ...]
    each: bool
    """Whether the step is called for each element of a list."""

    @property
    def answer(self) -> Any:
        """The response of a step that is called once."""
        return self.items[0].answer

    def answers(self) -> Iterator[tuple[Item, Any]]:
        """The items that have an answer, each with it."""
        return ((item, item.answer) for item in self.items if item.failure is None)

    def failures(self) -> list[tuple[str, Failure]]:
        """The items that have none: their label and why."""
        return [(item.label, item.failure) for item in self.items if item.failure is not None]


@dataclass(frozen=True)
class Job:
    """What a writer works on."""

    title_en: str
    title_ja: str
    run: str
    began: str
    """When the run began: ISO 8601, UTC."""
    parameters: Mapping[str, Value | None]
    source: InputFile | None
    """The input file of a run on one file."""
    cards: Mapping[str, common_pb2.ServiceInfo]
    """The cards of the services by their full names, as far as they could be asked for."""
    results: Mapping[str, StepResult]
    """What the writer asked for, by its own names. What is optional may be absent."""

    def provenances(self) -> list[tuple[str, Message]]:
        """The provenance of every answer, with the label of its item."""
        return [
            (item.label, answer.provenance)
            for result in self.results.values()
            for item, answer in result.answers()
            if "provenance" in answer.DESCRIPTOR.fields_by_name
        ]


class Scope(Mapping[str, Any]):
    """What references see: the given values by name, and the answers of steps, read when they are asked for."""

    def __init__(self, given: Mapping[str, Any], results: Mapping[str, StepResult]) -> None:
        self._given = given
        self._results = results

    def __getitem__(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        result = self._results[name]
        return [answer for _, answer in result.answers()] if result.each else result.answer

    def __iter__(self) -> Iterator[str]:
        return iter([*self._given, *self._results])

    def __len__(self) -> int:
        return len(self._given) + len(self._results)
