"""The acceptance calls of the four services: real engines answer them, one that answers nonsense does not."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import pytest

from buhin.config import ImageSettings, SpeechSettings, TextSettings
from buhin.errors import UnusableModelError
from buhin.models.store import ModelStore
from services.image_inspect.engine import Detection
from services.speech.engine import Transcription
from services.summarize.engine import Sentence, Summary
from services.translate.engine import Pair, Translation
from tests.generators import WRITER

pytestmark = pytest.mark.model

SETTINGS = {
    "speech": SpeechSettings, "summarize": TextSettings, "translate": TextSettings, "image_inspect": ImageSettings,
}  # fmt: skip


class Nonsense:
    """Any engine, which understood nothing."""

    name, version = "nonsense", "0"
    models = (WRITER,)
    directions: ClassVar[dict[tuple[str, str], None]] = {("ja", "en"): None}

    def recognize(self, *arguments: Any) -> Transcription:
        """Nothing heard."""
        return Transcription(segments=(), language="ja", language_probability=1.0, speech_s=1.0)

    def translate(self, content: str, *arguments: Any) -> Translation:
        """Something else."""
        return Translation("No.", (Pair(None, None, 0.1, finished=True),))  # type: ignore[arg-type]

    def summarize(self, *arguments: Any) -> Iterator[Summary]:
        """What the source does not say."""
        yield Summary((Sentence("It rains.", (), 0.1),), ("writer",))

    def detect(self, photo: Any, *arguments: Any) -> Detection:
        """A crack everywhere."""
        everywhere = np.ones(photo.shape[:2], bool)
        return Detection(everywhere, everywhere.astype(np.uint8) * 255, 128.0)


@pytest.mark.parametrize("function", SETTINGS)
def test_the_engine_that_is_shipped_is_accepted_and_nonsense_is_not(function: str, store: ModelStore) -> None:
    application = import_module(f"services.{function}.__main__").application(SETTINGS[function]())
    engine = application.load()
    try:
        application.accept(engine)
    finally:
        engine.close()
    with pytest.raises(UnusableModelError):
        application.accept(Nonsense())
