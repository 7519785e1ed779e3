"""Severity of cracks by named sets of rules: classes of width, as manuals of inspection give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from buhin.catalogue.card import Localized

DEFAULT = "general"
Measured = tuple[float, float]
"""A width and its standard uncertainty, in millimetres."""
_FOLDER = Path(__file__).with_name("rules")
_WORDS = {
    "mean_width_mm": Localized(en="mean width", ja="平均幅"),
    "max_width_mm": Localized(en="maximum width", ja="最大幅"),
}


class RulesError(ValueError):
    """A file of rules is wrong; names the file and what is wrong."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeverityClass(_Part):
    """A class: from a width in millimetres on, or above it where ``exclusive``."""

    id: str = Field(pattern=r"^[a-z0-9_-]{1,32}$")
    level: Literal["hairline", "moderate", "wide"]
    label: Localized
    from_mm: float = Field(ge=0, le=10_000)
    exclusive: bool = False

    def holds(self, width_mm: float) -> bool:
        """Whether a width reaches this class."""
        return width_mm > self.from_mm if self.exclusive else width_mm >= self.from_mm


@dataclass(frozen=True)
class Judgement:
    """A class and why. ``borderline``: the uncertainty of the width reaches another class."""

    severity: SeverityClass
    why: Localized
    borderline: bool


class RuleSet(_Part):
    """Classes from the mildest to the most serious, by the mean or the greatest width of a crack."""

    id: str
    title: Localized
    source: str
    note: Localized
    measure: Literal["mean_width_mm", "max_width_mm"]
    min_length_mm: float = Field(default=0, ge=0, le=100_000)
    """Shorter cracks are of the mildest class."""
    classes: tuple[SeverityClass, ...] = Field(min_length=2, max_length=16)

    @model_validator(mode="after")
    def _ordered(self) -> RuleSet:
        bounds = [each.from_mm for each in self.classes]
        if bounds[0] != 0 or self.classes[0].exclusive:
            raise ValueError("the first class has to be from 0 mm on")
        if any(later <= earlier for earlier, later in pairwise(bounds)):
            raise ValueError("from_mm has to grow from class to class")
        if len({each.id for each in self.classes}) < len(self.classes):
            raise ValueError("two classes have the same id")
        return self

    @classmethod
    def load(cls, path: Path) -> RuleSet:
        """The rules of a file, whose name is their identifier. Raises RulesError."""
        try:
            return cls.model_validate({"id": path.stem, **(yaml.safe_load(path.read_text(encoding="utf-8")) or {})})
        except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValidationError) as error:
            raise RulesError(f"{path}: {error}") from error

    def judge(self, mean_width: Measured, max_width: Measured, length_mm: float) -> Judgement:
        """The class of a crack."""
        width, uncertainty = mean_width if self.measure == "mean_width_mm" else max_width
        if length_mm < self.min_length_mm:
            why = Localized(
                en=f"length {length_mm:.4g} mm is below {self.min_length_mm:g} mm",
                ja=f"長さ {length_mm:.4g} mm は {self.min_length_mm:g} mm 未満",
            )
            return Judgement(self.classes[0], why, borderline=False)
        found = self._class(width)
        reached = {self._class(max(0.0, width - uncertainty)).id, self._class(width + uncertainty).id}
        return Judgement(found, self._why(width, found), borderline=reached != {found.id})

    def _class(self, width_mm: float) -> SeverityClass:
        return next(each for each in reversed(self.classes) if each.holds(width_mm))

    def _why(self, width_mm: float, found: SeverityClass) -> Localized:
        word = _WORDS[self.measure]
        n = self.classes.index(found)
        said, said_ja = [f"{width_mm:.3g} mm"], [f"{width_mm:.3g} mm"]
        if n:
            said.append(f"is {'above' if found.exclusive else 'at least'} {found.from_mm:g} mm")
            said_ja.append(f"{found.from_mm:g} mm {'超' if found.exclusive else '以上'}")
        if n + 1 < len(self.classes):
            above = self.classes[n + 1]
            said.append(f"{'and' if n else 'is'} {'not above' if above.exclusive else 'below'} {above.from_mm:g} mm")
            said_ja.append(f"{above.from_mm:g} mm {'以下' if above.exclusive else '未満'}")
        return Localized(en=f"{word.en} {' '.join(said)}", ja=f"{word.ja} {said_ja[0]}（{'、'.join(said_ja[1:])}）")


def rule_sets(folder: Path | None = None) -> Mapping[str, RuleSet]:
    """The rule sets of the house by their identifiers, with those of a folder added or in their place.

    Raises RulesError for a file that is wrong, or a folder that is not there.
    """
    if folder is not None and not folder.is_dir():
        raise RulesError(f"{folder} is not a folder")
    files = [*sorted(_FOLDER.glob("*.yaml")), *(sorted(folder.glob("*.yaml")) if folder else [])]
    return {file.stem: RuleSet.load(file) for file in files}
