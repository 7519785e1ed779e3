"""The engine of the service on models that cannot do everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from buhin import errors
from buhin.engine import Stop
from buhin.text.generator import Quality, Task
from services.summarize.engine import Method, Options, Style, Summary
from services.summarize.engines.composed import ComposedSummarizer
from tests.generators import WRITER, FakeGenerator

TEXT = "会議は三時に始まる。場所は二階である。"


class Encoder:
    """An encoder for which everything is alike."""

    model = WRITER

    def encode(self, sentences: list[str]) -> np.ndarray[Any, Any]:
        """One direction."""
        return np.ones((len(sentences), 1), np.float32)


def summarizer(*tasks: Task) -> tuple[ComposedSummarizer, FakeGenerator]:
    """On a generator that does the tasks, and translates from Japanese into English only."""

    class Limited(FakeGenerator):
        """Knows little."""

    Limited.tasks, Limited.directions = frozenset(tasks), {("ja", "en"): Quality.GOOD}
    generator = Limited(lambda prompt: "会議は三時。")
    return ComposedSummarizer(generator, Encoder(), slots=1), generator  # type: ignore[arg-type]


def last(given: Iterator[str | Summary]) -> Summary:
    """The summary after its draft."""
    *_, summary = given
    assert isinstance(summary, Summary)
    return summary


def test_a_model_that_only_translates_still_extracts() -> None:
    engine, generator = summarizer(Task.TRANSLATE)
    engine.warm_up()
    assert last(engine.summarize(TEXT, Options(Method.EXTRACTIVE, Style.PARAGRAPH, "ja", "ja", 100), Stop())).sentences
    with pytest.raises(errors.UnsupportedTaskError, match="METHOD_EXTRACTIVE") as caught:
        last(engine.summarize(TEXT, Options(Method.ABSTRACTIVE, Style.PARAGRAPH, "ja", "ja", 100), Stop()))
    assert caught.value.field == "method"
    assert generator.asked == []


def test_a_language_into_which_the_model_does_not_translate() -> None:
    engine, generator = summarizer(*Task)
    engine.warm_up()
    del generator.asked[:]
    with pytest.raises(errors.UnsupportedLanguageError, match="is de; accepted: en, ja"):
        last(engine.summarize(TEXT, Options(Method.ABSTRACTIVE, Style.PARAGRAPH, "ja", "de", 100), Stop()))
    assert generator.asked == []
    assert last(engine.summarize(TEXT, Options(Method.ABSTRACTIVE, Style.PARAGRAPH, "ja", "en", 100), Stop())).sentences
