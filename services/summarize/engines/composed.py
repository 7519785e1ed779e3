"""The summarizer of the service: extractive by sentence embeddings, abstractive by a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from buhin.engine import LoadedModel, Stop
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generator, Task
from services.summarize.engine import Method, Options, Style, Summary
from services.summarize.engines import abstractive, extractive, minutes


class ComposedSummarizer:
    """A SummarizeEngine on any Generator. The parts of all requests share its slots."""

    def __init__(self, generator: Generator, encoder: SentenceEncoder, *, slots: int) -> None:
        self._generator = generator
        self._encoder = encoder
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="part")
        self.name = f"embeddings+{generator.name}"
        self.version = generator.version
        self.models: Sequence[LoadedModel] = (generator.model, encoder.model)

    def warm_up(self) -> None:
        """Summarize a text for real, in every way that the model can."""
        for method in Method if Task.SUMMARIZE in self._generator.tasks else (Method.EXTRACTIVE,):
            options = Options(method, Style.PARAGRAPH, "ja", "ja", max_sentences=1)
            *_, summary = self.summarize("会議は三時に始まる。場所は二階である。", options, Stop())
            if not (isinstance(summary, Summary) and summary.sentences):
                raise RuntimeError(f"{method.name.lower()} summarization gives nothing")

    def close(self) -> None:
        """Free the model."""
        self._pool.shutdown(cancel_futures=True)
        self._generator.close()

    def summarize(self, text: str, options: Options, stop: Stop) -> Iterator[str | Summary]:
        """Summarize by the method that is wanted."""
        if options.method is Method.EXTRACTIVE:
            return extractive.summarize(text, options, self._encoder, stop)
        if options.style is Style.MINUTES:
            return minutes.summarize(text, options, self._generator, self._encoder, self._pool, stop)
        return abstractive.summarize(text, options, self._generator, self._encoder, self._pool, stop)
