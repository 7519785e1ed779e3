"""Parts of a summary, written at the same time, each followed as it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue

from buhin.engine import Stop
from buhin.text.embeddings import SentenceEncoder
from buhin.text.generator import Generation, Generator, Prompt
from services.summarize.engine import Options
from services.summarize.engines import prompts


@dataclass
class Part:
    """What is being written of the sentences at ``places``: its characters as they come, with None at the end, and what
    came of it.
    """

    places: Sequence[int]
    drafted: SimpleQueue[str | None] = field(default_factory=SimpleQueue)
    written: Future[Generation] = field(default_factory=Future)


@dataclass(frozen=True)
class Writer:
    """Writes with the models, for one request."""

    generator: Generator
    encoder: SentenceEncoder
    pool: ThreadPoolExecutor
    options: Options
    stop: Stop

    def start(self, prompt: Prompt, places: Sequence[int]) -> Part:
        """Begin to write, in the language that is wanted."""
        part = Part(places)
        part.written = self.pool.submit(self._write, prompt, part.drafted.put)
        part.written.add_done_callback(lambda _: part.drafted.put(None))
        return part

    def _write(self, prompt: Prompt, on_text: Callable[[str], None]) -> Generation:
        options = self.options
        same = options.target == options.source
        written = self.generator.generate(prompt, stop=self.stop, on_text=on_text if same else None)
        if prompts.leaks(prompt, written.text):
            written = self.generator.generate(prompts.without_examples(prompt), stop=self.stop)
            if prompts.leaks(prompt, written.text):
                return Generation("", True)
        if same:
            return written
        translation = prompts.to_translate(" ".join(written.text.split()), options.source, options.target)
        translated = self.generator.generate(translation, stop=self.stop, on_text=on_text)
        return Generation(translated.text, written.finished and translated.finished)
