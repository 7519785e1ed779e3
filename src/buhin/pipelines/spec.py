"""A checked pipeline: what ``checker.load`` makes of a YAML file and ``runner.run`` runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor

from buhin.catalogue.card import Localized
from buhin.pipelines.inputs import InputRule, Parameter
from buhin.pipelines.references import Reference
from buhin.pipelines.request import Fields
from buhin.pipelines.writers import Writer


@dataclass(frozen=True)
class Step:
    """One service method to call, once or for each element of a list."""

    id: str
    method: MethodDescriptor
    request: Fields
    for_each: Reference | None
    timeout_s: float | None


@dataclass(frozen=True)
class Output:
    """A file, or a folder, that a writer makes of the results of steps."""

    file: str
    writer: Writer
    sources: Mapping[str, str]
    """What the writer needs: its name there to the step that gives it."""


@dataclass
class Spec:
    """A checked pipeline."""

    path: Path
    text: str
    name: str = ""
    title: Localized = field(default_factory=lambda: Localized(en="", ja=""))
    input: InputRule = field(default_factory=InputRule)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
