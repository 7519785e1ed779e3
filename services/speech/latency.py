"""Measures how late live results are: ``python -m services.speech.latency FILE [LANGUAGE]``, against a running service.

A file is played at real speed as 16-bit samples. The first interim result is timed from the beginning of the first
voice, each final one from the moment at which the audio of its end had been sent.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from buhin.client import SpeechClient
from buhin.config import ClientSettings
from services.speech import audio

_PORTION_S = 0.1


def measure(file: Path, language: str, settings: ClientSettings) -> dict[str, Any]:
    """Play a file at real speed; ``language`` is BCP-47, detected when empty.

    Returns, in seconds, ``first_interim_s`` (None where there was none), ``final_lag_s`` with ``median`` and ``max``,
    and ``audio_s``; and the ``transcript``, one final result a line, the numbers of ``interims`` and ``finals``, and
    the ``model`` id.
    """
    samples = np.concatenate(list(audio.samples(audio.sniff(file.read_bytes()))))
    raw = (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
    began = time.monotonic()
    with SpeechClient(settings=settings) as client:
        arrivals = [
            (time.monotonic() - began, response)
            for response in client.streaming_recognize(
                played(raw, audio.SAMPLE_RATE, began),
                language=language,
                interim_results=True,
                voice_activity_events=True,
                raw_sample_rate_hertz=audio.SAMPLE_RATE,
            )
        ]
    voice_s = next((_seconds(r.voice_activity.offset) for _, r in arrivals if r.HasField("voice_activity")), 0.0)
    results = [(at, response.result) for at, response in arrivals if response.HasField("result")]
    interims = [at - voice_s for at, result in results if not result.is_final]
    finals = [(at - _seconds(result.segment.end_offset), result) for at, result in results if result.is_final]
    lags = [lag for lag, _ in finals] or [0.0]
    return {
        "first_interim_s": round(interims[0], 2) if interims else None,
        "final_lag_s": {"median": round(statistics.median(lags), 2), "max": round(max(lags), 2)},
        "audio_s": round(len(samples) / audio.SAMPLE_RATE, 2),
        "transcript": "\n".join(result.segment.text for _, result in finals),
        "interims": len(interims),
        "finals": len(finals),
        "model": arrivals[-1][1].provenance.models[0].model_id if finals else "",
    }


def played(raw: bytes, sample_rate: int, began: float) -> Iterator[bytes]:
    """16-bit mono samples in portions, each at the time, after ``began``, at which its last sample was spoken."""
    size = int(sample_rate * _PORTION_S) * 2
    for start in range(0, len(raw), size):
        portion = raw[start : start + size]
        time.sleep(max(0.0, began + (start + len(portion)) / 2 / sample_rate - time.monotonic()))
        yield portion


def _seconds(offset: Any) -> float:
    return float(offset.ToMilliseconds() / 1000)


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(measure(Path(sys.argv[1]), "".join(sys.argv[2:3]), ClientSettings()), ensure_ascii=False, indent=2)
        + "\n"
    )
