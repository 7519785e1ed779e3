"""Abstracts and headlines, written from the points of a text."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from buhin.text.sentences import split
from services.summarize.engine import Options, Sentence, Style
from services.summarize.engines import prompts
from services.summarize.engines.citing import cite
from services.summarize.engines.source import Source
from services.summarize.engines.writer import Writer


def condense(
    points: Sequence[str], places: Sequence[int], source: Source, writer: Writer
) -> Generator[str, None, tuple[list[Sentence], int]]:
    """Write an abstract or a headline from points of the sentences at ``places``; gives the sentences, and how many had
    no room. A headline that is too long also the second time is cut.
    """
    options = writer.options
    prompt = prompts.to_condense(points, options)
    part = writer.start(prompt, places)
    yield from iter(part.drafted.get, None)
    written = part.written.result()
    texts, finished = _texts(written.text, options), written.finished
    if not options.fits(texts[:1]):
        again = replace(writer, options=replace(options, source=options.target))
        written = again.start(prompts.to_shorten(prompt, written.text, options), places).written.result()
        texts, finished = _texts(written.text, options) or texts, written.finished
    if not options.fits(texts[:1]):
        texts, finished = [_cut(texts[0], options.max_characters or 0)], False
    kept = next((n for n in range(len(texts), 0, -1) if options.fits(texts[:n])), 0)
    return cite(texts[:kept], finished or kept < len(texts), places, source, options, writer.encoder), len(texts) - kept


def _texts(written: str, options: Options) -> list[str]:
    """The sentences of an abstract, or a headline."""
    if options.style is not Style.HEADLINE:
        return [span.of(written) for span in split(written)]
    line = _line(written)
    return [line] if line else []


def _cut(text: str, most: int) -> str:
    """The beginning of a text, if possible to the end of a word or a clause, and a mark that more was written."""
    room = text[: max(0, most - 1)]
    end = max(room.rfind(mark) for mark in " 、,")
    return (room[:end] if end > len(room) // 2 else room) + "…"


def _line(text: str) -> str:
    """A headline without what models put around it."""
    line = next((line for line in text.splitlines() if line.strip()), "").strip().lstrip("#").strip()
    return line.strip('「」"“”*').rstrip("。.")
