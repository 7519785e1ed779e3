"""Proto to domain and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import grpc

from buhin.common.v1 import common_pb2
from buhin.config import TextSettings
from buhin.engine import Stop
from buhin.errors import (
    InvalidValueError,
    OutOfRangeError,
    UnsupportedLanguageError,
)
from buhin.review import Notice, review, warnings
from buhin.serving import Worker
from buhin.serving.call import current_call
from buhin.serving.streams import answers
from buhin.summarize.v1 import summarize_pb2, summarize_pb2_grpc
from buhin.text.checks import require_length, require_text
from buhin.text.languages import NAMES, detect, normalize
from services.summarize.engine import (
    NO_SPACES,
    Method,
    Minutes,
    MinutesItem,
    Options,
    Sentence,
    Style,
    SummarizeEngine,
    Summary,
)
from services.summarize.markdown import markdown
from services.summarize.reasons import reasons, supported

DEFAULT_CHARACTERS = 400
DEFAULT_CHARACTERS_OF_MINUTES = 4_000
DEFAULT_HEADLINE = {True: 40, False: 90}
"""For the languages of NO_SPACES and for others."""
CHARACTERS = (20, 10_000)
SENTENCES = (1, 100)
MAX_QUERY_CHARACTERS = 500

_METHODS = {
    summarize_pb2.METHOD_UNSPECIFIED: Method.EXTRACTIVE,
    summarize_pb2.METHOD_EXTRACTIVE: Method.EXTRACTIVE,
    summarize_pb2.METHOD_ABSTRACTIVE: Method.ABSTRACTIVE,
}
_STYLES = {
    summarize_pb2.STYLE_UNSPECIFIED: Style.PARAGRAPH,
    summarize_pb2.STYLE_PARAGRAPH: Style.PARAGRAPH,
    summarize_pb2.STYLE_BULLETS: Style.BULLETS,
    summarize_pb2.STYLE_ABSTRACT: Style.ABSTRACT,
    summarize_pb2.STYLE_HEADLINE: Style.HEADLINE,
    summarize_pb2.STYLE_MINUTES: Style.MINUTES,
}
_SELECTED = (Style.PARAGRAPH, Style.BULLETS)
"""Styles that sentences of the source can have."""


class SummarizeServicer(summarize_pb2_grpc.SummarizeServiceServicer):
    """Answers with an engine."""

    def __init__(self, worker: Worker[SummarizeEngine], settings: TextSettings) -> None:
        self._worker = worker
        self._max_characters = settings.max_characters
        self._idle_s = settings.stream_idle_s

    async def Summarize(  # noqa: N802 - the name is the proto's
        self, request: summarize_pb2.SummarizeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> summarize_pb2.SummarizeResponse:
        """Summarize one text."""
        options = self._options(request)

        def work(engine: SummarizeEngine, stop: Stop) -> Summary:
            return next(given for given in engine.summarize(request.text, options, stop) if isinstance(given, Summary))

        return self._response(request, options, await self._worker.run(work))

    async def StreamSummarize(  # noqa: N802 - the name is the proto's
        self, request: summarize_pb2.SummarizeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[summarize_pb2.StreamSummarizeResponse]:
        """Summarize one text; the draft as it is written, then the summary."""
        options = self._options(request)

        def work(engine: SummarizeEngine, stop: Stop) -> Iterator[str | Summary]:
            return engine.summarize(request.text, options, stop)

        with self._worker.stream() as stream:
            async for given in answers(stream, work, self._idle_s):
                if isinstance(given, Summary):
                    result = self._response(request, options, given)
                    yield summarize_pb2.StreamSummarizeResponse(result=result)
                elif given:
                    yield summarize_pb2.StreamSummarizeResponse(text_delta=given)

    def _options(self, request: summarize_pb2.SummarizeRequest) -> Options:
        require_length(len(request.text), self._max_characters, "text")
        require_text(request.text, "text")
        return _options(request)

    def _response(
        self, request: summarize_pb2.SummarizeRequest, options: Options, summary: Summary
    ) -> summarize_pb2.SummarizeResponse:
        response = summarize_pb2.SummarizeResponse(
            summary=_text(summary, options),
            sentences=[_sentence(sentence) for sentence in summary.sentences],
            source_language_code=options.source,
            target_language_code=options.target,
            review=review(reasons(request.text, summary, options)),
            warnings=warnings(_notices(request, options)),
        )
        if summary.minutes is not None:
            response.minutes.CopyFrom(_minutes(summary.minutes))
        engine = current_call.get().engine
        for model in engine.models if engine else ():
            if model.model_id in summary.model_ids:
                response.provenance.models.add(model_id=model.model_id, digest=model.digest)
        return response


def _options(request: summarize_pb2.SummarizeRequest) -> Options:
    if request.method not in _METHODS:
        accepted = ", ".join(summarize_pb2.Method.keys())
        raise InvalidValueError(field="method", value=request.method, accepted=accepted)
    if request.style not in _STYLES:
        raise InvalidValueError(field="style", value=request.style, accepted=", ".join(summarize_pb2.Style.keys()))
    if request.query:
        require_length(len(request.query), MAX_QUERY_CHARACTERS, "query")
        require_text(request.query, "query")
    method, style = _METHODS[request.method], _STYLES[request.style]
    if method is Method.EXTRACTIVE and style not in _SELECTED:
        accepted = ", ".join(f"STYLE_{each.name}" for each in _SELECTED) + " (with METHOD_EXTRACTIVE)"
        raise InvalidValueError(field="style", value=f"STYLE_{style.name}", accepted=accepted)
    source = _language(request.source_language_code, "source_language_code")
    target = _language(request.target_language_code, "target_language_code")
    if not source:
        candidates = detect(request.text)
        source = candidates[0].language if candidates else "en"
    if method is Method.EXTRACTIVE and target not in ("", source):
        raise UnsupportedLanguageError(
            field="target_language_code", value=target, accepted=f"{source} (METHOD_EXTRACTIVE keeps the language)"
        )
    default = _default(style, target or source)
    length = request.WhichOneof("length")
    for field, bounds in (("max_characters", CHARACTERS), ("max_sentences", SENTENCES)):
        value = getattr(request, field)
        if length == field and not bounds[0] <= value <= bounds[1]:
            raise OutOfRangeError(field=field, value=value, minimum=bounds[0], maximum=bounds[1])
    return Options(
        method=method,
        style=style,
        source=source,
        target=target or source,
        max_characters=None if length == "max_sentences" else request.max_characters or default,
        max_sentences=request.max_sentences if length == "max_sentences" else None,
        query=request.query,
    )


def _language(code: str, field: str) -> str:
    language = normalize(code)
    if language and language not in NAMES:
        raise UnsupportedLanguageError(field=field, value=code, accepted=", ".join(NAMES))
    return language


def _notices(request: summarize_pb2.SummarizeRequest, options: Options) -> list[Notice]:
    if options.max_characters is not None and len(request.text) <= options.max_characters:
        return [
            Notice(
                "SHORT_TEXT",
                "the text is not longer than the summary may be",
                "本文は要約の上限の長さを超えていません",
                "text",
            )
        ]
    return []


def _default(style: Style, target: str) -> int:
    if style is Style.HEADLINE:
        return DEFAULT_HEADLINE[target in NO_SPACES]
    return DEFAULT_CHARACTERS_OF_MINUTES if style is Style.MINUTES else DEFAULT_CHARACTERS


def _text(summary: Summary, options: Options) -> str:
    sentences = [sentence.text for sentence in summary.sentences]
    if summary.minutes is None:
        return options.lay_out(sentences)
    return markdown(summary.minutes, sentences, options.target)


def _minutes(minutes: Minutes) -> summarize_pb2.Minutes:
    def items(given: Iterable[MinutesItem]) -> list[summarize_pb2.MinutesItem]:
        return [summarize_pb2.MinutesItem(sentence_index=item.sentence, speaker=item.speaker) for item in given]

    return summarize_pb2.Minutes(
        topics=[summarize_pb2.MinutesTopic(title=topic.title, items=items(topic.items)) for topic in minutes.topics],
        decisions=items(minutes.decisions),
        actions=[
            summarize_pb2.MinutesAction(sentence_index=action.sentence, owner=action.owner, due=action.due)
            for action in minutes.actions
        ],
        open_questions=items(minutes.open_questions),
    )


def _sentence(sentence: Sentence) -> summarize_pb2.SummarySentence:
    return summarize_pb2.SummarySentence(
        text=sentence.text,
        citations=[
            summarize_pb2.Citation(
                span=common_pb2.TextSpan(start_char=citation.span.start, end_char=citation.span.end),
                similarity=citation.similarity,
            )
            for citation in sentence.citations
        ],
        support_score=min(1.0, sentence.support),
        supported=supported(sentence),
    )
