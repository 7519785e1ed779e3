"""Minutes of a meeting: every sentence with what it stands on and whether a person should look."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from buhin.common.v1 import common_pb2
from buhin.pipelines.results import Job
from buhin.pipelines.types import of_message
from buhin.pipelines.writers.base import Need, file_writer
from buhin.pipelines.writers.plain import TRANSCRIPT, clock
from buhin.summarize.v1 import summarize_pb2
from buhin.translate.v1 import translate_pb2

MINUTES = of_message(summarize_pb2.SummarizeResponse.DESCRIPTOR)
TRANSLATION = of_message(translate_pb2.TranslateTextResponse.DESCRIPTOR)

_SUBJECT = re.compile(r"(?:sentences|translations|segments)\[(\d+)\]")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#])")

_LABELS = {
    "en": {
        "recording": "Recording",
        "made": "Made by buhin, run {run}, {began}",
        "review": "A person should check",
        "source": "Stands on",
        "no_source": "No statement was found that it stands on.",
        "unclear": "The recording is unclear at {times}.",
        "whole": "About the whole",
        "provenance": "Where this came from",
        "request": "request",
        "draft": "Drafted automatically. Check it against the recording before use.",
    },
    "ja": {
        "recording": "録音",
        "made": "buhin が作成（実行 {run}、{began}）",
        "review": "人による確認が必要",
        "source": "根拠となる発言",
        "no_source": "根拠となる発言は見つかりませんでした。",
        "unclear": "録音の聞き取りにくい箇所: {times}",
        "whole": "全体について",
        "provenance": "作成の記録",
        "request": "要求番号",
        "draft": "自動で作成した下書きです。使う前に録音と照らし合わせてください。",
    },
}


@dataclass(frozen=True)
class Quote:
    """A place in the transcript. ``time`` is ``mm:ss`` from its start; empty where it is in no segment."""

    time: str
    text: str
    similarity: float


@dataclass(frozen=True)
class Sentence:
    """A sentence of the minutes; ``translated`` is empty without a translation."""

    text: str
    translated: str
    quotes: tuple[Quote, ...]
    reasons: tuple[common_pb2.ReviewReason, ...]


@dataclass(frozen=True)
class Minutes:
    """The minutes, and the reasons to look that are about no single sentence.

    ``unclear`` holds the reasons about segments of the transcript by the segment's number from 0.
    """

    language: str
    translated_language: str
    sentences: tuple[Sentence, ...]
    reasons: tuple[common_pb2.ReviewReason, ...]
    unclear: Mapping[int, list[common_pb2.ReviewReason]]


def read(job: Job) -> Minutes:
    """The minutes of a job with ``transcript``, ``minutes`` and, where there is one, ``translation``."""
    transcript = job.results["transcript"].answer
    minutes = job.results["minutes"].answer
    translation = job.results["translation"].answer if "translation" in job.results else None
    general, unclear = _by_number(transcript.review.reasons)
    about_minutes, by_sentence = _by_number(minutes.review.reasons)
    about_translation, by_translation = _by_number(translation.review.reasons if translation is not None else ())
    translations = [one.translated_text for one in translation.translations] if translation is not None else []
    starts = _starts(transcript)
    return Minutes(
        language=minutes.target_language_code,
        translated_language=_translated_language(translation),
        sentences=tuple(
            Sentence(
                text=sentence.text,
                translated=translations[index] if index < len(translations) else "",
                quotes=tuple(_quote(citation, transcript.transcript, starts) for citation in sentence.citations),
                reasons=(*by_sentence.get(index, ()), *by_translation.get(index, ())),
            )
            for index, sentence in enumerate(minutes.sentences)
        ),
        reasons=(*general, *about_minutes, *about_translation),
        unclear=unclear,
    )


@file_writer(
    "minutes_markdown",
    Need("transcript", TRANSCRIPT),
    Need("minutes", MINUTES),
    Need("translation", TRANSLATION, optional=True),
)
def minutes_markdown(job: Job) -> bytes:
    """The minutes as Markdown: each sentence with its marks and the statements that it stands on.

    With ``translation`` the sentences are the translated ones; the statements stay as they were spoken.
    """
    minutes = read(job)
    translated = "translation" in job.results
    language = minutes.translated_language if translated else minutes.language
    label = _LABELS["ja" if language == "ja" else "en"]
    title = job.title_ja if language == "ja" else job.title_en
    transcript = job.results["transcript"].answer
    name = job.source.name if job.source is not None else ""
    lines = [f"# {_escape(title)}", "", f"{label['recording']}: {_escape(name)}", ""]
    lines[2] += f" ({clock(transcript.audio_duration.ToMilliseconds() / 1000)})"
    lines += [f"*{label['draft']}*", ""]
    for sentence in minutes.sentences:
        lines.append(f"- {_escape(sentence.translated if translated else sentence.text)}")
        lines += [f"  - ⚠ {label['review']}: {text}" for text in _messages(sentence.reasons, language)]
        for quote in sentence.quotes[:1]:
            time = f"[{quote.time}] " if quote.time else ""
            lines.append(f"  - {label['source']}: {time}{_escape(quote.text)}")
        if not sentence.quotes:
            lines.append(f"  - {label['no_source']}")
    notes = _messages(minutes.reasons, language)
    if minutes.unclear:
        segments = transcript.segments
        times = [clock(segments[number].start_offset.ToMilliseconds() / 1000) for number in sorted(minutes.unclear)]
        notes.append(label["unclear"].format(times=", ".join(times)))
    if notes:
        lines += ["", f"## {label['whole']}", ""]
        lines += [f"- ⚠ {label['review']}: {text}" for text in notes]
    lines += ["", "---", "", f"## {label['provenance']}", ""]
    for _, provenance in job.provenances():
        lines.append(f"- {_provenance(provenance)}; {label['request']} `{provenance.request_id}`")  # type: ignore[attr-defined]
    lines += ["", label["made"].format(run=f"`{job.run}`", began=job.began), ""]
    return "\n".join(lines).encode()


def _translated_language(translation: Any) -> str:
    """The response does not name the target language; the house's other language of the source is what is asked for."""
    if translation is None or not translation.translations:
        return "en"
    return "ja" if translation.translations[0].source_language_code == "en" else "en"


def _by_number(
    reasons: Iterable[common_pb2.ReviewReason],
) -> tuple[list[common_pb2.ReviewReason], dict[int, list[common_pb2.ReviewReason]]]:
    """The reasons about the whole, and those about one sentence, translation or segment by its number."""
    general: list[common_pb2.ReviewReason] = []
    numbered: dict[int, list[common_pb2.ReviewReason]] = {}
    for reason in reasons:
        match = _SUBJECT.match(reason.subject)
        (numbered.setdefault(int(match[1]), []) if match else general).append(reason)
    return general, numbered


def _starts(transcript: Any) -> list[tuple[int, int, str]]:
    """For each segment the range of its text in the transcript and its time."""
    found = []
    position = 0
    for segment in transcript.segments:
        start = transcript.transcript.find(segment.text, position)
        if start >= 0:
            position = start + len(segment.text)
            found.append((start, position, clock(segment.start_offset.ToMilliseconds() / 1000)))
    return found


def _quote(citation: Any, text: str, starts: Iterable[tuple[int, int, str]]) -> Quote:
    start, end = citation.span.start_char, citation.span.end_char
    time = next((time for begin, until, time in starts if begin <= start < until), "")
    return Quote(time, text[start:end].strip(), citation.similarity)


def _messages(reasons: Iterable[common_pb2.ReviewReason], language: str) -> list[str]:
    return [_escape(reason.message_ja if language == "ja" else reason.message) for reason in reasons]


def _provenance(provenance: Any) -> str:
    models = ", ".join(f"{model.model_id} (`{model.digest}`)" for model in provenance.models)
    engine = f"{provenance.engine} {provenance.engine_version}".strip()
    return f"{provenance.service} {provenance.service_version}, {engine}" + (f"; {models}" if models else "")


def _escape(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
