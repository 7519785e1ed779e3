"""When a person should look at a transcript, and what the caller should know of it."""

from __future__ import annotations

from collections.abc import Iterator

from buhin.review import Notice, Reason
from services.speech.engine import Options, Segment, Span, Transcription
from services.speech.guards import MAX_COMPRESSION_RATIO, REPEATS, known_phrase, loops, rare_sentence, repeated

MIN_CONFIDENCE = 0.6
"""Sentences that are right have 0.66 and more in the recordings of the card; wrong ones mostly less."""
MIN_LANGUAGE_PROBABILITY = 0.7


def reasons(result: Transcription, options: Options) -> list[Reason]:
    """The reasons to look, most serious first."""
    return [*_missing(result), *_repeated(result.segments), *_doubtful(result, options)]


def notices(result: Transcription, options: Options) -> Iterator[Notice]:
    """The warnings."""
    if not result.segments and not result.unheard:
        yield Notice("NO_SPEECH", "no speech was found in the audio", "音声に発話が見つかりませんでした")
    if result.hotwords_cut and result.segments:
        yield Notice(
            "HOTWORDS_CUT",
            f"only the first {result.hotwords_used} hotwords had room",
            f"先頭の {result.hotwords_used} 語だけをヒントに使いました",
            field="config.hotwords" if result.hotwords_used < len(options.hotwords) else "config.glossary_id",
        )


def _missing(result: Transcription) -> Iterator[Reason]:
    for gap in result.unheard:
        yield Reason(
            "VOICE_WITHOUT_TEXT",
            f"there is a voice at {_range(gap)} s and no text",
            f"{_range(gap)} 秒に声がありますが、文字になっていません",
            value=gap.end_s - gap.start_s,
        )
    for segment in result.removed:
        yield _removed(segment)


def _removed(segment: Segment) -> Reason:
    """Why a text was left out, by what gave it away."""
    if known_phrase(segment.text):
        code, en, ja = "KNOWN_PHRASE", "a phrase that is often invented, in doubtful sound", "音が不確かな決まり文句の"
    elif loops(segment.text):
        code, en, ja = "REPETITION", "the same again and again, in doubtful sound", "音が不確かな繰り返しの"
    else:
        code, en, ja = "TEXT_REMOVED", "hardly anybody speaks there", "発話とは考えにくい"
    return Reason(
        code,
        f"a text at {_range(segment)} s was left out: {en}",
        f"{_range(segment)} 秒の文字は、{ja}ため除きました",
        value=segment.no_speech_probability,
    )


def _repeated(segments: tuple[Segment, ...]) -> Iterator[Reason]:
    ratio_before, again = 0.0, repeated(segments)
    for number, segment in enumerate(segments):
        subject = f"segments[{number}]"
        if segment.compression_ratio > MAX_COMPRESSION_RATIO and segment.compression_ratio != ratio_before:
            yield Reason(
                "REPETITION",
                "the text from here repeats itself; it may not have been said so",
                "ここからの文字は繰り返しが多く、実際の発話と異なるおそれがあります",
                subject=subject,
                value=segment.compression_ratio,
                threshold=MAX_COMPRESSION_RATIO,
            )
        elif loops(segment.text):
            yield Reason(
                "REPETITION",
                "the same comes again and again in this text; it may not have been said so",
                "同じ言葉が何度も続いており、実際の発話と異なるおそれがあります",
                subject=subject,
            )
        if number in again:
            yield Reason(
                "REPETITION",
                f"the same text stands {REPEATS} times in a row; it may not have been said so",
                f"同じ文が {REPEATS} 回続いており、実際の発話と異なるおそれがあります",
                subject=subject,
            )
        if rare_sentence(segment.text):
            yield Reason(
                "KNOWN_PHRASE",
                "this has a phrase that is often invented; listen whether it was said",
                "認識誤りとしてよく現れる決まり文句です。実際に話されたか確認してください",
                subject=subject,
            )
        ratio_before = segment.compression_ratio


def _doubtful(result: Transcription, options: Options) -> Iterator[Reason]:
    if options.language is None and result.segments and result.language_probability < MIN_LANGUAGE_PROBABILITY:
        yield Reason(
            "LANGUAGE_UNCERTAIN",
            f"the language may not be {result.language}; give it in the request",
            f"言語が {result.language} でない可能性があります。要求で言語を指定してください",
            subject="language_code",
            value=result.language_probability,
            threshold=MIN_LANGUAGE_PROBABILITY,
        )
    for number, segment in enumerate(result.segments):
        if segment.confidence < MIN_CONFIDENCE:
            yield Reason(
                "LOW_CONFIDENCE",
                f"the text at {_range(segment)} s is uncertain",
                f"{_range(segment)} 秒の文字は確信度が低めです",
                subject=f"segments[{number}]",
                value=segment.confidence,
                threshold=MIN_CONFIDENCE,
            )


def _range(span: Span) -> str:
    return f"{span.start_s:.1f}–{span.end_s:.1f}"
