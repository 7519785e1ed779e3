"""Minutes of a meeting: every sentence with what it stands on and whether a person should look."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
NEEDS = (
    Need("transcript", TRANSCRIPT),
    Need("minutes", MINUTES),
    Need("translation", TRANSLATION, optional=True),
    Need("titles", TRANSLATION.list(), optional=True),
)
"""``titles`` are the translated titles of the topics, one answer each."""

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
        "topics": "Topics",
        "decisions": "Decisions",
        "actions": "Actions",
        "open_questions": "Open questions",
        "owner": "Owner",
        "due": "Due",
        "speaker": "Said by",
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
        "topics": "議題",
        "decisions": "決定事項",
        "actions": "実施事項",
        "open_questions": "未決事項",
        "owner": "担当",
        "due": "期限",
        "speaker": "発言者",
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
    """A sentence of the minutes; ``translated`` is empty without a translation. ``notes`` are its ``speaker``,
    ``owner`` and ``due`` as they were said, where the recording tells.
    """

    text: str
    translated: str
    quotes: tuple[Quote, ...]
    reasons: tuple[common_pb2.ReviewReason, ...]
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topic:
    """Sentences under a title, with the reasons to look at its translation; both titles empty where there is none."""

    title: str
    translated: str
    sentences: tuple[Sentence, ...]
    reasons: tuple[common_pb2.ReviewReason, ...] = ()


@dataclass(frozen=True)
class Minutes:
    """The minutes, and the reasons to look that are about no single sentence.

    ``parts`` are ``topics``, ``decisions``, ``actions`` and ``open_questions``, those that have something; of a
    summary in another style one part, whose name is empty. ``unclear`` holds the reasons about segments of the
    transcript by the segment's number from 0.
    """

    language: str
    translated_language: str
    parts: Mapping[str, tuple[Topic, ...]]
    reasons: tuple[common_pb2.ReviewReason, ...]
    unclear: Mapping[int, list[common_pb2.ReviewReason]]


def read(job: Job) -> Minutes:
    """The minutes of a job with what NEEDS names."""
    transcript = job.results["transcript"].answer
    minutes = job.results["minutes"].answer
    translation = job.results["translation"].answer if "translation" in job.results else None
    general, unclear = _by_number(transcript.review.reasons)
    about_minutes, by_sentence = _by_number(minutes.review.reasons)
    about_translation, by_translation = _by_number(translation.review.reasons if translation is not None else ())
    translations = [one.translated_text for one in translation.translations] if translation is not None else []
    starts = _starts(transcript)
    sentences = [
        Sentence(
            text=sentence.text,
            translated=translations[index] if index < len(translations) else "",
            quotes=tuple(_quote(citation, transcript.transcript, starts) for citation in sentence.citations),
            reasons=(*by_sentence.get(index, ()), *by_translation.get(index, ())),
        )
        for index, sentence in enumerate(minutes.sentences)
    ]
    items = job.results["titles"].items if "titles" in job.results else ()
    titles = [item.answer if item.failure is None else None for item in items]
    return Minutes(
        language=minutes.target_language_code,
        translated_language=_translated_language(translation),
        parts=_parts(minutes, sentences, titles),
        reasons=(*general, *about_minutes, *about_translation),
        unclear=unclear,
    )


def _parts(answer: Any, sentences: Sequence[Sentence], titles: Sequence[Any]) -> Mapping[str, tuple[Topic, ...]]:
    """The sentences under their headings; ``titles`` are the translations of the titles, None where one failed."""
    if not answer.HasField("minutes"):
        return {"": (Topic("", "", tuple(sentences)),)} if sentences else {}

    def of(items: Iterable[Any], *notes: str) -> tuple[Sentence, ...]:
        return tuple(
            replace(
                sentences[item.sentence_index],
                notes={note: getattr(item, note) for note in notes if getattr(item, note)},
            )
            for item in items
        )

    topics = []
    for number, topic in enumerate(answer.minutes.topics):
        title = titles[number] if number < len(titles) else None
        translated = title.translations[0].translated_text if title is not None else ""
        reasons = tuple(title.review.reasons) if title is not None else ()
        topics.append(Topic(topic.title, translated, of(topic.items, "speaker"), reasons))
    lists = {
        "decisions": of(answer.minutes.decisions),
        "actions": of(answer.minutes.actions, "owner", "due"),
        "open_questions": of(answer.minutes.open_questions),
    }
    found = {"topics": tuple(topics)} | {name: (Topic("", "", given),) for name, given in lists.items() if given}
    return {name: part for name, part in found.items() if part}


@file_writer("minutes_markdown", *NEEDS)
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
    for name, topics in minutes.parts.items():
        lines += [f"## {label[name]}", ""] if name else []
        for topic in topics:
            if topic.title:
                lines += [f"### {_escape(topic.translated if translated and topic.translated else topic.title)}", ""]
            if translated:
                lines += [f"- ⚠ {label['review']}: {text}" for text in _messages(topic.reasons, language)]
            for sentence in topic.sentences:
                lines += _sentence(sentence, language, translated=translated)
            lines.append("")
    notes = _messages(minutes.reasons, language)
    if minutes.unclear:
        segments = transcript.segments
        times = [clock(segments[number].start_offset.ToMilliseconds() / 1000) for number in sorted(minutes.unclear)]
        notes.append(label["unclear"].format(times=", ".join(times)))
    if notes:
        lines += [f"## {label['whole']}", ""]
        lines += [f"- ⚠ {label['review']}: {text}" for text in notes]
        lines.append("")
    lines += ["---", "", f"## {label['provenance']}", ""]
    for _, provenance in job.provenances():
        lines.append(f"- {_provenance(provenance)}; {label['request']} `{provenance.request_id}`")  # type: ignore[attr-defined]
    lines += ["", label["made"].format(run=f"`{job.run}`", began=job.began), ""]
    return "\n".join(lines).encode()


def _sentence(sentence: Sentence, language: str, *, translated: bool) -> list[str]:
    """A sentence with who said or does it and by when, its marks, and the best of the statements that it stands on."""
    label = _LABELS["ja" if language == "ja" else "en"]
    lines = [f"- {_escape(sentence.translated if translated else sentence.text)}"]
    if sentence.notes:
        notes = [f"{label[name]}: {_escape(note)}" for name, note in sentence.notes.items()]
        lines.append(f"  - **{('、' if language == 'ja' else '; ').join(notes)}**")
    lines += [f"  - ⚠ {label['review']}: {text}" for text in _messages(sentence.reasons, language)]
    for quote in sentence.quotes[:1]:
        time = f"[{quote.time}] " if quote.time else ""
        lines.append(f"  - {label['source']}: {time}{_escape(quote.text)}")
    if not sentence.quotes:
        lines.append(f"  - {label['no_source']}")
    return lines


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
