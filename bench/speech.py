"""The speech service against faster-whisper in this process, with the settings of the service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import faster_whisper
import numpy as np
from faster_whisper.vad import VadOptions

from bench.measure import Row, compare, seconds, service
from buhin.client import SpeechClient
from buhin.config import SpeechSettings
from buhin.models.store import ModelStore

MEETING = Path(__file__).parents[1] / "samples" / "meeting" / "meeting.flac"
CLIP_S = 9
CALLERS = 8


def clip() -> bytes:
    """The beginning of the sample meeting as WAV: short enough that the library decodes it in one go."""
    with av.open(str(MEETING)) as source:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in source.decode(audio=0)])[: CLIP_S * 16_000]
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def rows() -> Iterator[Row]:
    """One caller, eight callers, and a long recording."""
    settings = SpeechSettings()
    model = ModelStore.from_settings(settings).open(settings.speech_model)
    whisper = faster_whisper.WhisperModel(
        str(model.path), device="cpu", compute_type="int8", cpu_threads=settings.threads, local_files_only=True
    )
    short = clip()

    def bare(audio: bytes) -> None:
        found, _ = whisper.transcribe(
            io.BytesIO(audio), language="ja", beam_size=settings.speech_beam_size, word_timestamps=True,
            temperature=(0.0, 0.2, 0.4, 0.6), vad_filter=True, vad_parameters=VadOptions(threshold=0.5),
        )  # fmt: skip
        list(found)

    with service("speech") as address, SpeechClient(address) as client, ThreadPoolExecutor(CALLERS) as pool:

        def ours(audio: bytes) -> None:
            client.recognize(audio, language="ja")

        def eight() -> None:
            list(pool.map(ours, [short] * CALLERS))

        def one_after_the_other() -> None:
            for _ in range(CALLERS):
                ours(short)

        yield compare(
            f"speech, {CLIP_S} s of audio, one caller",
            ("service", seconds(lambda: ours(short))),
            ("faster-whisper", seconds(lambda: bare(short))),
            "s",
            at_most=1.03,
        )
        yield compare(
            f"speech, {CALLERS} callers at once against one",
            ("recordings a second, eight callers", lambda: CALLERS / seconds(eight)()),
            ("recordings a second, one caller", lambda: CALLERS / seconds(one_after_the_other)()),
            "1/s",
            at_least=1.0,
        )
        whole = MEETING.read_bytes()
        yield compare(
            "speech, 87 s of audio: batched against the library's sequential mode",
            ("service", seconds(lambda: ours(whole))),
            ("faster-whisper, sequential", seconds(lambda: bare(whole))),
            "s",
        )
