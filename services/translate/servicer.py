"""Proto to domain and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeAlias

import grpc

from buhin.common.v1 import common_pb2
from buhin.config import TextSettings
from buhin.engine import Stop
from buhin.errors import EmptyInputError, InputTooLargeError, MissingFieldError, UnsupportedLanguageError
from buhin.review import Notice, Reason, review, warnings
from buhin.serving import Worker
from buhin.serving.streams import opened
from buhin.serving.worker import Stream
from buhin.text.checks import require_length, require_printable, require_text
from buhin.text.generator import Quality
from buhin.text.languages import NAMES, PLAIN_JAPANESE, PLAIN_JAPANESE_NAME, detect, normalize
from buhin.text.sentences import Span
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from services.translate import reasons
from services.translate.engine import Options, Plainness, TranslateEngine, Translation
from services.translate.streaming import Sentences
from services.translate.terms import Terms

MAX_CONTENTS = 256
UNDETERMINED = "und"

Directions: TypeAlias = Mapping[tuple[str, str], Quality]

_QUALITY = {
    Quality.UNMEASURED: translate_pb2.PAIR_QUALITY_UNSPECIFIED,
    Quality.WEAK: translate_pb2.PAIR_QUALITY_WEAK,
    Quality.DRAFT: translate_pb2.PAIR_QUALITY_DRAFT,
    Quality.GOOD: translate_pb2.PAIR_QUALITY_GOOD,
}


class TranslateServicer(translate_pb2_grpc.TranslateServiceServicer):
    """Answers with an engine."""

    def __init__(self, worker: Worker[TranslateEngine], settings: TextSettings) -> None:
        self._worker = worker
        self._max_characters = settings.max_characters
        self._glossary_dir = settings.glossary_dir
        self._idle_s = settings.stream_idle_s

    async def TranslateText(  # noqa: N802 - the name is the proto's
        self, request: translate_pb2.TranslateTextRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> translate_pb2.TranslateTextResponse:
        """Translate texts in their order. A text that is in the target language already is returned as it is."""
        contents = self._contents(request.contents)
        directions = self._worker.ready_engine().directions
        target = _target(request.target_language_code, directions, "target_language_code")
        given = _language(request.source_language_code, directions, "source_language_code")
        terms = Terms(request.glossary, self._glossary_dir, "glossary")
        found: list[Reason] = []
        notices: list[Notice] = []
        jobs: list[Options | None] = []
        languages = []
        for number, content in enumerate(contents):
            language = given or self._detected(number, content, found)
            languages.append(language)
            if language in (target, UNDETERMINED):
                notices.append(_unchanged(number, language))
                jobs.append(None)
            else:
                _require(directions, language, target, "source_language_code" if given else f"contents[{number}]")
                options = Options(language, target, terms.of(language, target), request.plain_language.furigana)
                jobs.append(options)

        def work(engine: TranslateEngine, stop: Stop) -> list[Translation]:
            return [
                engine.translate(content, job, stop) if job else Translation(content, ())
                for content, job in zip(contents, jobs, strict=True)
            ]

        results = await self._worker.run(work)
        for source, _ in dict.fromkeys((job.source, job.target) for job in jobs if job):
            found.extend(reasons.of_direction(source, target, directions[source, target]))
            notices.extend(terms.unused(source, target))
        for number, (content, result, job) in enumerate(zip(contents, results, jobs, strict=True)):
            if job:
                found.extend(reasons.of_translation(content, result, job, f"translations[{number}]"))
        return translate_pb2.TranslateTextResponse(
            translations=[_translation(r, language) for r, language in zip(results, languages, strict=True)],
            review=review(found),
            warnings=warnings(notices),
        )

    async def StreamTranslateText(  # noqa: N802 - the name is the proto's
        self,
        request_iterator: AsyncIterator[translate_pb2.StreamTranslateTextRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[translate_pb2.StreamTranslateTextResponse]:
        """Translate each sentence when it is complete. No text is read while a sentence is worked on, so a caller that
        sends faster is held back.
        """
        with self._worker.stream() as stream:
            config, portions = await opened(request_iterator, self._idle_s)
            directions = stream.engine.directions
            target = _target(config.target_language_code, directions, "config.target_language_code")
            source = _language(config.source_language_code, directions, "config.source_language_code")
            if not source:
                raise MissingFieldError(field="config.source_language_code")
            terms = Terms(config.glossary, self._glossary_dir, "config.glossary")
            options = None
            if source != target:
                _require(directions, source, target, "config.source_language_code")
                options = Options(source, target, terms.of(source, target), config.plain_language.furigana)
            sentences = Sentences()
            async for portion in portions:
                require_length(len(portion), self._max_characters, "text")
                require_printable(portion, "text")
                for sentence in sentences.add(portion):
                    yield await _streamed(stream, sentence, options)
            for sentence in sentences.end():
                yield await _streamed(stream, sentence, options)

    async def DetectLanguage(  # noqa: N802 - the name is the proto's
        self, request: translate_pb2.DetectLanguageRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> translate_pb2.DetectLanguageResponse:
        """Tell languages. It takes microseconds, so it needs no worker."""
        found: list[Reason] = []
        detections = []
        for number, content in enumerate(self._contents(request.contents)):
            candidates = detect(content)
            if candidates:
                found.extend(reasons.of_detection(number, candidates[0].language, candidates[0].probability))
            detections.append(
                translate_pb2.LanguageDetection(
                    candidates=[
                        translate_pb2.LanguageCandidate(language_code=c.language, confidence=c.probability)
                        for c in candidates
                    ]
                )
            )
        return translate_pb2.DetectLanguageResponse(detections=detections, review=review(found))

    async def ListLanguages(  # noqa: N802 - the name is the proto's
        self, request: translate_pb2.ListLanguagesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> translate_pb2.ListLanguagesResponse:
        """List what the engine has."""
        directions = self._worker.ready_engine().directions
        names = NAMES | {PLAIN_JAPANESE: PLAIN_JAPANESE_NAME}
        return translate_pb2.ListLanguagesResponse(
            languages=[
                translate_pb2.Language(
                    language_code=code,
                    name=common_pb2.LocalizedText(en=names.get(code, (code,))[0], ja=names.get(code, (code,))[-1]),
                )
                for code in sorted({code for pair in directions for code in pair})
            ],
            pairs=[
                translate_pb2.LanguagePair(
                    source_language_code=source, target_language_code=target, quality=_QUALITY[quality]
                )
                for (source, target), quality in sorted(directions.items(), key=lambda item: item[0])
            ],
        )

    def _contents(self, contents: Sequence[str]) -> list[str]:
        if not contents:
            raise EmptyInputError(field="contents")
        if len(contents) > MAX_CONTENTS:
            raise InputTooLargeError(field="contents", size=len(contents), unit="texts", limit=MAX_CONTENTS)
        require_length(sum(map(len, contents)), self._max_characters, "contents")
        for number, content in enumerate(contents):
            require_text(content, f"contents[{number}]")
        return list(contents)

    def _detected(self, number: int, content: str, found: list[Reason]) -> str:
        candidates = detect(content)
        if not candidates:
            return UNDETERMINED
        found.extend(reasons.of_detection(number, candidates[0].language, candidates[0].probability))
        return candidates[0].language


def _language(code: str, directions: Directions, field: str) -> str:
    """The language of a code, one of the engine's; empty for an empty code."""
    language = PLAIN_JAPANESE if code.strip().lower() == PLAIN_JAPANESE else normalize(code)
    known = {each for direction in directions for each in direction}
    if language and language not in known:
        raise UnsupportedLanguageError(field=field, value=code, accepted=", ".join(sorted(known)))
    return language


def _target(code: str, directions: Directions, field: str) -> str:
    if not (language := _language(code, directions, field)):
        raise MissingFieldError(field=field)
    return language


def _require(directions: Directions, source: str, target: str, field: str) -> None:
    """Raise UnsupportedLanguageError for a direction that the engine does not have."""
    if (source, target) not in directions:
        accepted = sorted(known for known, into in directions if into == target)
        raise UnsupportedLanguageError(field=field, value=source, accepted=", ".join(accepted) or "-")


async def _streamed(
    stream: Stream[TranslateEngine], sentence: str, options: Options | None
) -> translate_pb2.StreamTranslateTextResponse:
    """The answer for one sentence."""
    if options is None:
        return translate_pb2.StreamTranslateTextResponse(source_text=sentence, translated_text=sentence)
    job = options
    result = await stream.run(lambda engine, stop: engine.translate(sentence, job, stop))
    quality = stream.engine.directions[options.source, options.target]
    found = [
        *reasons.of_direction(options.source, options.target, quality),
        *reasons.of_translation(sentence, result, options, ""),
    ]
    return translate_pb2.StreamTranslateTextResponse(
        source_text=sentence,
        translated_text=result.text,
        similarity=min(pair.similarity for pair in result.pairs),
        review=review(found),
    )


def _unchanged(number: int, language: str) -> Notice:
    field = f"contents[{number}]"
    if language == UNDETERMINED:
        return Notice("NOTHING_TO_TRANSLATE", "the text has no letters", "翻訳する文字がありません", field)
    return Notice("SAME_LANGUAGE", "the text is in the target language", "原文はすでに訳文の言語です", field)


def _translation(translation: Translation, language: str) -> translate_pb2.Translation:
    return translate_pb2.Translation(
        translated_text=translation.text,
        source_language_code=language,
        sentences=[
            translate_pb2.SentencePair(
                source_span=_span(pair.source), target_span=_span(pair.target), similarity=pair.similarity
            )
            for pair in translation.pairs
        ],
        plain_language=_plain_language(translation.plainness) if translation.plainness else None,
    )


def _plain_language(plainness: Plainness) -> translate_pb2.PlainLanguageCheck:
    return translate_pb2.PlainLanguageCheck(
        longest_sentence_characters=plainness.longest,
        mean_sentence_characters=plainness.mean,
        highest_kanji_grade=plainness.highest_grade,
        easy_word_share=plainness.easy_share,
        difficult_words=plainness.difficult,
    )


def _span(span: Span) -> common_pb2.TextSpan:
    return common_pb2.TextSpan(start_char=span.start, end_char=span.end)
