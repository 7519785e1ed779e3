"""The card of a service: ``services/<function>/card.yaml``, and beside it ``quality.yaml``, what was measured of it."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from buhin.common.v1 import common_pb2


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Localized(_Part):
    """A text in the two languages of the house."""

    en: str
    ja: str

    def to_proto(self) -> common_pb2.LocalizedText:
        """The same as a message."""
        return common_pb2.LocalizedText(en=self.en, ja=self.ja)


class Method(_Part):
    """A method and whether it is implemented."""

    method: str
    implemented: bool


class Quality(_Part):
    """A measured figure."""

    measure: str
    value: float
    dataset: str
    model_id: str
    model_digest: str


class ServiceCard(_Part):
    """What a part is. Codes map to their meaning."""

    function: str = Field(pattern=r"^[a-z][a-z_]*$")
    service: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    title: Localized
    description: Localized
    methods: list[Method]
    quality: list[Quality] = []
    known_limits: list[Localized]
    review_codes: dict[str, Localized]
    warning_codes: dict[str, Localized] = {}

    @classmethod
    def load(cls, path: Path) -> ServiceCard:
        """Read a card; raises pydantic.ValidationError where it is wrong."""
        card = yaml.safe_load(path.read_text(encoding="utf-8"))
        measured = path.with_name("quality.yaml")
        if measured.is_file():
            card["quality"] = yaml.safe_load(measured.read_text(encoding="utf-8"))
        return cls.model_validate(card)

    def to_proto(self) -> common_pb2.ServiceInfo:
        """The card as a message, without what only the running service knows."""
        return common_pb2.ServiceInfo(
            function=self.function,
            service=self.service,
            service_version=self.version,
            title=self.title.to_proto(),
            description=self.description.to_proto(),
            methods=[common_pb2.MethodInfo(method=m.method, implemented=m.implemented) for m in self.methods],
            quality=[common_pb2.QualityFigure(**figure.model_dump()) for figure in self.quality],
            known_limits=[limit.to_proto() for limit in self.known_limits],
            review_codes=[common_pb2.CodeInfo(code=c, meaning=m.to_proto()) for c, m in self.review_codes.items()],
            warning_codes=[common_pb2.CodeInfo(code=c, meaning=m.to_proto()) for c, m in self.warning_codes.items()],
        )
