"""Proto to domain and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
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
    NotImplementedMethodError,
    UnsupportedLanguageError,
)
from buhin.review import review, warnings
from buhin.serving import Worker
from buhin.speech.v1 import speech_pb2, speech_pb2_grpc
from services.speech import audio, conversions
from services.speech.engine import Options, Segment, SpeechEngine, Task, Transcription, Word
from services.speech.reasons import notices, reasons
from services.speech.speakers import Voices, tell_speakers
from services.speech.subtitles import Cue, cues, too_fast

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
    """Answers with an engine. StreamingRecognize is not implemented yet, as the card says."""

    def __init__(self, worker: Worker[SpeechEngine], settings: SpeechSettings, voices: Callable[[], Voices]) -> None:
        """``voices`` loads, once, what tells speakers apart."""
        self._worker = worker
        self._voices = voices
        self._max_seconds = settings.max_audio_seconds

    async def Recognize(  # noqa: N802 - the name is the proto's
        self, request: speech_pb2.RecognizeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> speech_pb2.RecognizeResponse:
        """Transcribe one recording."""
        source = self._source(request)
        options = self._options(request.config)
        layout = conversions.layout(request.config.subtitles)
        speaker_count = conversions.speaker_count(request.config.diarization)
        provenance = common_pb2.Provenance()

        def work(engine: SpeechEngine, stop: Stop) -> tuple[float, Transcription, list[Cue]]:
            samples = audio.decode(source, self._max_seconds, stop)
            audio_s = len(samples) / audio.SAMPLE_RATE
            voices = self._voices() if request.config.diarization.enabled else None
            result = engine.recognize(samples, options, stop)
            if voices is not None:
                segments = tell_speakers(result.segments, samples, voices, speaker_count, stop)
                result = replace(result, segments=segments)
                provenance.models.extend(
                    common_pb2.ModelRef(model_id=model.model_id, digest=model.digest)
                    for model in (*engine.models, voices.model)
                )
            return audio_s, result, cues(result.segments, layout, audio_s) if layout.formats else []

        audio_s, result, shown = await self._worker.run(work)
        language = "en" if options.task is Task.TRANSLATE else result.language
        return speech_pb2.RecognizeResponse(
            transcript=conversions.transcript(result.segments),
            segments=[_segment(s, language, words=request.config.enable_word_offsets) for s in result.segments],
            language_code=result.language,
            language_confidence=result.language_probability,
            audio_duration=_duration(audio_s),
            speech_duration=_duration(result.speech_s),
            provenance=provenance,
            review=review([*reasons(result, options), *too_fast(shown, layout)]),
            warnings=warnings(notices(result, options)),
            subtitles=conversions.subtitles(shown, layout.formats),
        )

    def StreamingRecognize(  # noqa: N802 - the name is the proto's
        self,
        request_iterator: AsyncIterator[speech_pb2.StreamingRecognizeRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[speech_pb2.StreamingRecognizeResponse]:
        """Is marked as not implemented on the card; the runtime answers before this."""
        raise NotImplementedMethodError(method="buhin.speech.v1.SpeechService/StreamingRecognize")

    def _source(self, request: speech_pb2.RecognizeRequest) -> audio.Source:
        config = request.config
        if config.encoding == speech_pb2.AUDIO_ENCODING_UNSPECIFIED:
            return audio.sniff(request.audio)
        if config.encoding == speech_pb2.AUDIO_ENCODING_LINEAR16:
            return audio.linear16(
                request.audio, config.sample_rate_hertz, config.audio_channel_count, self._max_seconds
            )
        raise InvalidValueError(
            field="config.encoding", value=config.encoding, accepted=", ".join(speech_pb2.AudioEncoding.keys())
        )

    def _options(self, config: speech_pb2.RecognitionConfig) -> Options:
        if config.task not in _TASKS:
            raise InvalidValueError(field="config.task", value=config.task, accepted=", ".join(speech_pb2.Task.keys()))
        given = config.HasField("enable_voice_activity_detection")
        return Options(
            language=self._language(config.language_code),
            task=_TASKS[config.task],
            voice_activity_detection=config.enable_voice_activity_detection if given else True,
            hotwords=_hotwords(config.hotwords),
        )

    def _language(self, code: str) -> str | None:
        """The engine's language of a BCP-47 code. Without an engine the call fails anyway, and with its reason."""
        if not code:
            return None
        subtag = code.replace("_", "-").split("-")[0].lower()
        language = _SAME_LANGUAGE.get(subtag, subtag)
        engine = self._worker.engine
        if engine is not None and language not in engine.languages:
            raise UnsupportedLanguageError(
                field="config.language_code", value=code, accepted=", ".join(engine.languages)
            )
        return language


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


def _segment(segment: Segment, language: str, *, words: bool) -> speech_pb2.Segment:
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
