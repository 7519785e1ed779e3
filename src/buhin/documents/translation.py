"""Documents through the translate service: in batches within its limits, with the reviews of all of them."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buhin.common.v1 import common_pb2
from buhin.documents import marks
from buhin.documents.base import Document, Place, Segment, require_size, unreadable
from buhin.errors import EmptyInputError, MissingFieldError
from buhin.review import Reason, review
from buhin.text.sentences import split
from buhin.translate.v1 import translate_pb2

if TYPE_CHECKING:
    from buhin.client import AsyncTranslateClient, TranslateClient

BATCH_CHARACTERS, BATCH_TEXTS = 4_000, 64
"""Most characters and texts of a call: enough to keep the service busy, and an answer every few seconds."""
_SAMPLE_CHARACTERS = 2_000
_LETTER = re.compile(r"[^\W\d_]")
_PATH = re.compile(r"translations\[(\d+)\](.*)")

Call = tuple[str, list[str]]
"""What to ask the service: ``detect`` or ``translate``, and the texts."""


@dataclass(frozen=True)
class Finding:
    """A reason to look, and where in the document; None for all of it."""

    place: Place | None
    reason: common_pb2.ReviewReason


@dataclass(frozen=True)
class DocumentTranslation:
    """What came of a document. ``source`` is the language it was translated from; the findings are in its order, each
    kind of warning is there once.
    """

    source: str
    target: str
    segments: int
    findings: tuple[Finding, ...]
    warnings: tuple[common_pb2.Warning, ...]
    provenance: common_pb2.Provenance


def read(path: Path) -> Document:
    """Read a document; its kind is that of its name. Raises UnreadableMediaError or InputTooLargeError."""
    suffix = path.suffix.lower()
    if suffix == ".docx":
        from buhin.documents.docx import DocxDocument

        return DocxDocument(_bytes(path))
    if suffix in (".md", ".markdown"):
        from buhin.documents.markdown import MarkdownDocument

        return MarkdownDocument(_bytes(path))
    if suffix in (".srt", ".vtt"):
        from buhin.documents.subtitles import SubtitleDocument

        return SubtitleDocument(_bytes(path))
    if suffix in (".txt", ""):
        from buhin.documents.text import TextDocument

        return TextDocument(_bytes(path))
    raise unreadable(f"a name that ends in {suffix}", ", ".join(SUFFIXES))


SUFFIXES = (".txt", ".md", ".markdown", ".srt", ".vtt", ".docx")
"""The kinds of documents."""


def translate(
    path: Path,
    out: Path,
    client: TranslateClient,
    *,
    target: str,
    source: str = "",
    glossary: Mapping[str, str] | None = None,
    glossary_id: str = "",
    do_not_translate: Sequence[str] = (),
    furigana: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> DocumentTranslation:
    """Translate a document into ``out``, which has the same form.

    ``on_progress`` gets the number of texts that are done and of all. The other options are those of
    ``TranslateClient.translate_text``; the language of the document is detected once when ``source`` is empty. Raises
    what the service raises, EmptyInputError without text, and the errors of ``read``. ``out`` is written at the end.
    """
    options: dict[str, Any] = {
        "target": target, "glossary": glossary, "glossary_id": glossary_id, "do_not_translate": do_not_translate,
        "furigana": furigana,
    }  # fmt: skip
    job = _Job(read(path), target, source, on_progress)
    steps = job.steps()
    answer: Any = None
    while (call := _next(steps, answer)) is not None:
        kind, texts = call
        if kind == "detect":
            answer = client.detect_language(texts)
        else:
            answer = client.translate_text(texts, source=job.source, **options)
    out.write_bytes(job.written)
    return job.result


async def translate_async(
    path: Path,
    out: Path,
    client: AsyncTranslateClient,
    *,
    target: str,
    source: str = "",
    glossary: Mapping[str, str] | None = None,
    glossary_id: str = "",
    do_not_translate: Sequence[str] = (),
    furigana: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> DocumentTranslation:
    """The async twin of ``translate``."""
    options: dict[str, Any] = {
        "target": target, "glossary": glossary, "glossary_id": glossary_id, "do_not_translate": do_not_translate,
        "furigana": furigana,
    }  # fmt: skip
    job = _Job(await asyncio.to_thread(read, path), target, source, on_progress)
    steps = job.steps()
    answer: Any = None
    while (call := _next(steps, answer)) is not None:
        kind, texts = call
        if kind == "detect":
            answer = await client.detect_language(texts)
        else:
            answer = await client.translate_text(texts, source=job.source, **options)
    await asyncio.to_thread(out.write_bytes, job.written)
    return job.result


def _next(steps: Generator[Call, Any, None], answer: Any) -> Call | None:
    try:
        return steps.send(answer)
    except StopIteration:
        return None


class _Job:
    """The translation of a document as calls to make, whoever makes them."""

    def __init__(self, document: Document, target: str, source: str, on_progress: Callable[[int, int], None]) -> None:
        self._document = document
        self._target = target
        self._on_progress = on_progress
        self._findings: list[Finding] = []
        self._said: set[str] = set()
        self._warnings: dict[str, common_pb2.Warning] = {}
        self._provenance = common_pb2.Provenance()
        self.source = source
        self.written = b""

    @property
    def result(self) -> DocumentTranslation:
        """What came of it, after the last step."""
        order = {segment.place: number for number, segment in enumerate(self._document.segments)}
        findings = sorted(self._findings, key=lambda found: -1 if found.place is None else order[found.place])
        return DocumentTranslation(
            self.source, self._target, len(order), tuple(findings), tuple(self._warnings.values()), self._provenance
        )

    def steps(self) -> Generator[Call, Any, None]:
        """The calls, each answered before the next."""
        segments = self._document.segments
        worded = [number for number, segment in enumerate(segments) if _LETTER.search(marks.plain(segment.text))]
        if not worded:
            raise EmptyInputError(field="document")
        if not self.source:
            sample = "\n".join(marks.plain(segments[number].text) for number in worded)[:_SAMPLE_CHARACTERS]
            candidates = (yield "detect", [sample]).detections[0].candidates
            if not candidates:
                raise MissingFieldError(field="source")
            self.source = candidates[0].language_code
        texts = [segment.text for segment in segments]
        places = [segments[number].place for number in worded]
        whole = yield from self._translated([texts[number] for number in worded], places, self._on_progress)
        broken = []
        for number, text in zip(worded, whole, strict=True):
            if marks.intact(segments[number].text, text):
                texts[number] = text
            else:
                broken.append(number)
        for number in broken:
            texts[number] = yield from self._mended(segments[number])
        self.written = self._document.write(texts)

    def _mended(self, segment: Segment) -> Generator[Call, Any, str]:
        """A segment whose tags did not survive: without emphasis where nothing else is lost with it, else piece by
        piece.
        """
        self._findings = [found for found in self._findings if found.place != segment.place]
        if segment.vital:
            self._find(segment.place, _IN_PIECES)
            parts = marks.pieces(segment.text)
            worded = [n for n, part in enumerate(parts) if n % 2 == 0 and _LETTER.search(part)]
            done = yield from self._translated([parts[n].strip() for n in worded], [segment.place] * len(worded))
            for n, text in zip(worded, done, strict=True):
                parts[n] = parts[n].replace(parts[n].strip(), text)
            return "".join(parts)
        self._find(segment.place, _EMPHASIS_LOST)
        (text,) = yield from self._translated([marks.plain(segment.text)], [segment.place])
        return text

    def _translated(
        self,
        texts: Sequence[str],
        places: Sequence[Place],
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Generator[Call, Any, list[str]]:
        """The translations of texts, those of a long one put together from its sentences."""
        parts = [(number, part) for number, text in enumerate(texts) for part in _cut(text)]
        done = [""] * len(texts)
        start = 0
        while start < len(parts):
            stop, size = start, 0
            while stop < len(parts) and stop - start < BATCH_TEXTS and (size == 0 or size < BATCH_CHARACTERS):
                size += len(parts[stop][1])
                stop += 1
            batch = parts[start:stop]
            answer: translate_pb2.TranslateTextResponse = yield "translate", [part.strip() for _, part in batch]
            for (number, part), translation in zip(batch, answer.translations, strict=True):
                done[number] += part.replace(part.strip(), translation.translated_text)
            self._review(answer, [places[number] for number, _ in batch])
            start = stop
            on_progress(start, len(parts))
        return done

    def _review(self, answer: translate_pb2.TranslateTextResponse, places: Sequence[Place]) -> None:
        self._provenance.CopyFrom(answer.provenance)
        for warning in answer.warnings:
            warning.ClearField("field")
            self._warnings.setdefault(warning.code, warning)
        for reason in answer.review.reasons:
            found = _PATH.match(reason.subject)
            if found:
                reason.subject = found[2].lstrip(".")
                self._findings.append(Finding(places[int(found[1])], reason))
            elif reason.code not in self._said:
                self._said.add(reason.code)
                self._findings.append(Finding(None, reason))

    def _find(self, place: Place, reason: Reason) -> None:
        self._findings.append(Finding(place, review([reason]).reasons[0]))


_EMPHASIS_LOST = Reason(
    "EMPHASIS_LOST",
    "the translation has none of the emphasis of the text",
    "訳文では文字の強調が失われています",
)
_IN_PIECES = Reason(
    "TRANSLATED_IN_PIECES",
    "links or pictures did not survive the translation of the whole, so the words between them were translated alone",
    "全体を訳すとリンクや図が失われたため、その間の語句を別々に訳しました",
)


def _cut(text: str) -> list[str]:
    """The text in parts that are short enough for a call, cut between sentences. Together they are the text."""
    if len(text) <= BATCH_CHARACTERS or marks.TAG.search(text):
        return [text]
    parts, begin = [], 0
    spans = split(text)
    for span, after in itertools.pairwise(spans):
        if after.end - begin > BATCH_CHARACTERS:
            parts.append(text[begin : span.end])
            begin = span.end
    return [*parts, text[begin:]]


def _bytes(path: Path) -> bytes:
    require_size(path.stat().st_size)
    return path.read_bytes()
