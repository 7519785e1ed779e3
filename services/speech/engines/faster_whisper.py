"""Speech recognition by Whisper (Radford et al. 2022, arXiv:2212.04356) on CTranslate2, with the Silero detector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import ctranslate2  # type: ignore[import-untyped]  # it ships no types
import faster_whisper
import numpy as np
from faster_whisper.transcribe import get_compression_ratio
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from buhin.engine import LoadedModel, Stop
from buhin.isolation.batches import batches
from buhin.models.store import Model
from services.speech.cutting import moved
from services.speech.engine import ROLE, Options, Segment, Span, Task, Transcription, VoiceDetector, Word
from services.speech.engines.silero import SileroDetector
from services.speech.guards import is_invented

_RATE = 16_000
_HOTWORD_TOKENS = 96
"""Of the decoder's 448 tokens; 223 are for the text before, and what is left must hold the text of a window."""
_TEMPERATURES = (0.0, 0.2, 0.4, 0.6)
"""Tried in order while a window looks wrong (repeats itself, or is improbable)."""
_VOICE = 0.5
_FAINT_VOICE = 0.3
"""Probabilities of the voice detector: with a voice, and without voice activity detection not surely without one."""
_LONGEST_VOICE_S, _PAD_S = 150.0, 0.2
_WINDOW_S = 20.0
"""Longest window of a longer recording, in seconds. With less, the model knows too little of what was said before, and
takes longer.
"""
_SAME_S = 0.02
_PUNCTUATED = {"ja": "では会議を始めます。よろしくお願いします。", "zh": "那么，我们开始吧。好的，谢谢。"}
"""What a window is told was said before it: the model leaves out punctuation in these languages otherwise."""
_PAUSE_S, _SHORTEST_S, _ABBREVIATION = 1.0, 1.0, 4
"""A segment ends in a longer pause, and with a sentence unless it is shorter; a word of at most so many letters with a
full stop may be an abbreviation.
"""
_UNHEARD_S = 1.5
"""A voice of at least this length without any text is reported."""
_NO_SPEECH = 0.5
_HARDLY_SPOKEN = 0.2
"""More probably no speech than this, and less confident than that: invented."""
_REPEATS, _IMPROBABLE = 2.4, -1.0
"""What can be compressed by more repeats itself, a lower mean log probability is no text; Whisper's own limits."""
_BCP47 = {"jw": "jv"}
"""Codes of Whisper that are not BCP-47."""


class FasterWhisperEngine:
    """A Whisper model in int8 on the CPU. ``threads`` for each of ``workers`` requests at the same time, which decode
    ``batch_size`` windows of a recording together.
    """

    name = "faster-whisper"
    version = faster_whisper.__version__

    def __init__(self, model: Model, *, threads: int, workers: int, beam_size: int, batch_size: int) -> None:
        self.models: Sequence[LoadedModel] = (model.loaded(ROLE),)
        self.part_s = 0.8 * batch_size * _WINDOW_S
        self._batch_size = batch_size
        self._beam_size = beam_size
        self._whisper = faster_whisper.WhisperModel(
            str(model.path),
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            num_workers=workers,
            local_files_only=True,
        )
        known = self._whisper.hf_tokenizer.token_to_id
        codes = [code for code in self._whisper.supported_languages if known(f"<|{code}|>") is not None]
        self._codes = {_BCP47.get(code, code): code for code in codes}
        self.languages: Sequence[str] = sorted(self._codes)

    def warm_up(self) -> None:
        """Decode a second of silence, with both models."""
        silence = np.zeros(_RATE, np.float32)
        get_speech_timestamps(silence, VadOptions())
        segments, _ = self._whisper.transcribe(silence, language="en", beam_size=1, temperature=0)
        list(segments)

    def close(self) -> None:
        """Free the model."""
        self._whisper.model.unload_model()

    def recognize(self, samples: NDArray[np.float32], options: Options, stop: Stop) -> Transcription:
        """Recognize; what is said where there is no voice is never decoded, or left out."""
        detect = options.voice_activity_detection
        voices = _voices(samples, _VOICE)
        audible = voices if detect else _voices(samples, _FAINT_VOICE)
        stop.check()
        if not audible:
            return Transcription(
                segments=(),
                language=options.language or "",
                language_probability=1.0 if options.language else 0.0,
                speech_s=0.0 if detect else len(samples) / _RATE,
            )
        hotwords = self._fitting(options.hotwords)
        asked = {
            "language": self._codes[options.language] if options.language else None,
            "task": options.task.value,
            "beam_size": self._beam_size,
            "word_timestamps": True,
            "hotwords": "、".join(hotwords) or None,
        }
        windows = _windows(samples) if detect else []
        ctranslate2.set_random_seed(0)
        if len(windows) > 1:
            language, probability, found = self._in_batches(samples, windows, voices, asked)
        else:
            language, probability, found = self._alone(samples, asked, detect)
        kept: list[Segment] = []
        removed: list[Segment] = []
        for segment in found:
            stop.check()
            if any(letter.isalnum() for letter in segment.text):
                (removed if is_invented(segment, audible) else kept).append(segment)
        return Transcription(
            segments=tuple(kept),
            language=_BCP47.get(language, language),
            language_probability=1.0 if options.language else probability,
            speech_s=sum(voice.end_s - voice.start_s for voice in voices) if detect else len(samples) / _RATE,
            removed=tuple(removed),
            unheard=tuple(_unheard(kept, voices, Span(0.0, len(samples) / _RATE))),
            hotwords_used=len(hotwords),
            hotwords_cut=len(options.hotwords) - len(hotwords),
        )

    def _alone(
        self, samples: NDArray[np.float32], asked: dict[str, Any], detect: bool
    ) -> tuple[str, float, Iterator[Segment]]:
        """Language, its probability and segments, decoded one window after the other, each knowing the one before it;
        one that looks wrong is tried again at other temperatures.
        """
        found, info = self._whisper.transcribe(
            samples, **asked, temperature=_TEMPERATURES, vad_filter=detect, vad_parameters=VadOptions(threshold=_VOICE)
        )
        return info.language, float(info.language_probability), _segments(found, len(samples) / _RATE)

    def _in_batches(
        self, samples: NDArray[np.float32], windows: Sequence[Span], voices: Sequence[Span], asked: dict[str, Any]
    ) -> tuple[str, float, Iterator[Segment]]:
        """The same, of windows decoded together; one that came out wrong, or not whole, is decoded again, alone."""
        first, info = self._batch(samples, windows[: self._batch_size], asked)
        asked = asked | {"language": info.language}

        def segments() -> Iterator[Segment]:
            pieces = first
            for start in range(0, len(windows), self._batch_size):
                batch = windows[start : start + self._batch_size]
                if start:
                    pieces, _ = self._batch(samples, batch, asked)
                for window in batch:
                    own = [piece for piece in pieces if abs(piece.seek / 100 - window.start_s) < _SAME_S]
                    found = list(_segments(chain.from_iterable(map(sentences, own)), len(samples) / _RATE))
                    if _repeats_or_is_improbable(own) or any(_unheard(found, voices, window)):
                        part = samples[int(window.start_s * _RATE) : int(window.end_s * _RATE)]
                        _, _, again = self._alone(part, asked, detect=False)
                        found = [moved(segment, window.start_s) for segment in again]
                    yield from found

        return info.language, float(info.language_probability), segments()

    def _batch(
        self, samples: NDArray[np.float32], windows: Sequence[Span], asked: dict[str, Any]
    ) -> tuple[list[faster_whisper.transcribe.Segment], faster_whisper.transcribe.TranscriptionInfo]:
        """What is recognized in some windows, and the language."""
        batches.add(len(windows))
        found, info = faster_whisper.BatchedInferencePipeline(self._whisper).transcribe(
            samples,
            **asked,
            batch_size=self._batch_size,
            clip_timestamps=[{"start": window.start_s, "end": window.end_s} for window in windows],
            initial_prompt=_PUNCTUATED.get(asked["language"]) if asked["task"] == Task.TRANSCRIBE else None,
        )
        return list(found), info

    def identify(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        """By the first 30 s with a voice."""
        voices = _voices(samples, _VOICE)
        if not voices:
            return {}
        heard = np.concatenate([samples[int(v.start_s * _RATE) : int(v.end_s * _RATE)] for v in voices])
        _, _, found = self._whisper.detect_language(heard[: 30 * _RATE])
        return {_BCP47.get(code, code): float(probability) for code, probability in found}

    def draft(self, samples: NDArray[np.float32], options: Options, stop: Stop) -> tuple[Word, ...]:
        """Recognize in one greedy attempt; what looks invented or repeats itself is left out."""
        found, _ = self._whisper.transcribe(
            samples,
            language=self._codes[options.language] if options.language else None,
            task=options.task.value,
            beam_size=1,
            temperature=0.0,
            word_timestamps=True,
            condition_on_previous_text=False,
            hotwords="、".join(self._fitting(options.hotwords)) or None,
        )
        words: list[Word] = []
        for piece in found:
            stop.check()
            segment = _segment(piece, len(samples) / _RATE, words[-1].end_s if words else 0.0)
            hardly_spoken = piece.no_speech_prob > _NO_SPEECH and segment.confidence < _HARDLY_SPOKEN
            if not hardly_spoken and piece.compression_ratio <= _REPEATS:
                words += (Word(w.start, w.end, w.word, float(w.probability)) for w in piece.words)
        return tuple(words)

    def voice_detector(self) -> VoiceDetector:
        """A Silero detector, of the model that finds voices in recordings too."""
        return SileroDetector()

    def _fitting(self, hotwords: Sequence[str]) -> Sequence[str]:
        """The first hotwords that the decoder has room for, without what it would read as a control token."""
        words = [" ".join(word.replace("<|", " ").split()) for word in hotwords]
        encode = self._whisper.hf_tokenizer.encode
        while words and len(encode("、".join(words), add_special_tokens=False).ids) > _HOTWORD_TOKENS:
            words.pop()
        return words


def _voices(
    samples: NDArray[np.float32],
    threshold: float,
    longest_s: float = _LONGEST_VOICE_S,
    *,
    silence_s: float = 0.5,
    pad_s: float = _PAD_S,
) -> list[Span]:
    """Where there is a voice, with ``pad_s`` around it; pauses of less than ``silence_s`` belong to it."""
    options = VadOptions(
        threshold=threshold,
        min_speech_duration_ms=100,
        max_speech_duration_s=longest_s,
        min_silence_duration_ms=round(1000 * silence_s),
        speech_pad_ms=round(1000 * pad_s),
    )
    return [Span(voice["start"] / _RATE, voice["end"] / _RATE) for voice in get_speech_timestamps(samples, options)]


def _windows(samples: NDArray[np.float32]) -> list[Span]:
    """Where voices are, in windows of at most ``_WINDOW_S``, cut in the longest pause of their second half."""
    voices = _voices(samples, _VOICE, _WINDOW_S - 2 * _PAD_S, silence_s=0.1, pad_s=0.0)
    ends_s = [0.0, *((voice.end_s + after.start_s) / 2 for voice, after in pairwise(voices)), len(samples) / _RATE]
    windows: list[Span] = []
    first = 0
    while first < len(voices):
        begin_s = voices[first].start_s
        inside = [n for n in range(first, len(voices)) if voices[n].end_s - begin_s <= _WINDOW_S - 2 * _PAD_S]
        last = inside[-1] if inside else first
        if last + 1 < len(voices):
            later = [n for n in range(first, last + 1) if voices[n].end_s - begin_s >= _WINDOW_S / 2] or [last]
            last = max(later, key=lambda n: voices[n + 1].start_s - voices[n].end_s)
        windows.append(Span(max(ends_s[first], begin_s - _PAD_S), min(ends_s[last + 1], voices[last].end_s + _PAD_S)))
        first = last + 1
    return windows


def _repeats_or_is_improbable(pieces: Sequence[faster_whisper.transcribe.Segment]) -> bool:
    text = "".join(piece.text for piece in pieces)
    return bool(pieces) and bool(get_compression_ratio(text) > _REPEATS or pieces[0].avg_logprob < _IMPROBABLE)


def _unheard(segments: Sequence[Segment], voices: Sequence[Span], inside: Span) -> Iterator[Span]:
    """Where there is a voice and no text for a while, in a stretch of the audio."""
    for voice in voices:
        part = Span(max(voice.start_s, inside.start_s), min(voice.end_s, inside.end_s))
        if part.end_s - part.start_s >= _UNHEARD_S:
            yield from (gap for gap in gaps(part, segments) if gap.end_s - gap.start_s >= _UNHEARD_S)


def sentences(piece: faster_whisper.transcribe.Segment) -> Iterator[faster_whisper.transcribe.Segment]:
    """What was recognized in a window, cut where a sentence ends or nobody speaks."""
    words = piece.words
    if not words:
        return
    start = 0
    for n, (word, after) in enumerate(pairwise(words), start=1):
        pause_s = after.start - word.end
        text = word.word.strip()
        full_stop = text.endswith(".") and after.word.startswith(" ") and (len(text) > _ABBREVIATION or pause_s > 0)
        ends = full_stop or text.endswith(("。", "！", "？", "!", "?"))
        if pause_s >= _PAUSE_S or (ends and word.end - words[start].start >= _SHORTEST_S):
            yield _part(piece, words[start:n])
            start = n
    yield _part(piece, words[start:])


def _part(
    piece: faster_whisper.transcribe.Segment, words: list[faster_whisper.transcribe.Word]
) -> faster_whisper.transcribe.Segment:
    return replace(
        piece, words=words, text="".join(word.word for word in words), start=words[0].start, end=words[-1].end
    )


def _segments(pieces: Iterable[faster_whisper.transcribe.Segment], audio_s: float) -> Iterator[Segment]:
    """Ours from theirs, in order."""
    clock = 0.0
    for piece in pieces:
        segment = _segment(piece, audio_s, clock)
        clock = segment.end_s
        yield segment


def _segment(piece: faster_whisper.transcribe.Segment, audio_s: float, earliest_s: float) -> Segment:
    """Ours from theirs, with times that keep order and stay inside the audio."""
    clock = earliest_s

    def tick(seconds: float) -> float:
        nonlocal clock
        clock = float(min(max(seconds, clock), audio_s))
        return clock

    start, words = tick(piece.start), []
    for word in piece.words:
        span = tick(word.start), tick(word.end)
        if text := word.word.strip():
            words.append(Word(*span, text, float(word.probability)))
    return Segment(
        start_s=words[0].start_s if words else start,
        end_s=words[-1].end_s if words else tick(piece.end),
        text=piece.text.strip(),
        confidence=float(np.mean([word.confidence for word in words]) if words else np.exp(piece.avg_logprob)),
        no_speech_probability=float(piece.no_speech_prob),
        compression_ratio=float(piece.compression_ratio),
        words=tuple(words),
    )


def gaps(voice: Span, segments: Sequence[Segment]) -> list[Span]:
    """What the segments, in order, leave of a stretch."""
    inside = [segment for segment in segments if segment.start_s < voice.end_s and voice.start_s < segment.end_s]
    starts = [voice.start_s, *(segment.end_s for segment in inside)]
    ends = [*(segment.start_s for segment in inside), voice.end_s]
    return [Span(start, end) for start, end in zip(starts, ends, strict=True)]
