"""Which language is spoken where, in a recording in which it changes.

The language of each voice is told from its sound, and then of all together: a change has a price, so that a short voice
that is in doubt does not change the language (the Viterbi algorithm, https://doi.org/10.1109/TIT.1967.1054010, over a
hidden Markov model whose states are the languages).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from buhin.engine import Stop
from services.speech.endpointing import Endpointer
from services.speech.engine import VOICE_FRAME, VOICE_FRAME_S, Span, SpeechEngine, Transcription

_VOICE = 0.5
_LONGEST_S = 12.0
"""A longer voice is told in pieces: its language may change in a short pause."""
_CHANGE = 1.0
"""Price of a change, as a difference of log probabilities."""
_CERTAIN_S = 2.0
"""A voice of this length counts in full, a shorter one in proportion."""
_FLOOR = 1e-4
"""Least probability of a language: no voice rules one out."""
_PAUSE_FRAMES = 6


@dataclass(frozen=True)
class Stretch(Span):
    """A stretch of audio, the language in it and its mean probability. Where nothing is said, ``language`` is None."""

    language: str | None
    probability: float


def stretches(
    samples: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    engine: SpeechEngine,
    before: str | None,
    stop: Stop,
) -> list[Stretch]:
    """The languages of samples, mono at 16 kHz, given the probability of a voice in each frame and the language before.

    The stretches leave nothing out and meet in pauses. Raises CancelledError.
    """
    voices = list(_voices(probabilities))
    heard: list[Mapping[str, float]] = []
    for voice in voices:
        stop.check()
        heard.append(engine.identify(samples[voice.start * VOICE_FRAME : voice.stop * VOICE_FRAME]))
    languages = smoothed(heard, [len(voice) * VOICE_FRAME_S for voice in voices], before)
    total_s = len(probabilities) * VOICE_FRAME_S
    if not languages:
        return [Stretch(0.0, total_s, None, 0.0)]
    found: list[Stretch] = []
    for language, group in groupby(range(len(voices)), key=languages.__getitem__):
        inside = list(group)
        last = inside[-1]
        end_s = total_s if last + 1 == len(voices) else (voices[last].stop + voices[last + 1].start) / 2 * VOICE_FRAME_S
        lengths = [len(voices[n]) for n in inside]
        probability = float(np.average([heard[n].get(language, 0.0) for n in inside], weights=lengths))
        found.append(Stretch(found[-1].end_s if found else 0.0, end_s, language, probability))
    return found


def smoothed(heard: Sequence[Mapping[str, float]], lengths_s: Sequence[float], before: str | None) -> list[str]:
    """The most probable language of each voice, given the probabilities of languages by its sound alone."""
    languages = sorted({language for each in heard for language in each})
    score = {language: 0.0 if before in (None, language) else -_CHANGE for language in languages}
    came_from: list[dict[str, str]] = []
    for each, length_s in zip(heard, lengths_s, strict=True):
        best = max(languages, key=score.__getitem__)
        steps = {language: language if score[language] >= score[best] - _CHANGE else best for language in languages}
        weight = min(1.0, length_s / _CERTAIN_S)
        score = {
            language: score[step]
            - (_CHANGE if step != language else 0.0)
            + weight * math.log(max(each.get(language, 0.0), _FLOOR))
            for language, step in steps.items()
        }
        came_from.append(steps)
    path = [max(languages, key=score.__getitem__)] if languages else []
    for steps in reversed(came_from[1:]):
        path.append(steps[path[-1]])
    return path[::-1]


def main_language(done: Iterable[Transcription]) -> tuple[str, float]:
    """The language that is spoken longest, and its mean probability; empty and 0 where nothing is spoken."""
    spoken_s: dict[str, float] = {}
    certain_s: dict[str, float] = {}
    for part in done:
        if part.language and part.speech_s:
            spoken_s[part.language] = spoken_s.get(part.language, 0.0) + part.speech_s
            certain_s[part.language] = certain_s.get(part.language, 0.0) + part.speech_s * part.language_probability
    language = max(spoken_s, key=spoken_s.__getitem__, default="")
    return (language, certain_s[language] / spoken_s[language]) if language else ("", 0.0)


def _voices(probabilities: NDArray[np.float32]) -> Iterator[range]:
    """The frames of each voice; of a long one in pieces."""
    endpointer = Endpointer(_VOICE)
    endpoints = [*endpointer.hear(map(float, probabilities)), *endpointer.finish()]
    frames = [round(endpoint.offset_s / VOICE_FRAME_S) for endpoint in endpoints]
    longest = round(_LONGEST_S / VOICE_FRAME_S)
    for first, last in zip(frames[::2], frames[1::2], strict=True):
        start = first
        while last - start > longest:
            later = probabilities[start + longest // 2 : start + longest]
            quietest = int(np.convolve(later, np.ones(_PAUSE_FRAMES), "valid").argmin()) + _PAUSE_FRAMES // 2
            yield range(start, start + longest // 2 + quietest)
            start += longest // 2 + quietest
        yield range(start, last)
