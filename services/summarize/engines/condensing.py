"""Abstracts and headlines, written from the points of a text."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from buhin.text.sentences import split
from services.summarize.engine import Sentence, Style
from services.summarize.engines import prompts
from services.summarize.engines.citing import cite
from services.summarize.engines.source import Source
from services.summarize.engines.writer import Writer

_TRIES = (1.0, 0.6)
"""Shares of the length that the model is told, one after the other, until what it writes fits."""


def condense(
    points: Sequence[str], places: Sequence[int], source: Source, writer: Writer
) -> Generator[str, None, tuple[list[Sentence], int]]:
    """Write an abstract or a headline from points of the sentences at ``places``; gives the sentences, and how many had
    no room. A headline that is too long also the second time is cut.
    """
    options = writer.options
    headline = options.style is Style.HEADLINE
    texts: list[str] = []
    finished = True
    for share in _TRIES:
        part = writer.start(prompts.to_condense(points, options, share), places)
        if share == _TRIES[0]:
            yield from iter(part.drafted.get, None)
        written = part.written.result()
        finished = written.finished
        lines = [_line(written.text)] if headline else [span.of(written.text) for span in split(written.text)]
        texts = [line for line in lines if line]
        if options.fits(texts[:1]):
            break
    else:
        texts, finished = [texts[0][: (options.max_characters or 0) - 1] + "…"], False
    kept = next((n for n in range(len(texts), 0, -1) if options.fits(texts[:n])), 0)
    return cite(texts[:kept], finished or kept < len(texts), places, source, options, writer.encoder), len(texts) - kept


def _line(text: str) -> str:
    """A headline without what models put around it."""
    line = next((line for line in text.splitlines() if line.strip()), "").strip().lstrip("#").strip()
    return line.strip('「」"“”*').rstrip("。.")
