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
from services.speech.engine import (
    VOICE_FRAME,
    VOICE_FRAME_S,
    Options,
    SpeechEngine,
    Transcription,
    VoiceDetector,
)
from services.speech.languages import Stretch, main_language, stretches
from services.speech.live import End, Final
from services.speech.speakers import Diarization
from services.speech.subtitles import Layout, cues

LONGEST_PART_S = 120.0
"""A part ends in the first pause after as much audio as the engine works on together. Where voices do not pause, it
ends after so much, or twice as much as that, in the quietest half second of its second half.
"""
_FAINT_VOICE = 0.3


@dataclass(frozen=True)
class Progress:
    """How much of the audio is done, in seconds."""

    done_s: float
    total_s: float


@dataclass(frozen=True)
class Part:
    """A part of a recording: its samples, and the probability of a voice in each frame; the last may be short."""

    start_s: float
    samples: NDArray[np.float32]
    probabilities: NDArray[np.float32]


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
    for part in parts(audio.samples(source), engine.voice_detector(), engine.part_s):
        for stretch in _in_one_language(part, engine, options, known, stop):
            stop.check()
            known = (stretch.language or known[0], stretch.probability if stretch.language else known[1])
            samples = part.samples[_sample(stretch.start_s) : _sample(stretch.end_s)]
            heard = engine.recognize(samples, options.spoken_in(known[0] or None), stop)
            if speakers is not None:
                speakers.hear(samples, heard.segments, stop)
            found = moved(heard, part.start_s + stretch.start_s)
            segments = tuple(replace(segment, language=known[0]) for segment in found.segments)
            done.append(replace(found, segments=segments, language=known[0], language_probability=known[1]))
            if speakers is None:
                yield from (Final(number, done[-1]) for number in range(len(segments)))
            yield Progress(min(part.start_s + stretch.end_s, total_s), total_s)
    if options.identify_languages:
        known = main_language(done)
    whole = joined(done, *known, sum(part.speech_s for part in done))
    if speakers is not None:
        whole = replace(whole, segments=speakers.tell(whole.segments))
        yield from (Final(number, whole) for number in range(len(whole.segments)))
    yield End(total_s, whole, tuple(cues(whole.segments, layout, total_s)) if layout.formats else ())


def _in_one_language(
    part: Part, engine: SpeechEngine, options: Options, known: tuple[str, float], stop: Stop
) -> list[Stretch]:
    """The stretches of a part: where the language may change, of one each, otherwise the part, in the language that is
    known, or else in the most probable one.
    """
    if options.identify_languages:
        return stretches(part.samples, part.probabilities, engine, known[0] or None, stop)
    if not known[0]:
        known = max(engine.identify(part.samples).items(), key=lambda item: item[1], default=known)
    return [Stretch(0.0, len(part.probabilities) * VOICE_FRAME_S, known[0] or None, known[1])]


def _sample(seconds: float) -> int:
    return round(seconds * audio.SAMPLE_RATE)


def parts(blocks: Iterable[NDArray[np.float32]], detector: VoiceDetector, least_s: float) -> Iterator[Part]:
    """The samples in parts of at least ``least_s`` but for the last."""
    endpointer = Endpointer(_FAINT_VOICE)
    kept: list[NDArray[np.float32]] = []
    voices: list[NDArray[np.float32]] = []
    start = 0
    for frames in _whole_frames(blocks):
        voices.append(detector.probabilities(np.pad(frames, (0, -len(frames) % VOICE_FRAME))))
        for _ in endpointer.hear(map(float, voices[-1])):
            pass
        kept.append(frames)
        seconds = sum(map(len, kept)) / audio.SAMPLE_RATE
        cut = 0
        if seconds >= least_s and not endpointer.hearing:
            cut = len(kept)
        elif seconds >= max(LONGEST_PART_S, 2 * least_s):
            half = len(kept) // 2
            cut = half + int(np.argmin([voice.mean() for voice in voices[half:]])) + 1
        if cut:
            yield Part(start / audio.SAMPLE_RATE, np.concatenate(kept[:cut]), np.concatenate(voices[:cut]))
            start, kept, voices = start + sum(map(len, kept[:cut])), kept[cut:], voices[cut:]
    if kept:
        yield Part(start / audio.SAMPLE_RATE, np.concatenate(kept), np.concatenate(voices))


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
