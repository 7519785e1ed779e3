"""Recognition of a recording of any length, in memory that does not grow with it.

It is decoded twice: once to know that all of it is sound, and how long it is, before the recognizer works; then part by
part, each cut in a pause between voices, recognized, and let go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from buhin.engine import Stop
from services.speech import audio
from services.speech.cutting import joined, moved
from services.speech.endpointing import Endpointer
from services.speech.engine import VOICE_FRAME, Options, SpeechEngine, Transcription, VoiceDetector
from services.speech.live import End, Final
from services.speech.reasons import MIN_LANGUAGE_PROBABILITY
from services.speech.speakers import Diarization
from services.speech.subtitles import Layout, cues

LONGEST_PART_S = 120.0
"""A part ends in the first pause after as much audio as the engine works on together. Where voices do not pause, it
ends after so much, or twice as much as that, in the quietest half second of its second half.
"""
_LANGUAGE_PART_S = 5.0
"""Length of a part where the language may change: between two parts."""
_FAINT_VOICE = 0.3


@dataclass(frozen=True)
class Progress:
    """How much of the audio is done, in seconds."""

    done_s: float
    total_s: float


def recognize(
    source: audio.Source,
    max_seconds: float,
    engine: SpeechEngine,
    options: Options,
    stop: Stop,
    layout: Layout,
    speakers: Diarization | None = None,
) -> Iterator[Progress | Final | End]:
    """Recognize a recording: its finals in order, how far it has come after each part, and the whole at the end. Who
    speaks is known when all was heard, so that with ``speakers`` the finals come at the end.

    Raises what ``audio.length`` raises before any other work, and CancelledError.
    """
    total_s = audio.length(source, max_seconds, stop)
    yield Progress(0.0, total_s)
    done: list[Transcription] = []
    known = (options.language or "", 1.0 if options.language else 0.0)
    least_s = _LANGUAGE_PART_S if options.identify_languages else engine.part_s
    for start_s, samples in parts(audio.samples(source), engine.voice_detector(), least_s):
        stop.check()
        if options.identify_languages or not known[0]:
            known = _language(engine.detect_language(samples), known)
        heard = engine.recognize(samples, options.spoken_in(known[0] or None), stop)
        if speakers is not None:
            speakers.hear(samples, heard.segments, stop)
        found = moved(heard, start_s)
        segments = tuple(replace(segment, language=known[0]) for segment in found.segments)
        done.append(replace(found, segments=segments, language=known[0], language_probability=known[1]))
        if speakers is None:
            yield from (Final(number, done[-1]) for number in range(len(segments)))
        yield Progress(min(start_s + len(samples) / audio.SAMPLE_RATE, total_s), total_s)
    if options.identify_languages:
        known = _main_language(done)
    whole = joined(done, *known, sum(part.speech_s for part in done))
    if speakers is not None:
        whole = replace(whole, segments=speakers.tell(whole.segments))
        yield from (Final(number, whole) for number in range(len(whole.segments)))
    yield End(total_s, whole, tuple(cues(whole.segments, layout, total_s)) if layout.formats else ())


def _language(found: tuple[str, float], before: tuple[str, float]) -> tuple[str, float]:
    """The language of a part: another one than before only where that is certain."""
    if before[0] and (not found[0] or (found[0] != before[0] and found[1] < MIN_LANGUAGE_PROBABILITY)):
        return before
    return found


def _main_language(done: Iterable[Transcription]) -> tuple[str, float]:
    """The language that is spoken longest, and its mean probability; empty and 0 where nothing is spoken."""
    spoken_s: dict[str, float] = {}
    certain_s: dict[str, float] = {}
    for part in done:
        if part.language and part.speech_s:
            spoken_s[part.language] = spoken_s.get(part.language, 0.0) + part.speech_s
            certain_s[part.language] = certain_s.get(part.language, 0.0) + part.speech_s * part.language_probability
    language = max(spoken_s, key=spoken_s.__getitem__, default="")
    return (language, certain_s[language] / spoken_s[language]) if language else ("", 0.0)


def parts(
    blocks: Iterable[NDArray[np.float32]], detector: VoiceDetector, least_s: float
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """The samples in parts of at least ``least_s`` but for the last, each with its place in seconds."""
    endpointer = Endpointer(_FAINT_VOICE)
    kept: list[NDArray[np.float32]] = []
    voices: list[float] = []
    start = 0
    for frames in _whole_frames(blocks):
        probabilities = detector.probabilities(np.pad(frames, (0, -len(frames) % VOICE_FRAME)))
        for _ in endpointer.hear(probabilities):
            pass
        kept.append(frames)
        voices.append(float(probabilities.mean()))
        seconds = sum(map(len, kept)) / audio.SAMPLE_RATE
        cut = 0
        if seconds >= least_s and not endpointer.hearing:
            cut = len(kept)
        elif seconds >= max(LONGEST_PART_S, 2 * least_s):
            half = len(kept) // 2
            cut = half + int(np.argmin(voices[half:])) + 1
        if cut:
            part = np.concatenate(kept[:cut])
            yield start / audio.SAMPLE_RATE, part
            start, kept, voices = start + len(part), kept[cut:], voices[cut:]
    if kept:
        yield start / audio.SAMPLE_RATE, np.concatenate(kept)


def _whole_frames(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The samples in pieces of about half a second, each of whole frames but the last."""
    size = 16 * VOICE_FRAME
    rest = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block])
        while len(rest) >= size:
            yield rest[:size]
            rest = rest[size:]
    if len(rest):
        yield rest
