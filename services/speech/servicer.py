"""Proto to domain and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from mmap import mmap
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from buhin.common.v1 import common_pb2
from buhin.config import SpeechSettings
from buhin.engine import Stop
from buhin.errors import (
    EmptyInputError,
    InputTooLargeError,
    InvalidValueError,
    UnsupportedLanguageError,
)
from buhin.review import review, warnings
from buhin.serving import Stream, Worker
from buhin.serving.call import current_call
from buhin.serving.streams import answers, opened
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from buhin.text import glossary
from buhin.text.languages import normalize
from services.speech import audio, conversions, recording
from services.speech.endpointing import Endpoint
from services.speech.engine import Options, Segment, SpeechEngine, Task, Word
from services.speech.incoming import Incoming
from services.speech.live import End, Event, Final, Interim, Live
from services.speech.reasons import notices, reasons
from services.speech.speakers import Diarization, Voices
from services.speech.streaming import check_streaming, final_reasons
from services.speech.subtitles import Layout, too_fast
from services.speech.upload import uploaded

MAX_HOTWORDS = 100
MAX_HOTWORD_CHARACTERS = 64

_TASKS = {
    speech_pb2.TASK_UNSPECIFIED: Task.TRANSCRIBE,
    speech_pb2.TASK_TRANSCRIBE: Task.TRANSCRIBE,
    speech_pb2.TASK_TRANSLATE: Task.TRANSLATE,
}
_SAME_LANGUAGE = {"cmn": "zh", "fil": "tl", "in": "id", "iw": "he", "ji": "yi", "jw": "jv", "nb": "no"}
"""Other subtags of languages that recognizers know under one."""


class SpeechServicer(speech_pb2_grpc.SpeechServiceServicer):
    """Answers with an engine."""

    def __init__(self, worker: Worker[SpeechEngine], settings: SpeechSettings, voices: Callable[[], Voices]) -> None:
        """``voices`` loads, once, what tells speakers apart."""
        self._worker = worker
        self._voices = voices
        self._max_seconds = settings.max_audio_seconds
        self._max_bytes = settings.max_upload_bytes
        self._idle_s = settings.stream_idle_s
        self._glossary_dir = settings.glossary_dir

    async def Recognize(  # noqa: N802 - the name is the proto's
        self, request: speech_pb2.RecognizeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> speech_pb2.RecognizeResponse:
        """Transcribe one recording."""
        source = self._source(request.audio, request.config)
        options = self._options(request.config)
        layout = conversions.layout(request.config.subtitles)
        conversions.speaker_count(request.config.diarization)

        def work(engine: SpeechEngine, stop: Stop) -> End:
            speakers = self._speakers(request.config)
            events = recording.recognize(source, self._max_seconds, engine, options, stop, layout, speakers)
            return next(event for event in events if isinstance(event, End))

        end = await self._worker.run(work)
        result = end.result
        return speech_pb2.RecognizeResponse(
            transcript=conversions.transcript(result.segments),
            segments=[
                _segment(s, options, result.language, words=request.config.enable_word_offsets) for s in result.segments
            ],
            language_code=result.language,
            language_confidence=result.language_probability,
            audio_duration=_duration(end.audio_s),
            speech_duration=_duration(result.speech_s),
            provenance=self._provenance(request.config),
            review=review([*reasons(result, options), *too_fast(end.cues, layout)]),
            warnings=warnings(notices(result, options)),
            subtitles=conversions.subtitles(end.cues, layout.formats),
        )

    async def StreamingRecognize(  # noqa: N802 - the name is the proto's
        self,
        request_iterator: AsyncIterator[speech_pb2.StreamingRecognizeRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[speech_pb2.StreamingRecognizeResponse]:
        """Transcribe while the audio arrives, or a recording once it is there."""
        with self._worker.stream() as stream:
            streaming, portions = await opened(request_iterator, self._idle_s)
            check_streaming(streaming)
            config = streaming.config
            options = self._options(config)
            layout = conversions.layout(config.subtitles)
            conversions.speaker_count(config.diarization)
            is_file = streaming.mode == speech_pb2.STREAMING_MODE_FILE
            events = (
                self._file(stream, portions, config, options, layout)
                if is_file
                else self._live(stream, portions, streaming, options)
            )
            async with aclosing(events):
                async for event in events:
                    response = _streamed(event, options, layout, words=config.enable_word_offsets)
                    response.provenance.CopyFrom(self._provenance(config))
                    yield response

    async def _live(
        self,
        stream: Stream[SpeechEngine],
        portions: AsyncIterator[bytes],
        streaming: speech_pb2.StreamingRecognitionConfig,
        options: Options,
    ) -> AsyncGenerator[Event, None]:
        detector = await asyncio.to_thread(stream.engine.voice_detector)
        incoming = Incoming(portions, _raw(streaming.config), detector, self._max_seconds)
        live = Live(stream, options, interims=streaming.interim_results, endpoints=streaming.voice_activity_events)
        async with aclosing(live.events(incoming)) as events:
            async for event in events:
                yield event

    async def _file(
        self,
        stream: Stream[SpeechEngine],
        portions: AsyncIterator[bytes],
        config: speech_pb2.RecognitionConfig,
        options: Options,
        layout: Layout,
    ) -> AsyncGenerator[Event | recording.Progress, None]:
        _raw(config)
        async with uploaded(portions, self._max_bytes) as data:
            source = self._source(data, config)

            def work(engine: SpeechEngine, stop: Stop) -> Iterator[Event | recording.Progress]:
                speakers = self._speakers(config)
                return recording.recognize(source, self._max_seconds, engine, options, stop, layout, speakers)

            async with aclosing(answers(stream, work, self._idle_s)) as events:
                async for event in events:
                    yield event

    def _speakers(self, config: speech_pb2.RecognitionConfig) -> Diarization | None:
        """How speakers are told apart, where that is wanted; loads the model for it."""
        if not config.diarization.enabled:
            return None
        return Diarization(self._voices(), conversions.speaker_count(config.diarization))

    def _provenance(self, config: speech_pb2.RecognitionConfig) -> common_pb2.Provenance:
        """The models that took part, where they are more than the recognizer's."""
        if not config.diarization.enabled:
            return common_pb2.Provenance()
        engine = current_call.get().engine
        models = [*(engine.models if engine else ()), self._voices().model]
        return common_pb2.Provenance(
            models=[common_pb2.ModelRef(model_id=model.model_id, digest=model.digest) for model in models]
        )

    def _source(self, data: bytes | mmap, config: speech_pb2.RecognitionConfig) -> audio.Source:
        raw = _raw(config)
        if raw is None:
            return audio.sniff(data)
        return audio.linear16(data, raw.sample_rate, raw.channels, self._max_seconds)

    def _options(self, config: speech_pb2.RecognitionConfig) -> Options:
        if config.task not in _TASKS:
            raise InvalidValueError(field="config.task", value=config.task, accepted=", ".join(speech_pb2.Task.keys()))
        given = config.HasField("enable_voice_activity_detection")
        if config.enable_language_identification and config.language_code:
            raise InvalidValueError(
                field="config.language_code", value=config.language_code,
                accepted="none with enable_language_identification",
            )  # fmt: skip
        return Options(
            language=self._language(config.language_code),
            terms=self._terms(config.glossary_id),
            identify_languages=config.enable_language_identification,
            task=_TASKS[config.task],
            voice_activity_detection=config.enable_voice_activity_detection if given else True,
            hotwords=_hotwords(config.hotwords),
        )

    def _terms(self, glossary_id: str) -> dict[str, tuple[str, ...]]:
        """The terms of a glossary by language, as many as may be hotwords."""
        rows = glossary.load(self._glossary_dir, glossary_id, "config.glossary_id") if glossary_id else []
        found: dict[str, dict[str, None]] = {}
        for row in rows:
            for code, term in row.items():
                found.setdefault(_primary(code), {})[term] = None
        return {language: tuple(terms)[:MAX_HOTWORDS] for language, terms in found.items()}

    def _language(self, code: str) -> str | None:
        """The engine's language of a BCP-47 code. Without an engine the call fails anyway, and with its reason."""
        if not code:
            return None
        language = _primary(code)
        engine = self._worker.engine
        if engine is not None and language not in engine.languages:
            raise UnsupportedLanguageError(
                field="config.language_code", value=code, accepted=", ".join(engine.languages)
            )
        return language


def _primary(code: str) -> str:
    """The language that recognizers know of a BCP-47 code."""
    subtag = normalize(code)
    return _SAME_LANGUAGE.get(subtag, subtag)


def _raw(config: speech_pb2.RecognitionConfig) -> audio.Raw | None:
    """How raw samples are laid out; None for a file."""
    if config.encoding == speech_pb2.AUDIO_ENCODING_UNSPECIFIED:
        return None
    if config.encoding == speech_pb2.AUDIO_ENCODING_LINEAR16:
        return audio.Raw.checked(config.sample_rate_hertz, config.audio_channel_count)
    raise InvalidValueError(
        field="config.encoding", value=config.encoding, accepted=", ".join(speech_pb2.AudioEncoding.keys())
    )


def _hotwords(words: Sequence[str]) -> tuple[str, ...]:
    if len(words) > MAX_HOTWORDS:
        raise InputTooLargeError(field="config.hotwords", size=len(words), unit="words", limit=MAX_HOTWORDS)
    for number, word in enumerate(words):
        field = f"config.hotwords[{number}]"
        if not word.strip():
            raise EmptyInputError(field=field)
        if len(word) > MAX_HOTWORD_CHARACTERS:
            raise InputTooLargeError(field=field, size=len(word), unit="characters", limit=MAX_HOTWORD_CHARACTERS)
    return tuple(word.strip() for word in words)


def _streamed(
    event: Event | recording.Progress, options: Options, layout: Layout, *, words: bool
) -> speech_pb2.StreamingRecognizeResponse:
    """What happened in a stream."""

    def result(segment: Segment, language: str, *, is_final: bool, stability: float) -> speech_pb2.StreamingResult:
        return speech_pb2.StreamingResult(
            segment=_segment(segment, options, language, words=words), is_final=is_final, stability=stability
        )

    match event:
        case Endpoint():
            kind = speech_pb2.VOICE_ACTIVITY_TYPE_BEGIN if event.begins else speech_pb2.VOICE_ACTIVITY_TYPE_END
            return speech_pb2.StreamingRecognizeResponse(
                voice_activity=speech_pb2.VoiceActivity(type=kind, offset=_duration(event.offset_s))
            )
        case recording.Progress():
            return speech_pb2.StreamingRecognizeResponse(
                progress=speech_pb2.RecognitionProgress(done=_duration(event.done_s), total=_duration(event.total_s))
            )
        case Interim():
            return speech_pb2.StreamingRecognizeResponse(
                result=result(event.segment, event.language, is_final=False, stability=event.stability)
            )
        case Final():
            segment = event.window.segments[event.number]
            return speech_pb2.StreamingRecognizeResponse(
                result=result(segment, event.window.language, is_final=True, stability=1.0),
                review=review(final_reasons(event, options)),
            )
        case End():
            return speech_pb2.StreamingRecognizeResponse(
                end=speech_pb2.StreamingEnd(
                    audio_duration=_duration(event.audio_s),
                    speech_duration=_duration(event.result.speech_s),
                    language_code=event.result.language,
                    language_confidence=event.result.language_probability,
                    subtitles=conversions.subtitles(event.cues, layout.formats),
                    warnings=warnings(notices(event.result, options)),
                ),
                review=review([*reasons(event.result, options), *too_fast(event.cues, layout)]),
            )


def _segment(segment: Segment, options: Options, language: str, *, words: bool) -> speech_pb2.Segment:
    language = "en" if options.task is Task.TRANSLATE else segment.language or language
    return speech_pb2.Segment(
        start_offset=_duration(segment.start_s),
        end_offset=_duration(segment.end_s),
        text=segment.text,
        confidence=segment.confidence,
        words=[_word(word) for word in segment.words] if words else [],
        language_code=language,
        speaker_label=segment.speaker,
        no_speech_probability=segment.no_speech_probability,
        compression_ratio=segment.compression_ratio,
    )


def _word(word: Word) -> speech_pb2.Word:
    return speech_pb2.Word(
        start_offset=_duration(word.start_s),
        end_offset=_duration(word.end_s),
        word=word.text,
        confidence=word.confidence,
        speaker_label=word.speaker,
    )


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration
