"""Proto to domain and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc

from buhin.common.v1 import common_pb2
from buhin.config import TextSettings
from buhin.engine import Stop
from buhin.errors import (
    EmptyInputError,
    InputTooLargeError,
    MissingFieldError,
    NotImplementedMethodError,
    UnsupportedLanguageError,
)
from buhin.review import Notice, Reason, review, warnings
from buhin.serving import Worker
from buhin.text import glossary
from buhin.text.checks import require_length, require_text
from buhin.text.generator import Quality
from buhin.text.languages import NAMES, detect, normalize
from buhin.text.sentences import Span
from buhin.translate.v1 import translate_pb2, translate_pb2_grpc
from services.translate import reasons
from services.translate.engine import Options, TranslateEngine, Translation

MAX_CONTENTS = 256
MAX_TERMS = 500
MAX_TERM_CHARACTERS = 64
UNDETERMINED = "und"

_QUALITY = {
    Quality.UNMEASURED: translate_pb2.PAIR_QUALITY_UNSPECIFIED,
    Quality.WEAK: translate_pb2.PAIR_QUALITY_WEAK,
    Quality.DRAFT: translate_pb2.PAIR_QUALITY_DRAFT,
    Quality.GOOD: translate_pb2.PAIR_QUALITY_GOOD,
}


class TranslateServicer(translate_pb2_grpc.TranslateServiceServicer):
    """Answers with an engine. StreamTranslateText is not implemented yet, as the card says."""

    def __init__(self, worker: Worker[TranslateEngine], settings: TextSettings) -> None:
        self._worker = worker
        self._max_characters = settings.max_characters
        self._glossary_dir = settings.glossary_dir

    async def TranslateText(  # noqa: N802 - the name is the proto's
        self, request: translate_pb2.TranslateTextRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> translate_pb2.TranslateTextResponse:
        """Translate texts in their order. A text that is in the target language already is returned as it is."""
        contents = self._contents(request.contents)
        directions = self._worker.ready_engine().directions
        targets = {target for _, target in directions}
        target = _language(request.target_language_code, "target_language_code", targets)
        if not target:
            raise MissingFieldError(field="target_language_code")
        sources = {source for source, into in directions if into == target}
        given = _language(request.source_language_code, "source_language_code", sources | {target})
        terms = _glossary(request.glossary, self._glossary_dir)
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
            elif language in sources:
                jobs.append(Options(language, target, terms(language, target)))
            else:
                accepted = ", ".join(sorted(sources))
                raise UnsupportedLanguageError(field=f"contents[{number}]", value=language, accepted=accepted)

        def work(engine: TranslateEngine, stop: Stop) -> list[Translation]:
            return [
                engine.translate(content, job, stop) if job else Translation(content, ())
                for content, job in zip(contents, jobs, strict=True)
            ]

        results = await self._worker.run(work)
        engine = self._worker.engine
        for options in dict.fromkeys((job.source, job.target) for job in jobs if job):
            quality = engine.directions.get(options, Quality.UNMEASURED) if engine else Quality.UNMEASURED
            found.extend(reasons.of_direction(Options(*options), quality))
        for number, (content, result, job) in enumerate(zip(contents, results, jobs, strict=True)):
            if job:
                found.extend(reasons.of_translation(number, content, result, job))
        return translate_pb2.TranslateTextResponse(
            translations=[_translation(r, language) for r, language in zip(results, languages, strict=True)],
            review=review(found),
            warnings=warnings(notices),
        )

    def StreamTranslateText(  # noqa: N802 - the name is the proto's
        self,
        request_iterator: AsyncIterator[translate_pb2.StreamTranslateTextRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[translate_pb2.StreamTranslateTextResponse]:
        """Is marked as not implemented on the card; the runtime answers before this."""
        raise NotImplementedMethodError(method="buhin.translate.v1.TranslateService/StreamTranslateText")

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
        return translate_pb2.ListLanguagesResponse(
            languages=[
                translate_pb2.Language(
                    language_code=code,
                    name=common_pb2.LocalizedText(en=NAMES[code][0], ja=NAMES[code][1]),
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


def _language(code: str, field: str, known: set[str]) -> str:
    """The language of a code. Raises UnsupportedLanguageError where the engine does not have it."""
    language = normalize(code)
    if language and language not in known:
        raise UnsupportedLanguageError(field=field, value=code, accepted=", ".join(sorted(known)))
    return language


def _glossary(request: translate_pb2.Glossary, folder: Path | None) -> Callable[[str, str], dict[str, str]]:
    """The terms that hold in a direction. Terms of the request go before those of the folder."""
    fields = {
        f"glossary.terms[{number}].{name}": text
        for number, term in enumerate(request.terms)
        for name, text in (("source", term.source), ("target", term.target))
    }
    fields |= {f"glossary.do_not_translate[{number}]": term for number, term in enumerate(request.do_not_translate)}
    for field, count in (("terms", len(request.terms)), ("do_not_translate", len(request.do_not_translate))):
        if count > MAX_TERMS:
            raise InputTooLargeError(field=f"glossary.{field}", size=count, unit="terms", limit=MAX_TERMS)
    for field, text in fields.items():
        require_text(text, field)
        require_length(len(text), MAX_TERM_CHARACTERS, field)
    rows = glossary.load(folder, request.glossary_id, "glossary.glossary_id") if request.glossary_id else []
    own = {term.source: term.target for term in request.terms} | {term: term for term in request.do_not_translate}
    return lambda source, target: glossary.pairs(rows, source, target) | own


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
    )


def _span(span: Span) -> common_pb2.TextSpan:
    return common_pb2.TextSpan(start_char=span.start, end_char=span.end)
